/**
 * Deadlines of many calls under one timer, because almost every call ends long before its own.
 *
 * 1. The timer, when there is one, is set for the earliest deadline of all, or earlier.
 * 2. Deadlines are rounded up to `grainMs`: none fires early, and a crowd of them costs few sweeps.
 */
import type { Env, Timer } from '../env/env.ts'

const grainMs = 10

export class Deadlines {
  readonly #env: Env
  /** Ends what is due at `nowMs` and returns the earliest deadline that is left, or Infinity. */
  readonly #sweep: (nowMs: number) => number
  #timer: Timer | undefined
  #atMs = Number.POSITIVE_INFINITY

  constructor(env: Env, sweep: (nowMs: number) => number) {
    this.#env = env
    this.#sweep = sweep
  }

  /** @returns the moment on the monotonic clock at which it will be due. */
  add(deadlineMs: number): number {
    const nowMs = this.#env.clock.monotonicMs()
    const atMs = Math.ceil((nowMs + deadlineMs) / grainMs) * grainMs
    if (atMs < this.#atMs) this.#arm(atMs, nowMs)
    return atMs
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#atMs = Number.POSITIVE_INFINITY
  }

  #arm(atMs: number, nowMs: number): void {
    this.#timer?.cancel()
    this.#atMs = atMs
    this.#timer = this.#env.timers.after(Math.max(0, atMs - nowMs), () => this.#fire())
  }

  #fire(): void {
    this.stop()
    const nowMs = this.#env.clock.monotonicMs()
    const nextMs = this.#sweep(nowMs)
    // The sweep may have set off new calls, which have armed the timer themselves.
    if (nextMs < this.#atMs) this.#arm(nextMs, nowMs)
  }
}
