/** New chunks from what a write brings and what the block holds, and their way to the device. */
import assert from 'node:assert/strict'
import { chunkBytes } from '../../network/limits.ts'
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

export interface IncomingData {
  readonly offset: number
  readonly data: readonly Uint8Array[]
  /** Of the data cut at chunk borders, verified. */
  readonly checksums: Uint8Array
}

/**
 * The chunks that a write makes, from the one that `offset` lies in on. A chunk that nothing is merged
 * into keeps the checksum that came with it.
 * @throws ClusterError CHECKSUM, DISK when a chunk at an end cannot be read.
 */
export async function mergeChunks(
  device: Device,
  old: BlockRecord,
  { offset, data, checksums }: IncomingData,
): Promise<readonly NewChunk[]> {
  const first = Math.floor(offset / chunkBytes)
  const cut = cutAtChunks(data, offset, chunkBytes)
  const chunks: (NewChunk | Promise<NewChunk>)[] = cut.map((pieces, index) => {
    const start = index === 0 ? offset % chunkBytes : 0
    const length = lengthOf(pieces)
    const stored = old[first + index]?.length ?? 0
    if (start === 0 && length >= stored) {
      const at = index * checksumBytes
      return { length, pieces, checksum: checksums.slice(at, at + checksumBytes) }
    }
    return mergeChunk(device, old, first + index, start, pieces)
  })
  return await Promise.all(chunks)
}

/** The bytes from `start` of the chunk on, over what the chunk holds. @throws ClusterError CHECKSUM, DISK. */
export async function mergeChunk(
  device: Device,
  old: BlockRecord,
  index: number,
  start: number,
  pieces: readonly Uint8Array[],
): Promise<NewChunk> {
  const stored = await readChunk(device, old, index)
  const end = start + lengthOf(pieces)
  const merged: Uint8Array[] = []
  if (start > 0) merged.push(stored.subarray(0, start))
  if (start > stored.length) merged.push(zeros.subarray(0, start - stored.length))
  merged.push(...pieces)
  if (end < stored.length) merged.push(stored.subarray(end))
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, merged)
  return { length: Math.max(end, stored.length), pieces: merged, checksum }
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

/** Writes the chunks one behind the other into `extents`, each from a unit's border on. */
export async function writeChunks(
  device: Device,
  chunks: readonly NewChunk[],
  extents: readonly Extent[],
): Promise<void> {
  const pieces: Uint8Array[] = []
  for (const chunk of chunks) {
    for (const piece of chunk.pieces) if (piece.length > 0) pieces.push(piece)
    // Whole units: the page cache need not read what lies behind, and nothing old is left there.
    const padding = unitsOf(chunk.length) * unitBytes - chunk.length
    if (padding > 0) pieces.push(zeros.subarray(0, padding))
  }
  const [only] = extents
  if (only && extents.length === 1) return await device.write(only.unit * unitBytes, pieces)
  const rest = new PieceStream(pieces)
  const writes = extents.map(({ unit, units }) =>
    device.write(unit * unitBytes, rest.take(units * unitBytes)),
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
  readonly first: number
  readonly chunks: readonly PlacedChunk[]
  /** Number of the change that wrote them. */
  readonly change: number
}

/** The record with the new chunks in place of what it had, which they may fall back to. */
export function withChunks(
  before: BlockRecord,
  { first, chunks, change }: WrittenChunks,
  progress: SyncProgress,
): BlockRecord {
  const after = before.map(chunk => keptChunk(chunk, progress))
  while (after.length < first) after.push(null)
  const placed = chunks.map(({ length, checksum, extents }, index) => {
    const fallback = fallbackTo(before[first + index] ?? null, progress)
    return { length, checksum, extents, unsynced: { change, fallback }, unwritten: false }
  })
  after.splice(first, chunks.length, ...placed)
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
