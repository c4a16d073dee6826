/** The real world: this machine's clocks, libuv's timers and the kernel's randomness. */
import { randomBytes, randomFillSync } from 'node:crypto'
import { assertBelow, hexOf } from './digits.ts'
import type { Clock, Env, Random, Timer, Timers } from './env.ts'
import { sleepOn } from './sleep.ts'
import { uptimeMs } from './uptime.ts'

const nsPerMs = 1_000_000n
/** Random bytes are fetched by the page: a system call for each number would cost a microsecond. */
const poolBytes = 4096

/**
 * 1. `wallNs` always lies within the millisecond that `Date.now` names, so a stepped or slewed clock is
 *    followed at once.
 * 2. Within it, the monotonic clock supplies the digits below, so that two calls seldom agree.
 */
class RealClock implements Clock {
  #anchorWallNs = 0n
  #anchorMonotonicNs = 0n

  monotonicMs(): number {
    return performance.now()
  }

  uptimeMs(): number {
    return uptimeMs()
  }

  wallNs(): bigint {
    const millisecond = BigInt(Date.now()) * nsPerMs
    const monotonic = process.hrtime.bigint()
    const estimate = this.#anchorWallNs + monotonic - this.#anchorMonotonicNs
    if (estimate >= millisecond && estimate < millisecond + nsPerMs) return estimate
    this.#anchorWallNs = estimate < millisecond ? millisecond : lastOf(millisecond, estimate)
    this.#anchorMonotonicNs = monotonic
    return this.#anchorWallNs
  }
}

/** A clock that runs slightly fast waits at the millisecond's end; one that was set back follows. */
function lastOf(millisecond: bigint, estimate: bigint): bigint {
  return estimate < millisecond + 2n * nsPerMs ? millisecond + nsPerMs - 1n : millisecond
}

class RealTimers implements Timers {
  after(delayMs: number, callback: () => void): Timer {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  }

  every(periodMs: number, callback: () => void): Timer {
    const timer = setInterval(callback, periodMs)
    timer.unref()
    return { cancel: () => clearInterval(timer) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  soon(callback: () => void): void {
    setImmediate(callback)
  }
}

class RealRandom implements Random {
  readonly #pool = Buffer.alloc(poolBytes)
  #used = poolBytes

  bytes(count: number): Uint8Array {
    return new Uint8Array(randomBytes(count))
  }

  integer(below: number): number {
    assertBelow(below)
    // Drawn again where 2^48 is not a multiple of `below`, so that no value is favoured.
    const limit = 2 ** 48 - (2 ** 48 % below)
    for (;;) {
      const drawn = this.#take48()
      if (drawn < limit) return drawn % below
    }
  }

  id(): string {
    return hexOf(this.#take(16))
  }

  #take48(): number {
    return this.#take(6).readUIntLE(0, 6)
  }

  /** True until the next are taken. */
  #take(count: number): Buffer {
    if (this.#used + count > poolBytes) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const taken = this.#pool.subarray(this.#used, this.#used + count)
    this.#used += count
    return taken
  }
}

export function realEnv(): Env {
  return { clock: new RealClock(), timers: new RealTimers(), random: new RealRandom() }
}
