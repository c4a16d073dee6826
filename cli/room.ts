/** Whether the disk of a home has room for what `up` is to do. */
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatBytes } from '../network/format/bytes.ts'
import { leftToOthers } from '../server/device/reserve.ts'
import { metaReserveOf } from '../server/metadata/reserve.ts'
import { Failure } from './failure.ts'
import type { Home } from './home.ts'

/** For the files of a new cluster: with less it would be full at once. */
const leastStoredBytes = 64 * 1024 * 1024
/** Less than this and a server could not even write its logs; with it files can be deleted, which makes room. */
const leastFreeOfOldBytes = 8 * 1024 * 1024

/** Changes nothing: the home need not exist. @throws Failure, which says how much room it takes. */
export async function checkRoom(home: Home): Promise<void> {
  const settings = await home.readSettings()
  const { bavail, blocks, bsize } = await statfs(await existing(home.directory))
  const freeBytes = bavail * bsize
  const needed =
    settings?.formatted === true ? leastFreeOfOldBytes : leastFreeOfNewBytes(blocks * bsize)
  // A file system without a size, such as /proc, tells nothing of its room.
  if (freeBytes >= needed || blocks === 0) return
  throw new Failure(
    `the disk of ${home.directory} is full (${formatBytes(freeBytes)} free, it takes ${formatBytes(needed)}): ` +
      'free some space, or choose another with --home',
  )
}

/** @param totalBytes size of the disk, which metadata and data share. */
export function leastFreeOfNewBytes(totalBytes: number): number {
  const [left] = leftToOthers(totalBytes, metaReserveOf(totalBytes))
  return left + leastStoredBytes
}

/** The closest directory that is there. */
async function existing(path: string): Promise<string> {
  const found = await stat(path).catch(() => null)
  return found?.isDirectory() === true || path === dirname(path) ? path : existing(dirname(path))
}
