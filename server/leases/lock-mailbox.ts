/**
 * What one client is to be told of its waits.
 *
 * 1. A grant stays until a later call says that it was told; nothing is told twice in one session.
 * 2. One call waits at a time: a newer one has the older answered with nothing.
 */
import type { Timer, Timers } from '../../network/env/env.ts'
import type { AwaitLocksReply } from '../../network/wire/operations.ts'

export class LockMailbox {
  readonly #timers: Timers
  readonly #longestMs: number
  #granted: number[] = []
  /** How many were told and acknowledged, before `#granted`. */
  #acknowledged = 0
  #answer: (() => void) | null = null
  #timer: Timer | null = null

  constructor(timers: Timers, longestMs: number) {
    this.#timers = timers
    this.#longestMs = longestMs
  }

  put(wait: number): void {
    this.#granted.push(wait)
    this.#answerNow()
  }

  /** @param told `upTo` of the last reply. Resolves when there is something new, or after the time. */
  async take(told: number): Promise<AwaitLocksReply> {
    this.#answerNow()
    const acknowledged = Math.min(Math.max(0, told - this.#acknowledged), this.#granted.length)
    this.#granted.splice(0, acknowledged)
    this.#acknowledged += acknowledged
    if (this.#granted.length === 0) await this.#something()
    return { granted: [...this.#granted], upTo: this.#acknowledged + this.#granted.length }
  }

  /** A new session begins. */
  clear(): void {
    this.#answerNow()
    this.#granted = []
    this.#acknowledged = 0
  }

  close(): void {
    this.clear()
  }

  #something(): Promise<void> {
    return new Promise(resolve => {
      this.#answer = resolve
      this.#timer = this.#timers.after(this.#longestMs, () => this.#answerNow())
    })
  }

  #answerNow(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#answer?.()
    this.#answer = null
  }
}
