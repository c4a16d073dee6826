/**
 * Merging a store of Level, so that what was deleted is off the disk.
 *
 * `compactRange` writes out what is in memory, and merges each level with the one below; the tables of the lowest level
 * that has any it leaves alone, deletions and all. So a range gets two deletions of nothing first, at both of its
 * ends: the table of these lies above all others of the range, and is merged with them down to the lowest.
 *
 * 1. Range by range: what is merged is on the disk twice for a moment, and a disk that is full while Level merges is the
 *    end of the store. So a range has few bytes that stay, and is merged only where several times as many are free.
 * 2. Only keys that nothing is under are deleted.
 */
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** What classic-level can do. */
export interface Mergeable {
  get(key: Buffer): Promise<Uint8Array | undefined>
  iterator(): AsyncIterable<[Buffer, Uint8Array]>
  compactRange(start: Buffer, end: Buffer, options: typeof encoding): Promise<void>
  batch(operations: { type: 'del'; key: Buffer }[]): Promise<void>
}

const encoding = { keyEncoding: 'buffer' } as const
/** What stays of a range that is merged at a time, some tables at its borders not counted. */
const rangeBytes = 4 * 1024 * 1024
const freeBytes = 8 * rangeBytes
/** Longer than any key by itself. */
const behind = Buffer.alloc(64, 0xff)

export async function mergeLevel(
  level: Mergeable,
  directory: string,
  mostBytes: number,
): Promise<void> {
  if ((await sizeOf(directory)) > mostBytes) return
  let start: Buffer = Buffer.of(0, 0, 0)
  // What is in memory has to be below what comes now.
  await level.compactRange(start, start, encoding)
  for (const end of await ranges(level)) {
    const { bavail, bsize } = await statfs(directory)
    if (bavail * bsize < freeBytes) return
    await mergeRange(level, start, end)
    start = end
  }
}

/** Where each range ends. The iterator is closed then: it would keep all tables on the disk that there were. */
async function ranges(level: Mergeable): Promise<readonly Buffer[]> {
  const ends: Buffer[] = []
  let bytes = 0
  for await (const [key, value] of level.iterator()) {
    bytes += key.byteLength + value.byteLength
    if (bytes < rangeBytes) continue
    ends.push(Buffer.concat([key, behind]))
    bytes = 0
  }
  return [...ends, behind]
}

async function mergeRange(level: Mergeable, start: Buffer, end: Buffer): Promise<void> {
  for (const key of [start, end]) {
    if ((await level.get(key)) === undefined) await level.batch([{ type: 'del', key }])
  }
  await level.compactRange(start, end, encoding)
}

/** Of the files in it; Level may remove one meanwhile. */
async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory)
  const sizes = names.map(name =>
    stat(join(directory, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
