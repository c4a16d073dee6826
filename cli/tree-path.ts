/** Paths of a tree, byte by byte: names need not be UTF-8. Text is UTF-8. */
import { posix } from 'node:path'

export type Path = string | Buffer

export function join(...parts: readonly Path[]): Buffer {
  return bytesOf(posix.join(...parts.map(charactersOf)))
}

export function basename(path: Path): Buffer {
  return bytesOf(posix.basename(charactersOf(path)))
}

/** What a symbolic link at `path` leads to; its `..` are the file system's, as links may come before them. */
export function beside(path: Path, target: Buffer): Buffer {
  const characters = charactersOf(target)
  if (posix.isAbsolute(characters)) return target
  return bytesOf(`${posix.dirname(charactersOf(path))}/${characters}`)
}

/** One character for each byte. */
function charactersOf(path: Path): string {
  return Buffer.from(path).toString('latin1')
}

function bytesOf(characters: string): Buffer {
  return Buffer.from(characters, 'latin1')
}
