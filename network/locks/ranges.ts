/**
 * Byte ranges that one owner has locked, and what a request makes of them: split, merged, upgraded and
 * downgraded as fcntl(2) says. Pure: servers decide with it, clients keep account with it.
 *
 * 1. The ranges of one owner are sorted, do not overlap, and neighbours of one type are one range.
 */

/** As in fcntl.h: F_RDLCK, F_WRLCK, F_UNLCK. */
export const lockType = { read: 0, write: 1, unlock: 2 } as const
export type LockType = (typeof lockType)[keyof typeof lockType]

/** The last byte there is (OFFSET_MAX of the kernel): a lock "to the end of the file" ends here. */
export const lastLockByte = 2n ** 63n - 1n

/** Both ends belong to it. */
export interface ByteRange {
  readonly start: bigint
  readonly end: bigint
}

export interface HeldRange extends ByteRange {
  readonly exclusive: boolean
  /** Of the process that asked for it. */
  readonly pid: number
}

export interface RangeChange extends ByteRange {
  readonly type: LockType
  readonly pid: number
}

/** What the owner holds after the change. */
export function changed(held: readonly HeldRange[], change: RangeChange): readonly HeldRange[] {
  const rest: HeldRange[] = []
  for (const range of held) {
    if (!overlaps(range, change)) {
      rest.push(range)
      continue
    }
    if (range.start < change.start) rest.push({ ...range, end: change.start - 1n })
    if (range.end > change.end) rest.push({ ...range, start: change.end + 1n })
  }
  if (change.type === lockType.unlock) return rest
  const { start, end, pid } = change
  rest.push({ start, end, exclusive: change.type === lockType.write, pid })
  return merged(rest)
}

export function overlaps(one: ByteRange, other: ByteRange): boolean {
  return one.start <= other.end && other.start <= one.end
}

/** Whether two owners cannot have these at a time. */
export function conflicts(held: HeldRange, wanted: HeldRange): boolean {
  return (held.exclusive || wanted.exclusive) && overlaps(held, wanted)
}

/** Whether all of `wanted` is held, and as exclusively. */
export function covers(held: readonly HeldRange[], wanted: HeldRange): boolean {
  let next = wanted.start
  for (const range of held) {
    if (range.end < next) continue
    if (range.start > next || (wanted.exclusive && !range.exclusive)) return false
    if (range.end >= wanted.end) return true
    next = range.end + 1n
  }
  return false
}

function merged(ranges: HeldRange[]): readonly HeldRange[] {
  ranges.sort((one, other) => (one.start < other.start ? -1 : 1))
  const result: HeldRange[] = []
  for (const range of ranges) {
    const last = result.at(-1)
    if (last?.exclusive === range.exclusive && last.end + 1n === range.start) {
      result[result.length - 1] = { ...last, end: range.end, pid: range.pid }
    } else {
      result.push(range)
    }
  }
  return result
}
