/** Who may feed a copy now, and how fast: so that programs get most of a server's disks and network. */
import type { Env } from '../../network/env/env.ts'
import { feedBytesPerSecond, maxFeeds } from '../../network/limits.ts'

/** Waits until so many more bytes may be sent. */
export type Sending = (bytes: number) => Promise<void>

export class FeedTurns {
  readonly #env: Env
  readonly #waiting: (() => void)[] = []
  #running = 0
  /** When the bytes that were let go so far are paid for. */
  #paidMs = 0

  constructor(env: Env) {
    this.#env = env
  }

  /** @throws what `feed` throws; AbortError when the signal comes first. */
  async run(signal: AbortSignal, feed: (sending: Sending) => Promise<void>): Promise<void> {
    if (this.#running >= maxFeeds) await this.#wait(signal)
    else this.#running++
    try {
      signal.throwIfAborted()
      await feed(bytes => this.#pay(bytes, signal))
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        const index = this.#waiting.indexOf(take)
        if (index < 0) return
        this.#waiting.splice(index, 1)
        reject(signal.reason)
      }
      this.#waiting.push(take)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  async #pay(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#env.clock.monotonicMs()
    this.#paidMs = Math.max(nowMs, this.#paidMs) + (bytes * 1_000) / feedBytesPerSecond
    // What takes no time worth mentioning is added up.
    if (this.#paidMs - nowMs > shortestPauseMs) {
      await this.#env.timers.sleep(this.#paidMs - nowMs, signal)
    }
  }
}

const shortestPauseMs = 5
