/**
 * The world outside the code: time, timers and chance. Nothing in network, server, manager or client
 * reads them but through this contract, so that a whole cluster can run under a seeded simulator.
 */

export interface Clock {
  /**
   * Milliseconds since some fixed point, never going back, as timers count them: not while the machine is suspended. For
   * how long one waits, and rates.
   */
  monotonicMs(): number
  /**
   * The same since another point, also while the machine is suspended. For what ends at that time elsewhere, too: what this
   * machine was leased, or may send by then. Who has granted it may go by either: it only waits for longer.
   */
  uptimeMs(): number
  /** Nanoseconds since 1970-01-01 UTC (CLOCK_REALTIME). For time stamps of files only. */
  wallNs(): bigint
}

export interface Timer {
  /** Harmless when the timer has fired or was cancelled. */
  cancel(): void
}

export interface Timers {
  /** Calls `callback` once, `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer
  /** Calls `callback` every `periodMs` until cancelled. Does not keep the process alive. */
  every(periodMs: number, callback: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
  /** Calls `callback` when the events at hand have been handled (setImmediate). */
  soon(callback: () => void): void
}

export interface Random {
  bytes(count: number): Uint8Array
  /** A whole number from 0 to `below - 1`; `below` is at most 2^48. */
  integer(below: number): number
  /** 32 lower-case hexadecimal digits: identity of a cluster, member, client or transaction. */
  id(): string
}

export interface Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}
