/**
 * Rebuilds the allocator from the index when a store is opened. What the index does not name is free:
 * nothing can leak, and data that was written but never indexed is gone. A fallback that is still
 * needed is named; blocks that have one are looked at by recovery.ts.
 *
 * A block whose record cannot be read, lies outside the device or shares a unit with another is
 * damaged: its units stay used, and it is served as an error.
 */
import type { Key, KeyMutation, KeyReader, KeyValueStore } from '../metadata/contract.ts'
import { Allocator, type Extent } from './allocator.ts'
import { outside, sharing, unreadable } from './damage.ts'
import { uncertain } from './fallback.ts'
import { decodeSyncedChange, partitionBlockRange, syncedChangeKey } from './index.ts'
import { type BlockRecord, decodeRecord, newestChange } from './record.ts'

export interface BlockIndex extends KeyReader, Pick<KeyValueStore, 'range'> {
  /** The mutations are seen by `get` at once, and outlast the process when it resolves. */
  commit(mutations: readonly KeyMutation[]): Promise<void>
}

export interface ScanResult {
  readonly allocator: Allocator
  readonly blocks: number
  /** Why each damaged block is. */
  readonly damaged: Map<Key, string>
  /** The last change whose data is surely on the disk. */
  readonly synced: number
  /** The last change that any record names. */
  readonly newest: number
  /** Blocks that changed since the last sync: their data may not have reached the disk. */
  readonly uncertain: readonly Key[]
}

export async function scanIndex(
  index: BlockIndex,
  partitions: Iterable<number>,
  units: number,
): Promise<ScanResult> {
  const numbers = [...partitions]
  const allocator = new Allocator(units)
  const damaged = new Map<Key, string>()
  const shared: Extent[] = []
  const synced = syncedChange(index)
  const changed: Key[] = []
  let newest = synced
  let blocks = 0
  for await (const [key, record] of recordsOf(index, numbers, synced)) {
    blocks++
    if (!record) damaged.set(key, unreadable)
    const change = newestChange(record ?? [])
    if (change > synced) changed.push(key)
    newest = Math.max(newest, change)
    for (const extent of namedBy(record ?? [])) {
      if (extent.unit + extent.units > units) damaged.set(key, outside)
      else if (allocator.claim(extent) < extent.units) shared.push(extent)
    }
  }
  if (shared.length > 0) await blameSharers(recordsOf(index, numbers, synced), shared, damaged)
  const sound = changed.filter(key => !damaged.has(key))
  return { allocator, blocks, damaged, synced, newest, uncertain: sound }
}

function syncedChange(index: BlockIndex): number {
  const value = index.get(syncedChangeKey)
  return value ? decodeSyncedChange(value) : 0
}

/** A second look, at who has the units that two blocks claim. */
async function blameSharers(
  records: ReturnType<typeof recordsOf>,
  shared: readonly Extent[],
  damaged: Map<Key, string>,
): Promise<void> {
  const sorted = shared.toSorted((a, b) => a.unit - b.unit)
  for await (const [key, record] of records) {
    for (const extent of namedBy(record ?? [])) {
      if (meetsAny(sorted, extent)) damaged.set(key, sharing)
    }
  }
}

function meetsAny(sorted: readonly Extent[], { unit, units }: Extent): boolean {
  for (const other of sorted) {
    if (other.unit >= unit + units) return false
    if (other.unit + other.units > unit) return true
  }
  return false
}

async function* recordsOf(
  index: BlockIndex,
  partitions: readonly number[],
  synced: number,
): AsyncIterable<readonly [Key, BlockRecord | null]> {
  for (const partition of partitions) {
    const [from, to] = partitionBlockRange(partition)
    const damaged: Key[] = []
    const onDamaged = (key: Key): void => void damaged.push(key)
    for await (const [key, value] of index.range(from, to, { onDamaged })) {
      yield [key, uncertainRecord(value, synced)]
    }
    for (const key of damaged) yield [key, null]
  }
}

/** Without what was synced to fall back from. */
export function uncertainRecord(value: Uint8Array, synced: number): BlockRecord | null {
  return decodeRecord(value)?.map(chunk => uncertain(chunk, synced)) ?? null
}

/** Where the chunks lie, and what they may fall back to. */
export function namedBy(record: BlockRecord): Extent[] {
  const extents: Extent[] = []
  for (const chunk of record) {
    for (let one = chunk; one; one = one.unsynced?.fallback ?? null) extents.push(...one.extents)
  }
  return extents
}

/** Where the chunks lie. */
export function extentsOf(record: BlockRecord): Extent[] {
  const extents: Extent[] = []
  for (const chunk of record) if (chunk) extents.push(...chunk.extents)
  return extents
}
