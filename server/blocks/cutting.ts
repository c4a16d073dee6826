/** What is left of a block that is cut short. Nothing is moved: the shorter chunk keeps its place. */
import { chunkBytes } from '../../network/limits.ts'
import { writeChecksum } from '../../network/wire/checksum.ts'
import type { Device } from '../device/contract.ts'
import type { Extent } from './allocator.ts'
import { type BlockRecord, checksumBytes, type StoredChunk, unitsOf } from './index.ts'
import { readChunk } from './reading.ts'
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
): Promise<CutRecord> {
  const index = Math.floor(offset / chunkBytes)
  const length = offset % chunkBytes
  const kept: (StoredChunk | null)[] = before.slice(0, index)
  const replaced = extentsOf(before.slice(index + 1))
  const chunk = before[index]
  if (chunk && length >= chunk.length) kept.push(chunk)
  else if (chunk && length > 0) kept.push(await shorten(device, before, index, length))
  const left = kept[index]
  if (chunk && left !== chunk) replaced.push(...tailOf(chunk, left ? unitsOf(length) : 0))
  return { after: withoutHolesAtEnd(kept), replaced }
}

async function shorten(
  device: Device,
  before: BlockRecord,
  index: number,
  length: number,
): Promise<StoredChunk> {
  const bytes = await readChunk(device, before, index)
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, [bytes.subarray(0, length)])
  return { length, checksum, extents: headOf(before[index]!, unitsOf(length)) }
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

function tailOf({ extents }: StoredChunk, skipped: number): Extent[] {
  const tail: Extent[] = []
  let skip = skipped
  for (const { unit, units } of extents) {
    if (units > skip) tail.push({ unit: unit + skip, units: units - skip })
    skip = Math.max(0, skip - units)
  }
  return tail
}

function withoutHolesAtEnd(record: BlockRecord): BlockRecord {
  let length = record.length
  while (length > 0 && !record[length - 1]) length--
  return record.slice(0, length)
}
