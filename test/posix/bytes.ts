/** Bytes that are the same in every run, and a comparison that says where two buffers part. */
import type { ExecutionContext } from 'ava'

export const KiB = 1024
export const MiB = 1024 * KiB

/** Whole numbers from 0 to `below - 1` out of a seed (xorshift32). */
export function chance(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1
  return below => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

/** No two neighbouring pieces of it are alike, so that data put in a wrong place is noticed. */
export function bytesOf(seed: number, length: number): Buffer {
  const next = chance(seed)
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let index = 0; index < words.length; index++) words[index] = next(2 ** 32)
  return Buffer.from(words.buffer, 0, length)
}

function firstDifference(actual: Buffer, expected: Buffer): number {
  const length = Math.min(actual.length, expected.length)
  for (let index = 0; index < length; index++) if (actual[index] !== expected[index]) return index
  return length
}

export function sameBytes(
  t: ExecutionContext,
  actual: Buffer,
  expected: Buffer,
  what = 'the content',
): void {
  if (actual.equals(expected)) {
    t.pass()
    return
  }
  const at = firstDifference(actual, expected)
  const around = (buffer: Buffer): string => buffer.subarray(at, at + 16).toString('hex')
  t.fail(
    `${what}: ${actual.length} bytes instead of ${expected.length}, different from ${at} on: ` +
      `${around(actual)} instead of ${around(expected)}`,
  )
}
