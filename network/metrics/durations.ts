/**
 * How long things took, by kind: counts in fixed arrays, so that noting one allocates nothing.
 *
 * 1. `#counts` has one row for each kind, and in it one number for each bucket, the last without a bound.
 */
import type { Env } from '../env/env.ts'
import type { Distribution, Labels } from './metric.ts'

/** Seconds. From what memory answers to the deadline of a call. */
export const durationBounds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10,
]

const boundsMs = durationBounds.map(bound => bound * 1000)
const buckets = durationBounds.length + 1

export class Durations {
  readonly #env: Env
  readonly #counts: Float64Array
  readonly #sumsMs: Float64Array

  /** @param kinds how many there are: they are numbers below this. */
  constructor(env: Env, kinds: number) {
    this.#env = env
    this.#counts = new Float64Array(kinds * buckets)
    this.#sumsMs = new Float64Array(kinds)
  }

  nowMs(): number {
    return this.#env.clock.monotonicMs()
  }

  /** Something of this kind, begun at `startedMs` of `nowMs`, has ended now. */
  ended(kind: number, startedMs: number): void {
    const tookMs = Math.max(0, this.nowMs() - startedMs)
    let bucket = 0
    while (bucket < boundsMs.length && tookMs > boundsMs[bucket]!) bucket += 1
    this.#counts[kind * buckets + bucket]! += 1
    this.#sumsMs[kind]! += tookMs
  }

  /** null when there was none of this kind. */
  distribution(kind: number, labels: Labels): Distribution | null {
    const counts = [...this.#counts.subarray(kind * buckets, (kind + 1) * buckets)]
    if (counts.every(count => count === 0)) return null
    return { labels, bounds: durationBounds, counts, sum: this.#sumsMs[kind]! / 1000 }
  }
}
