/**
 * Rebuilds the allocator from the index when a store is opened. What the index does not name is free:
 * nothing can leak, and data that was written but never indexed is gone.
 *
 * A block whose record cannot be read, lies outside the device or shares a unit with another is
 * damaged: its units stay used, and it is served as an error.
 */
import type { Key, KeyReader, KeyValueStore } from '../metadata/contract.ts'
import { Allocator, type Extent } from './allocator.ts'
import { outside, sharing, unreadable } from './damage.ts'
import { type BlockRecord, decodeRecord, partitionBlockRange } from './index.ts'

export type BlockIndex = KeyReader & Pick<KeyValueStore, 'range'>

export interface ScanResult {
  readonly allocator: Allocator
  readonly blocks: number
  /** Why each damaged block is. */
  readonly damaged: Map<Key, string>
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
  let blocks = 0
  for await (const [key, record] of recordsOf(index, numbers)) {
    blocks++
    if (!record) damaged.set(key, unreadable)
    for (const extent of extentsOf(record ?? [])) {
      if (extent.unit + extent.units > units) damaged.set(key, outside)
      else if (allocator.claim(extent) < extent.units) shared.push(extent)
    }
  }
  if (shared.length > 0) await blameSharers(index, numbers, shared, damaged)
  return { allocator, blocks, damaged }
}

/** A second look, at who has the units that two blocks claim. */
async function blameSharers(
  index: BlockIndex,
  partitions: readonly number[],
  shared: readonly Extent[],
  damaged: Map<Key, string>,
): Promise<void> {
  const sorted = shared.toSorted((a, b) => a.unit - b.unit)
  for await (const [key, record] of recordsOf(index, partitions)) {
    for (const extent of extentsOf(record ?? [])) {
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
): AsyncIterable<readonly [Key, BlockRecord | null]> {
  for (const partition of partitions) {
    const [from, to] = partitionBlockRange(partition)
    for await (const [key, value] of index.range(from, to)) yield [key, decodeRecord(value)]
  }
}

export function extentsOf(record: BlockRecord): Extent[] {
  const extents: Extent[] = []
  for (const chunk of record) if (chunk) extents.push(...chunk.extents)
  return extents
}
