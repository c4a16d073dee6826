/** How files are shown to a person. */
import { fileType } from '../network/wire/attributes.ts'

const letters = new Map<number, string>([
  [fileType.fifo, 'p'],
  [fileType.character, 'c'],
  [fileType.directory, 'd'],
  [fileType.block, 'b'],
  [fileType.regular, '-'],
  [fileType.symlink, 'l'],
  [fileType.socket, 's'],
])

const types = new Map<number, string>([
  [fileType.fifo, 'a pipe'],
  [fileType.character, 'a character device'],
  [fileType.directory, 'a directory'],
  [fileType.block, 'a block device'],
  [fileType.regular, 'a file'],
  [fileType.symlink, 'a symbolic link'],
  [fileType.socket, 'a socket'],
])

export function describeType(mode: number): string {
  return types.get(mode & fileType.mask) ?? 'of an unknown type'
}

/** `drwxr-xr-x`, with setuid, setgid and sticky bits as ls(1) has them. */
export function formatMode(mode: number): string {
  const triple = (shift: number, special: number, letter: string): string => {
    const bits = mode >> shift
    const execute = (bits & 1) !== 0
    const plain = execute ? 'x' : '-'
    const marked = execute ? letter : letter.toUpperCase()
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${mode & special ? marked : plain}`
  }
  const type = letters.get(mode & fileType.mask) ?? '?'
  return `${type}${triple(6, 0o4000, 's')}${triple(3, 0o2000, 's')}${triple(0, 0o1000, 't')}`
}

/** A name may hold escape sequences that would command the terminal. */
export function printableName(name: string): string {
  return name.replaceAll(
    /\p{Cc}/gu,
    character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
