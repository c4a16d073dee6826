/**
 * Which units of the device are free, in memory only: a bitmap in segments, under a tree that finds
 * the lowest segment with a long enough free run.
 *
 * 1. A bit is set exactly while its unit is used. A segment that is all free or all used has no bitmap.
 * 2. `#tree` holds for each segment an upper bound of its longest free run: a search that fails in a
 *    segment lowers the bound to the truth, a free raises it to the segment's count of free units.
 * 3. Units at or above `#units` are marked used, so that no search finds them.
 */
import assert from 'node:assert/strict'
import {
  allUsed,
  clearRange,
  countUsed,
  findFreeRun,
  freeRunsIn,
  setRange,
  wordsPerSegment,
} from './unit-bitmap.ts'

/** A run of units on the device: the unit of allocation is `unitBytes`. */
export interface Extent {
  readonly unit: number
  readonly units: number
}

/** 16 MiB of 4 KiB units: two of the largest blocks; no extent crosses its border. */
export const unitsPerSegment = 32 * wordsPerSegment

export class Allocator {
  #units = 0
  #freeUnits = 0
  #leaves = 1
  #tree = new Uint16Array(2)
  #free = new Uint16Array(1)
  readonly #bitmaps: (Uint32Array | null)[] = []

  constructor(units: number) {
    this.grow(units)
  }

  get units(): number {
    return this.#units
  }

  get freeUnits(): number {
    return this.#freeUnits
  }

  /**
   * Takes `units` units in as few runs as it can, the lowest that are long enough.
   * @returns null when fewer are free; nothing is taken then.
   */
  allocate(units: number): Extent[] | null {
    assert(Number.isSafeInteger(units) && units > 0)
    if (units > this.#freeUnits) return null
    const extents: Extent[] = []
    for (let left = units; left > 0; ) {
      const extent = this.#takeRun(Math.min(left, unitsPerSegment))
      extents.push(extent)
      left -= extent.units
    }
    return extents
  }

  free(extent: Extent): void {
    this.#assertInside(extent)
    this.#bySegment(extent, (segment, start, count) => {
      const bitmap = this.#bitmapOf(segment)
      assert(allUsed(bitmap, start, count), `units freed twice in segment ${segment}`)
      clearRange(bitmap, start, count)
      this.#addFree(segment, count)
      this.#setBound(segment, this.#free[segment]!)
    })
  }

  /**
   * Takes the very units named, as the index has them.
   * @returns how many of them were free: fewer than `extent.units` tells that something else has them.
   */
  claim(extent: Extent): number {
    this.#assertInside(extent)
    let claimed = 0
    this.#bySegment(extent, (segment, start, count) => {
      claimed += this.#take(segment, start, count)
    })
    return claimed
  }

  /** Free runs of a segment, in order. */
  freeRuns(segment: number): Extent[] {
    const start = segment * unitsPerSegment
    const units = Math.min(unitsPerSegment, this.#units - start)
    if (units <= 0 || this.#free[segment] === 0) return []
    if (this.#free[segment] === units) return [{ unit: start, units }]
    return freeRunsIn(this.#bitmapOf(segment), units).map(run => ({
      ...run,
      unit: start + run.unit,
    }))
  }

  /** Adds units at the end; never takes any away. */
  grow(units: number): void {
    assert(Number.isSafeInteger(units) && units >= this.#units)
    const segments = Math.ceil(units / unitsPerSegment)
    if (segments > this.#leaves) this.#widen(segments)
    while (this.#bitmaps.length < segments) this.#bitmaps.push(null)
    const added = { unit: this.#units, units: units - this.#units }
    this.#units = units
    if (added.units > 0) this.free(added)
  }

  #assertInside({ unit, units }: Extent): void {
    assert(units > 0 && unit >= 0 && unit + units <= this.#units, 'extent outside the device')
  }

  #bySegment(extent: Extent, visit: (segment: number, start: number, count: number) => void): void {
    const end = extent.unit + extent.units
    for (let unit = extent.unit; unit < end; ) {
      const start = unit % unitsPerSegment
      const count = Math.min(end - unit, unitsPerSegment - start)
      visit((unit - start) / unitsPerSegment, start, count)
      unit += count
    }
  }

  #takeRun(wanted: number): Extent {
    for (;;) {
      const units = Math.min(wanted, this.#tree[1]!)
      assert(units > 0, 'free units that no segment has')
      const segment = this.#lowestWith(units)
      const found = findFreeRun(this.#bitmapOf(segment), units)
      if (found.start >= 0) {
        this.#take(segment, found.start, units)
        return { unit: segment * unitsPerSegment + found.start, units }
      }
      this.#setBound(segment, found.longest)
    }
  }

  #take(segment: number, start: number, count: number): number {
    const bitmap = this.#bitmapOf(segment)
    const taken = count - countUsed(bitmap, start, count)
    setRange(bitmap, start, count)
    this.#addFree(segment, -taken)
    const free = this.#free[segment]!
    if (this.#tree[this.#leaves + segment]! > free) this.#setBound(segment, free)
    return taken
  }

  #addFree(segment: number, count: number): void {
    const free = this.#free[segment]! + count
    this.#free[segment] = free
    this.#freeUnits += count
    if (free === 0 || free === unitsPerSegment) this.#bitmaps[segment] = null
  }

  #bitmapOf(segment: number): Uint32Array {
    const present = this.#bitmaps[segment]
    if (present) return present
    const made = new Uint32Array(wordsPerSegment)
    if (this.#free[segment] === 0) made.fill(0xffffffff)
    this.#bitmaps[segment] = made
    return made
  }

  #lowestWith(units: number): number {
    let node = 1
    while (node < this.#leaves) {
      node *= 2
      if (this.#tree[node]! < units) node++
    }
    return node - this.#leaves
  }

  #setBound(segment: number, longest: number): void {
    let node = this.#leaves + segment
    this.#tree[node] = longest
    while (node > 1) {
      node >>>= 1
      const bound = Math.max(this.#tree[2 * node]!, this.#tree[2 * node + 1]!)
      if (this.#tree[node] === bound) return
      this.#tree[node] = bound
    }
  }

  #widen(segments: number): void {
    const bounds = this.#tree.subarray(this.#leaves)
    const leaves = 2 ** Math.ceil(Math.log2(segments))
    const free = new Uint16Array(leaves)
    free.set(this.#free)
    const tree = new Uint16Array(2 * leaves)
    tree.set(bounds, leaves)
    for (let node = leaves - 1; node > 0; node--) {
      tree[node] = Math.max(tree[2 * node]!, tree[2 * node + 1]!)
    }
    this.#leaves = leaves
    this.#free = free
    this.#tree = tree
  }
}
