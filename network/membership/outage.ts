/**
 * Since when a server has given no answer to whoever goes on trying: so that programs which need it wait for it once, and
 * not one behind the other.
 *
 * 1. It begins with an attempt that had no answer, and ends with any answer.
 * 2. Attempts that had none are one outage only while they follow each other closely: what happened when nobody asked is
 *    not known, and the server may have been there.
 * 3. Attempts that nobody waits for are none: those are made all the time, and whoever asks then has not waited yet.
 */
import type { Clock } from '../env/env.ts'
import { type ClusterCode, ClusterError } from '../errors.ts'
import { operationDeadlineMs, outageGapMs, outageGraceMs } from '../limits.ts'

const unanswered: ReadonlySet<ClusterCode> = new Set<ClusterCode>([
  'UNREACHABLE',
  'TIMEOUT',
  'CLOSED',
])

/** Whether an attempt ended without a word of the other side. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof ClusterError && unanswered.has(error.code)
}

export class Outage {
  readonly #clock: Clock
  #sinceMs: number | null = null
  #lastMs = 0
  /** Attempts that are under way. */
  #attempts = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** On the monotonic clock; null while there is none. */
  sinceMs(): number | null {
    const isBroken = this.#attempts === 0 && this.#clock.monotonicMs() > this.#lastMs + outageGapMs
    if (isBroken) this.#sinceMs = null
    return this.#sinceMs
  }

  /** Whether it has lasted for as long as an operation waits. */
  get isLong(): boolean {
    const sinceMs = this.sinceMs()
    return sinceMs !== null && this.#clock.monotonicMs() >= sinceMs + operationDeadlineMs
  }

  /**
   * How long somebody goes on waiting who waits since `startedMs`: until all others that wait for this server give up, but
   * not before it has been tried once more.
   */
  leftMs(startedMs: number): number {
    const ownMs = startedMs + operationDeadlineMs
    const sinceMs = this.sinceMs() ?? startedMs
    const endMs = Math.max(sinceMs + operationDeadlineMs, startedMs + outageGraceMs)
    return Math.min(ownMs, endMs) - this.#clock.monotonicMs()
  }

  /** An attempt had no answer. */
  silent(): void {
    this.#sinceMs = this.sinceMs() ?? this.#clock.monotonicMs()
    this.#lastMs = this.#clock.monotonicMs()
  }

  answered(): void {
    this.#sinceMs = null
  }

  /** Makes an attempt, and goes by what becomes of it. */
  async during<T>(attempt: () => Promise<T>): Promise<T> {
    this.sinceMs()
    this.#attempts++
    try {
      const result = await attempt()
      this.answered()
      return result
    } catch (error) {
      if (isUnanswered(error)) this.silent()
      else this.answered()
      throw error
    } finally {
      this.#attempts--
      this.#lastMs = this.#clock.monotonicMs()
    }
  }
}
