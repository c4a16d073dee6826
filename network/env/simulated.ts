/**
 * A world whose time passes only when it is told to and whose chance comes from a seed: the same seed
 * and the same program give the same run.
 *
 * 1. Timers fire in the order of their time, and of their making where the times are equal.
 * 2. Promises settle between two timers: what a callback set off has run before the next one fires.
 * 3. Time never passes while a callback runs.
 */
import assert from 'node:assert/strict'
import type { Clock, Env, Random, Timer, Timers } from './env.ts'
import { sleepOn } from './sleep.ts'
import { TimerHeap } from './timer-heap.ts'
import { SeededRandom } from './xoshiro.ts'

/** 2026-01-01 UTC: any fixed time will do, as long as every run has the same. */
const defaultStartNs = 1_767_225_600_000_000_000n

/** Of the machine when it begins: so that who takes one clock for the other is found out. */
const startUptimeMs = 1e9

export interface SimulatedOptions {
  readonly seed: number
  readonly startNs?: bigint
}

interface Run {
  readonly ended: Promise<void>
  /** A millisecond of somebody who lets others run in between. */
  readonly isStep: boolean
}

export class SimulatedEnv implements Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly seed: number
  readonly #heap = new TimerHeap()
  #nowMs = 0
  #suspendedMs = 0
  /** What lets time pass now. */
  #running: Run | null = null

  constructor({ seed, startNs = defaultStartNs }: SimulatedOptions) {
    this.seed = seed
    this.random = new SeededRandom(seed)
    this.clock = {
      monotonicMs: () => this.#nowMs,
      uptimeMs: () => startUptimeMs + this.#nowMs + this.#suspendedMs,
      wallNs: () => startNs + BigInt(Math.round(this.#nowMs * 1e6)),
    }
    const after = (delayMs: number, callback: () => void) => this.#after(delayMs, callback)
    this.timers = {
      after,
      every: (periodMs, callback) => this.#every(periodMs, callback),
      sleep: (delayMs, signal) => sleepOn({ after }, delayMs, signal),
      soon: callback => {
        this.#heap.add(this.#nowMs, callback)
      },
    }
  }

  /** The machine is suspended for `ms`, and goes on as if nothing had been. */
  suspend(ms: number): void {
    assert(ms >= 0, 'time does not go back')
    this.#suspendedMs += ms
  }

  /** Lets `ms` pass, firing what falls due. */
  advance(ms: number): Promise<void> {
    assert(ms >= 0, 'time does not go back')
    return this.#runUntil(this.#nowMs + ms, () => false)
  }

  /**
   * Lets time pass until `done` says so or nothing is left to happen, at most `limitMs` of it. A periodic
   * timer never leaves nothing: give `done` or a limit then.
   * @returns whether `done` was reached, or nothing is left when it was not given.
   */
  async run(done?: () => boolean, limitMs = 3_600_000): Promise<boolean> {
    const end = this.#nowMs + limitMs
    await this.#runUntil(end, done ?? (() => this.#heap.size === 0))
    return done === undefined ? this.#heap.size === 0 : done()
  }

  /**
   * Lets time pass, a millisecond at a time, until the work is done; within a run, that run does. Work that takes
   * longer than `limitMs` is left to whoever lets time pass then.
   */
  async during<T>(work: Promise<T>, limitMs = 1_000): Promise<T> {
    const endMs = this.#nowMs + limitMs
    let done = false
    const ended = () => {
      done = true
    }
    const ending = work.then(ended, ended)
    while (!done && this.#nowMs < endMs) {
      if (this.#running === null) await this.#runUntil(this.#nowMs + 1, () => done, true)
      else await Promise.race([ending, this.#running.ended])
    }
    return await work
  }

  async #runUntil(endMs: number, done: () => boolean, isStep = false): Promise<void> {
    while (this.#running?.isStep === true) await this.#running.ended
    assert(this.#running === null, 'one run of a simulated environment at a time')
    const run = Promise.withResolvers<void>()
    this.#running = { ended: run.promise, isStep }
    try {
      await settle()
      while (!done()) {
        const next = this.#heap.takeUntil(endMs)
        if (next === undefined) break
        this.#nowMs = Math.max(this.#nowMs, next.atMs)
        next.callback()
        await settle()
      }
      if (!done()) this.#nowMs = endMs
    } finally {
      this.#running = null
      run.resolve()
    }
  }

  #after(delayMs: number, callback: () => void): Timer {
    const entry = this.#heap.add(this.#nowMs + Math.max(0, delayMs), callback)
    return { cancel: () => this.#heap.remove(entry) }
  }

  #every(periodMs: number, callback: () => void): Timer {
    assert(periodMs > 0, 'a period is positive')
    let timer: Timer
    const fire = () => {
      timer = this.#after(periodMs, fire)
      callback()
    }
    timer = this.#after(periodMs, fire)
    return { cancel: () => timer.cancel() }
  }
}

/** One turn of the real event loop: every promise that can settle without a timer has done so. */
function settle(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
