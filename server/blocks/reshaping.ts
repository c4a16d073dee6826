/**
 * Holes and allocated space within a block: what each chunk of a range becomes when it is punched or
 * allocated. Old data is never written over: a chunk either keeps its place, whole or cut short, or gets
 * a new one. So a change is seen whole or not at all, whenever the process or the power ends.
 */
import { chunkBytes } from '../../network/limits.ts'
import { checksumBytes, writeChecksum } from '../../network/wire/checksum.ts'
import type { Device } from '../device/contract.ts'
import type { Extent } from './allocator.ts'
import type { BlockRange } from './contract.ts'
import { shorten, tailOf } from './cutting.ts'
import { fallbackTo, keptChunk, type SyncProgress } from './fallback.ts'
import { type BlockRecord, type StoredChunk, unitBytes, unitsOf } from './record.ts'
import { mergeChunk, type NewChunk, type PlacedChunk, zeros } from './writing.ts'

/** What a chunk becomes. */
export type Shape =
  /** It stays in its place, perhaps shorter; null is a hole. */
  | { readonly kind: 'kept'; readonly chunk: StoredChunk | null; readonly freed: readonly Extent[] }
  | { readonly kind: 'written'; readonly chunk: NewChunk }
  /** New space, of which nothing is written. */
  | { readonly kind: 'unwritten'; readonly length: number; readonly checksum: Uint8Array }

/** From one chunk on; null when nothing changes. */
export interface Reshaping {
  readonly first: number
  readonly shapes: readonly Shape[]
}

/** Makes the range a hole. @throws ClusterError CHECKSUM, DISK. */
export async function punched(
  device: Device,
  before: BlockRecord,
  range: BlockRange,
): Promise<Reshaping | null> {
  return await reshaped(before, range, Math.min(before.length, lastOf(range) + 1), (index, at) =>
    punchedChunk(device, before, index, at),
  )
}

/** Gives the range space. @throws ClusterError CHECKSUM, DISK. */
export async function allocated(
  device: Device,
  before: BlockRecord,
  range: BlockRange,
  zero: boolean,
): Promise<Reshaping | null> {
  return await reshaped(before, range, lastOf(range) + 1, (index, at) => {
    return zero ? zeroedChunk(device, before, index, at) : spacedChunk(device, before, index, at)
  })
}

/** Bytes `from` to `to - 1` of a chunk. */
interface Within {
  readonly from: number
  readonly to: number
}

async function reshaped(
  before: BlockRecord,
  { offset, length }: BlockRange,
  end: number,
  shapeOf: (index: number, within: Within) => Promise<Shape> | Shape,
): Promise<Reshaping | null> {
  const first = Math.floor(offset / chunkBytes)
  const shaping: (Promise<Shape> | Shape)[] = []
  for (let index = first; index < end; index++) {
    const start = index * chunkBytes
    const from = Math.max(0, offset - start)
    const to = Math.min(chunkBytes, offset + length - start)
    shaping.push(shapeOf(index, { from, to }))
  }
  const shapes = await Promise.all(shaping)
  const same = shapes.every(
    (shape, at) => shape.kind === 'kept' && shape.chunk === (before[first + at] ?? null),
  )
  return same ? null : { first, shapes }
}

async function punchedChunk(
  device: Device,
  before: BlockRecord,
  index: number,
  { from, to }: Within,
): Promise<Shape> {
  const chunk = before[index] ?? null
  if (chunk === null || from >= chunk.length) return { kind: 'kept', chunk, freed: [] }
  if (to < chunk.length) {
    // Space that was allocated stays, but for whole chunks.
    if (chunk.unwritten) return { kind: 'kept', chunk, freed: [] }
    return { kind: 'written', chunk: await zeroed(device, before, index, { from, to }) }
  }
  if (from === 0) return { kind: 'kept', chunk: null, freed: chunk.extents }
  const freed = tailOf(chunk, unitsOf(from))
  return { kind: 'kept', chunk: await shorten(device, chunk, from), freed }
}

/** The chunk is at least as long as the range reaches into it. */
function spacedChunk(
  device: Device,
  before: BlockRecord,
  index: number,
  { to }: Within,
): Promise<Shape> | Shape {
  const chunk = before[index] ?? null
  if (chunk && chunk.length >= to) return { kind: 'kept', chunk, freed: [] }
  if (!chunk || chunk.unwritten) return unwritten(to)
  return lengthened(device, before, index, chunk.length, to)
}

async function lengthened(
  device: Device,
  before: BlockRecord,
  index: number,
  from: number,
  to: number,
): Promise<Shape> {
  return {
    kind: 'written',
    chunk: await zeroed(device, before, index, { from, to: wholeUnits(to) }),
  }
}

async function zeroedChunk(
  device: Device,
  before: BlockRecord,
  index: number,
  { from, to }: Within,
): Promise<Shape> {
  const chunk = before[index] ?? null
  if (!chunk || chunk.unwritten) return spacedChunk(device, before, index, { from, to })
  if (from > 0 || to < chunk.length) {
    const end = to < chunk.length ? to : wholeUnits(to)
    return { kind: 'written', chunk: await zeroed(device, before, index, { from, to: end }) }
  }
  const length = wholeUnits(to)
  if (unitsOf(length) > unitsOf(chunk.length)) return unwritten(to)
  const { checksum } = unwritten(length)
  const kept = { ...chunk, length, checksum, unsynced: null, unwritten: true }
  return { kind: 'kept', chunk: kept, freed: [] }
}

/** With zeros in the range. */
function zeroed(
  device: Device,
  before: BlockRecord,
  index: number,
  { from, to }: Within,
): Promise<NewChunk> {
  const length = to - from
  const pieces = [zeros.subarray(0, length)]
  return mergeChunk(device, before, index, [{ start: from, length, pieces }])
}

function unwritten(to: number): Extract<Shape, { kind: 'unwritten' }> {
  const length = wholeUnits(to)
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, [zeros.subarray(0, length)])
  return { kind: 'unwritten', length, checksum }
}

function wholeUnits(length: number): number {
  return unitsOf(length) * unitBytes
}

function lastOf({ offset, length }: BlockRange): number {
  return Math.ceil((offset + length) / chunkBytes) - 1
}

/** What is to be written, and what only needs space: in this order they get their places. */
export function newChunksOf({ shapes }: Reshaping): {
  readonly written: readonly NewChunk[]
  readonly unwritten: readonly Pick<NewChunk, 'length' | 'checksum'>[]
} {
  return {
    written: shapes.flatMap(shape => (shape.kind === 'written' ? [shape.chunk] : [])),
    unwritten: shapes.flatMap(shape => (shape.kind === 'unwritten' ? [shape] : [])),
  }
}

/** What the chunks that have no place in the new record leave behind. */
export function freedBy({ first, shapes }: Reshaping, before: BlockRecord): Extent[] {
  return shapes.flatMap((shape, at) =>
    shape.kind === 'kept' ? shape.freed : (before[first + at]?.extents ?? []),
  )
}

/**
 * The record with the new shapes.
 * @param placed of what `newChunksOf` gave, in that order.
 * @param change number of the change that wrote what was written.
 */
export function withShapes(
  before: BlockRecord,
  { first, shapes }: Reshaping,
  placed: readonly PlacedChunk[],
  change: number,
  progress: SyncProgress,
): BlockRecord {
  const after = before.map(chunk => keptChunk(chunk, progress))
  while (after.length < first) after.push(null)
  let written = 0
  let unwritten = shapes.filter(({ kind }) => kind === 'written').length
  const chunks = shapes.map((shape, at) => {
    if (shape.kind === 'kept') return keptChunk(shape.chunk, progress)
    if (shape.kind === 'unwritten') {
      return { ...placed[unwritten++]!, unsynced: null, unwritten: true }
    }
    const fallback = fallbackTo(before[first + at] ?? null, progress)
    return { ...placed[written++]!, unsynced: { change, fallback }, unwritten: false }
  })
  after.splice(first, chunks.length, ...chunks)
  return after
}
