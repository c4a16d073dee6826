/**
 * Which batches may be written to Level in the thread of the event loop. Level makes whoever writes wait where its
 * memory is full and what was gathered before is not on the disk yet, or not merged: heartbeats and leases must not
 * wait for that.
 *
 * 1. No more than Level gathers in memory is written so within a window, and nothing in one that follows a window in
 *    which more was written: what was gathered had a window's time to be written out.
 * 2. Where one took long all the same, the next ones are left to Level's thread for a while.
 */
import type { Clock } from '../../network/env/env.ts'
import { levelStallMs, levelStallPauseMs, levelWriteWindowMs } from '../../network/limits.ts'

export class WritePace {
  readonly #clock: Clock
  readonly #mostBytes: number
  #windowEndMs = 0
  #windowBytes = 0
  #pausedUntilMs = 0
  #admittedMs = 0

  /** @param mostBytes that Level gathers in memory. */
  constructor(clock: Clock, mostBytes: number) {
    this.#clock = clock
    this.#mostBytes = mostBytes
  }

  /** So many bytes are about to be written. @returns whether that may be in this thread. */
  admits(bytes: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs >= this.#windowEndMs) this.#begin(nowMs)
    this.#windowBytes += bytes
    this.#admittedMs = nowMs
    return this.#windowBytes <= this.#mostBytes && nowMs >= this.#pausedUntilMs
  }

  /** What was admitted is written. */
  ended(): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#admittedMs >= levelStallMs) this.#pausedUntilMs = nowMs + levelStallPauseMs
  }

  #begin(nowMs: number): void {
    this.#windowEndMs = nowMs + levelWriteWindowMs
    if (this.#windowBytes > this.#mostBytes) this.#pausedUntilMs = this.#windowEndMs
    this.#windowBytes = 0
  }
}
