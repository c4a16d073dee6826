/**
 * What is left of a block that is cut short. Nothing is moved: the shorter chunk keeps its place, and so
 * does what it may fall back to, which is cut likewise: bytes behind a cut never come back.
 */
import { chunkBytes } from '../../network/limits.ts'
import { writeChecksum } from '../../network/wire/checksum.ts'
import type { Device } from '../device/contract.ts'
import type { Extent } from './allocator.ts'
import { keptChunk, type SyncProgress } from './fallback.ts'
import { isLost, readChunk } from './reading.ts'
import {
  type BlockRecord,
  checksumBytes,
  type StoredChunk,
  type Unsynced,
  unitsOf,
  withoutHolesAtEnd,
} from './record.ts'
import { extentsOf } from './scan.ts'

export interface CutRecord {
  readonly after: BlockRecord
  readonly replaced: readonly Extent[]
}

/** @throws ClusterError CHECKSUM, DISK when the chunk that the cut goes through cannot be read. */
export async function cutRecord(
  device: Device,
  before: BlockRecord,
  offset: number,
  progress: SyncProgress,
): Promise<CutRecord> {
  const index = Math.floor(offset / chunkBytes)
  const length = offset % chunkBytes
  const kept = before.slice(0, index)
  const replaced = extentsOf(before.slice(index + 1))
  const chunk = before[index]
  if (chunk && length >= chunk.length) kept.push(chunk)
  else if (chunk) {
    if (length > 0) kept.push(await shorten(device, chunk, length))
    replaced.push(...tailOf(chunk, unitsOf(length)))
  }
  const after = kept.map(left => keptChunk(left, progress))
  return { after: withoutHolesAtEnd(after), replaced }
}

/** The chunk's first `length` bytes, where they are. @throws ClusterError CHECKSUM, DISK. */
export async function shorten(
  device: Device,
  chunk: StoredChunk,
  length: number,
): Promise<StoredChunk> {
  if (length >= chunk.length) return chunk
  const bytes = await readChunk(device, [chunk], 0)
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, [bytes.subarray(0, length)])
  const unsynced = await shortenFallback(device, chunk.unsynced, length)
  return { ...chunk, length, checksum, extents: headOf(chunk, unitsOf(length)), unsynced }
}

/** What has decayed is no fallback any more: without it, a chunk that is lost is an error. */
async function shortenFallback(
  device: Device,
  unsynced: Unsynced | null,
  length: number,
): Promise<Unsynced | null> {
  if (!unsynced?.fallback) return unsynced
  try {
    const fallback = await shorten(device, unsynced.fallback, length)
    return { change: unsynced.change, fallback }
  } catch (error) {
    if (isLost(error)) return null
    throw error
  }
}

function headOf({ extents }: StoredChunk, count: number): Extent[] {
  const head: Extent[] = []
  let left = count
  for (const { unit, units } of extents) {
    if (left > 0) head.push({ unit, units: Math.min(units, left) })
    left -= units
  }
  return head
}

/** What is left over when the chunk keeps its first units. */
export function tailOf({ extents }: StoredChunk, skipped: number): Extent[] {
  const tail: Extent[] = []
  let skip = skipped
  for (const { unit, units } of extents) {
    if (units > skip) tail.push({ unit: unit + skip, units: units - skip })
    skip = Math.max(0, skip - units)
  }
  return tail
}
