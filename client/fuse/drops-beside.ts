/**
 * Pages that are to go before somebody is told about a file to which a program here writes. Until a write is answered one of its
 * pages may be locked; a notice waits for that, and takes one of the threads that notices have.
 *
 * 1. Nobody waits for longer than a write takes that does not hang.
 * 2. Notices about other files find a thread, however many writes hang.
 */
import type { Timers } from '../../network/env/env.ts'
import { kernelHangMs, maxDropsBeside } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { WrittenPages } from './written-pages.ts'

export class DropsBeside {
  readonly #pages: WrittenPages
  readonly #timers: Timers
  readonly #drop: (ino: Ino) => Promise<void>
  readonly #waiting: (() => void)[] = []
  #count = 0

  constructor(pages: WrittenPages, timers: Timers, drop: (ino: Ino) => Promise<void>) {
    this.#pages = pages
    this.#timers = timers
    this.#drop = drop
  }

  /** Resolves when they are gone, or will be when a write that hangs has ended. */
  async drop(ino: Ino): Promise<void> {
    if (this.#isLater(ino)) return
    const over = new AbortController()
    const late = this.#timers.sleep(kernelHangMs, over.signal).catch(() => undefined)
    await Promise.race([this.#inTurn(ino), late]).finally(() => over.abort())
  }

  #isLater(ino: Ino): boolean {
    return this.#pages.hangs(ino) && this.#pages.dropsWhenWritten(ino)
  }

  async #inTurn(ino: Ino): Promise<void> {
    if (this.#count < maxDropsBeside) this.#count++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      if (!this.#isLater(ino)) await this.#drop(ino)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#count--
      else next()
    }
  }
}
