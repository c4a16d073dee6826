/** Paths of a tree, byte by byte: names need not be UTF-8. Text is UTF-8. */
import { posix } from 'node:path'

export type Path = string | Buffer

export function join(...parts: readonly Path[]): Buffer {
  return bytesOf(posix.join(...parts.map(charactersOf)))
}

export function dirname(path: Path): Buffer {
  return bytesOf(posix.dirname(charactersOf(path)))
}

export function basename(path: Path): Buffer {
  return bytesOf(posix.basename(charactersOf(path)))
}

/** One character for each byte. */
function charactersOf(path: Path): string {
  return Buffer.from(path).toString('latin1')
}

function bytesOf(characters: string): Buffer {
  return Buffer.from(characters, 'latin1')
}
