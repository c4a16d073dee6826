/** Turns times of files into JavaScript's own: no clock is read. */

/** For those who may not name `Date`, lest they read its clock. */
export type DateValue = Date

const nsPerMs = 1_000_000n

/** @param ns nanoseconds since 1970, as files have them; what is finer than a millisecond is cut off. */
export function dateOf(ns: bigint): DateValue {
  return new Date(Number(ns / nsPerMs))
}
