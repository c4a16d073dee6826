/** New chunks from what a write brings and what the block holds, and their way to the device. */
import assert from 'node:assert/strict'
import { chunkBytes } from '../../network/limits.ts'
import type { BlockRange } from '../../network/wire/block-ranges.ts'
import { cutAtChunks, writeChecksum } from '../../network/wire/checksum.ts'
import type { Device } from '../device/contract.ts'
import type { Extent } from './allocator.ts'
import { fallbackTo, keptChunk, type SyncProgress } from './fallback.ts'
import { readChunk } from './reading.ts'
import { type BlockRecord, checksumBytes, type StoredChunk, unitBytes, unitsOf } from './record.ts'

/** The bytes of one chunk, not yet on the device. */
export interface NewChunk {
  readonly length: number
  readonly pieces: readonly Uint8Array[]
  readonly checksum: Uint8Array
}

export const zeros: Uint8Array = new Uint8Array(chunkBytes)
const nothing = new Uint8Array(0)

export interface IncomingData {
  readonly ranges: readonly BlockRange[]
  /** Of each range. */
  readonly pieces: readonly (readonly Uint8Array[])[]
  /** Of each range's data cut at chunk borders, verified. */
  readonly checksums: Uint8Array
}

/** What is written of one chunk without a gap. */
export interface Segment {
  /** Within the chunk. */
  readonly start: number
  readonly length: number
  readonly pieces: readonly Uint8Array[]
}

interface CheckedSegment extends Segment {
  readonly checksum: Uint8Array
}

/**
 * The chunks that a write makes, by their place in the block. A chunk that one segment makes alone keeps the checksum that
 * came with it.
 * @throws ClusterError CHECKSUM, DISK when a chunk that is written in part cannot be read.
 */
export async function mergeChunks(
  device: Device,
  old: BlockRecord,
  incoming: IncomingData,
): Promise<ReadonlyMap<number, NewChunk>> {
  const segments = segmentsOf(incoming)
  const merging = Array.from(segments, ([index, parts]) => {
    const [only] = parts
    const isAlone = parts.length === 1 && only!.start === 0
    if (isAlone && only!.length >= (old[index]?.length ?? 0)) return only!
    return mergeChunk(device, old, index, parts)
  })
  const chunks = await Promise.all(merging)
  return new Map(Array.from(segments.keys(), (index, at) => [index, chunks[at]!]))
}

/** By chunk, in the order of the block. */
function segmentsOf({ ranges, pieces, checksums }: IncomingData): Map<number, CheckedSegment[]> {
  const segments = new Map<number, CheckedSegment[]>()
  let at = 0
  for (const [which, { offset }] of ranges.entries()) {
    let index = Math.floor(offset / chunkBytes)
    let start = offset % chunkBytes
    for (const part of cutAtChunks(pieces[which]!, offset, chunkBytes)) {
      const checksum = checksums.slice(at, at + checksumBytes)
      const segment = { start, length: lengthOf(part), pieces: part, checksum }
      const before = segments.get(index)
      if (before === undefined) segments.set(index, [segment])
      else before.push(segment)
      at += checksumBytes
      index++
      start = 0
    }
  }
  return segments
}

/**
 * The segments, which are in order and apart, over what the chunk holds: it is read where they leave any of it.
 * @throws ClusterError CHECKSUM, DISK.
 */
export async function mergeChunk(
  device: Device,
  old: BlockRecord,
  index: number,
  segments: readonly Segment[],
): Promise<NewChunk> {
  const storedLength = old[index]?.length ?? 0
  const isCovered = coveredBy(segments) >= storedLength
  const stored = isCovered ? nothing : await readChunk(device, old, index)
  const merged: Uint8Array[] = []
  let end = 0
  for (const { start, length, pieces } of segments) {
    fill(merged, stored, end, start)
    merged.push(...pieces)
    end = start + length
  }
  if (end < stored.length) merged.push(stored.subarray(end))
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, merged)
  return { length: Math.max(end, storedLength), pieces: merged, checksum }
}

/** How far they have every byte of the chunk from its beginning on. */
function coveredBy(segments: readonly Segment[]): number {
  let end = 0
  for (const { start, length } of segments) {
    if (start > end) break
    end = start + length
  }
  return end
}

/** Bytes `from` to `to - 1` of what is stored, and zeros behind that. */
function fill(merged: Uint8Array[], stored: Uint8Array, from: number, to: number): void {
  const old = stored.subarray(from, to)
  if (old.length > 0) merged.push(old)
  const gap = to - from - old.length
  if (gap > 0) merged.push(zeros.subarray(0, gap))
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0
  for (const piece of pieces) length += piece.length
  return length
}

export function unitsNeeded(chunks: readonly Pick<NewChunk, 'length'>[]): number {
  let units = 0
  for (const chunk of chunks) units += unitsOf(chunk.length)
  return units
}

export interface Landing {
  readonly chunks: readonly NewChunk[]
  readonly extents: readonly Extent[]
  /** As `Device.write` has it. */
  readonly staysInMemory: boolean
}

/** Writes the chunks one behind the other into `extents`, each from a unit's border on. */
export async function writeChunks(
  device: Device,
  { chunks, extents, staysInMemory }: Landing,
): Promise<void> {
  const pieces: Uint8Array[] = []
  for (const chunk of chunks) {
    for (const piece of chunk.pieces) if (piece.length > 0) pieces.push(piece)
    // Whole units: the page cache need not read what lies behind, and nothing old is left there.
    const padding = unitsOf(chunk.length) * unitBytes - chunk.length
    if (padding > 0) pieces.push(zeros.subarray(0, padding))
  }
  const [only] = extents
  if (only && extents.length === 1)
    return await device.write(only.unit * unitBytes, pieces, staysInMemory)
  const rest = new PieceStream(pieces)
  const writes = extents.map(({ unit, units }) =>
    device.write(unit * unitBytes, rest.take(units * unitBytes), staysInMemory),
  )
  // All have to end before a failure is told: the extents may be given to somebody else then.
  const results = await Promise.allSettled(writes)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

export type PlacedChunk = Omit<StoredChunk, 'unsynced' | 'unwritten'>

/** Which part of the extents each chunk has. */
export function placeChunks(
  chunks: readonly Pick<NewChunk, 'length' | 'checksum'>[],
  extents: readonly Extent[],
): readonly PlacedChunk[] {
  let index = 0
  let used = 0
  return chunks.map(({ length, checksum }) => {
    const own: Extent[] = []
    for (let wanted = unitsOf(length); wanted > 0; ) {
      const extent = extents[index]
      assert(extent, 'fewer units than the chunks need')
      const units = Math.min(wanted, extent.units - used)
      own.push({ unit: extent.unit + used, units })
      wanted -= units
      used += units
      if (used === extent.units) {
        used = 0
        index++
      }
    }
    return { length, checksum, extents: own }
  })
}

export interface WrittenChunks {
  /** By their place in the block. */
  readonly chunks: ReadonlyMap<number, PlacedChunk>
  /** Number of the change that wrote them. */
  readonly change: number
}

/** The record with the new chunks in place of what it had, which they may fall back to. */
export function withChunks(
  before: BlockRecord,
  { chunks, change }: WrittenChunks,
  progress: SyncProgress,
): BlockRecord {
  const after = before.map(chunk => keptChunk(chunk, progress))
  for (const [index, { length, checksum, extents }] of chunks) {
    while (after.length < index) after.push(null)
    const fallback = fallbackTo(before[index] ?? null, progress)
    after[index] = { length, checksum, extents, unsynced: { change, fallback }, unwritten: false }
  }
  return after
}

class PieceStream {
  readonly #pieces: readonly Uint8Array[]
  #index = 0
  #offset = 0

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces
  }

  take(bytes: number): readonly Uint8Array[] {
    const taken: Uint8Array[] = []
    for (let left = bytes; left > 0; ) {
      const piece = this.#pieces[this.#index]
      assert(piece, 'fewer bytes than the extents hold')
      const part = piece.subarray(this.#offset, this.#offset + left)
      taken.push(part)
      left -= part.length
      this.#offset += part.length
      if (this.#offset === piece.length) {
        this.#index++
        this.#offset = 0
      }
    }
    return taken
  }
}
