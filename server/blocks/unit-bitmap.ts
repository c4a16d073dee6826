/** Ranges of bits in the bitmap of one allocator segment; a set bit is a used unit. Pure. */

export const wordsPerSegment = 128

const allBits = 0xffffffff

/** Bits `from` to `to - 1` of a word; 0 <= from < to <= 32. */
function maskOf(from: number, to: number): number {
  const upTo = to === 32 ? allBits : (1 << to) - 1
  return (upTo & (allBits << from)) >>> 0
}

function popCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

/** Zero bits below the lowest set one; 32 for 0. */
function trailingZeros(word: number): number {
  return word === 0 ? 32 : 31 - Math.clz32(word & -word)
}

export function setRange(bitmap: Uint32Array, start: number, count: number): void {
  for (let bit = start; bit < start + count; bit = (bit | 31) + 1) {
    const word = bit >>> 5
    bitmap[word]! |= maskOf(bit & 31, Math.min(start + count - word * 32, 32))
  }
}

export function clearRange(bitmap: Uint32Array, start: number, count: number): void {
  for (let bit = start; bit < start + count; bit = (bit | 31) + 1) {
    const word = bit >>> 5
    bitmap[word]! &= ~maskOf(bit & 31, Math.min(start + count - word * 32, 32))
  }
}

export function countUsed(bitmap: Uint32Array, start: number, count: number): number {
  let used = 0
  for (let bit = start; bit < start + count; bit = (bit | 31) + 1) {
    const word = bit >>> 5
    used += popCount(bitmap[word]! & maskOf(bit & 31, Math.min(start + count - word * 32, 32)))
  }
  return used
}

export function allUsed(bitmap: Uint32Array, start: number, count: number): boolean {
  return countUsed(bitmap, start, count) === count
}

export interface FreeRun {
  /** First unit of the lowest run of `wanted` free units; -1 when there is none. */
  readonly start: number
  /** Longest run that was seen; of the whole bitmap when `start` is -1. */
  readonly longest: number
}

export function findFreeRun(bitmap: Uint32Array, wanted: number): FreeRun {
  let run = 0
  let longest = 0
  for (let index = 0; index < bitmap.length; index++) {
    const word = bitmap[index]!
    for (let bit = 0; bit < 32; ) {
      const rest = word >>> bit
      const free = Math.min(trailingZeros(rest), 32 - bit)
      run += free
      bit += free
      if (run >= wanted) return { start: index * 32 + bit - run, longest: run }
      if (bit === 32) break
      longest = Math.max(longest, run)
      run = 0
      bit += Math.min(trailingZeros(~(word >>> bit)), 32 - bit)
    }
  }
  return { start: -1, longest: Math.max(longest, run) }
}

/** Every run of free units below `end`. */
export function freeRunsIn(bitmap: Uint32Array, end: number): { unit: number; units: number }[] {
  const runs: { unit: number; units: number }[] = []
  for (let bit = 0; bit < end; ) {
    const rest = bitmap[bit >>> 5]! >>> (bit & 31)
    const free = Math.min(trailingZeros(rest), 32 - (bit & 31), end - bit)
    const last = runs.at(-1)
    if (free > 0 && last !== undefined && last.unit + last.units === bit) last.units += free
    else if (free > 0) runs.push({ unit: bit, units: free })
    bit += free
    if (bit >= end) break
    const next = bitmap[bit >>> 5]! >>> (bit & 31)
    bit += Math.min(trailingZeros(~next), 32 - (bit & 31))
  }
  return runs
}
