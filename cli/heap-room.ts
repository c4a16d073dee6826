/**
 * How far the heap may grow before it is collected as a whole. V8 knows only a multiple of what the last collection left, and by
 * default a small one: of a heap that keeps little and has much pass through it, most of the time goes into
 * collecting. With a large multiple one that keeps more takes several times that. So the multiple is set
 * anew after each collection, to leave the same room whatever is kept.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** Of a process that blocks pass through: of the CPU that reading took, more than a third was collecting. */
export const blocksHeapRoomBytes = 224 * 1024 * 1024

/** @param roomBytes some of it is for memory outside the heap that objects in it stand for. */
export function leaveHeapRoom(roomBytes: number): void {
  const set = () => {
    const { used_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics()
    setFlagsFromString(
      `--heap-growing-percent=${growthPercent(heapBytes + externalBytes, roomBytes)}`,
    )
  }
  set()
  new PerformanceObserver(collections => {
    // What is there so shortly after it is what it left: the next one goes by that.
    if (collections.getEntries().some(isWhole)) set()
  }).observe({ entryTypes: ['gc'] })
}

/** Node's types do not know what it says of a collection. */
function isWhole(collection: PerformanceEntry & { detail?: { kind?: number } }): boolean {
  return collection.detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR
}

/** At least by a half of what is kept: what is collected more often takes more time than it is worth. */
export function growthPercent(keptBytes: number, roomBytes: number): number {
  return Math.min(mostPercent, Math.max(leastPercent, Math.round((100 * roomBytes) / keptBytes)))
}

const leastPercent = 50
const mostPercent = 800
