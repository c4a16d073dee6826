/**
 * Pages that are to go, of files that programs here may be writing to. Until a write is answered one of its pages may be
 * locked; a notice waits for that, and takes one of the threads that notices have.
 *
 * 1. What is asked for while pages of the file are being dropped is done once more, for all who asked.
 * 2. Nobody waits for longer than a write takes that does not hang.
 * 3. Notices about other files find a thread, however many writes hang.
 */
import type { Timers } from '../../network/env/env.ts'
import { kernelHangMs, maxDropsBeside } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { WrittenPages } from './written-pages.ts'

export interface PageDropsInit {
  readonly pages: WrittenPages
  readonly timers: Timers
  /** Resolves when the kernel has dropped all pages of the inode. */
  readonly drop: (ino: Ino) => Promise<void>
  readonly onUnexpected: (error: unknown) => void
}

export class PageDrops {
  readonly #init: PageDropsInit
  /** Whose pages are being dropped, and whether that is to be done once more. */
  readonly #dropping = new Map<Ino, boolean>()
  readonly #waiting: (() => void)[] = []
  #beside = 0

  constructor(init: PageDropsInit) {
    this.#init = init
  }

  /** Of what may be in its pages, and is not true, or not for long. */
  begin(ino: Ino): void {
    const isDropping = this.#dropping.has(ino)
    this.#dropping.set(ino, isDropping)
    if (!isDropping) void this.#dropAgain(ino)
  }

  async #dropAgain(ino: Ino): Promise<void> {
    for (let isWanted = true; isWanted; isWanted = this.#dropping.get(ino) === true) {
      this.#dropping.set(ino, false)
      try {
        await this.#init.drop(ino)
      } catch (error) {
        this.#init.onUnexpected(error)
      }
    }
    this.#dropping.delete(ino)
  }

  /**
   * Before somebody is told about the file beside a writer of it: resolves when they are gone, or will be when a write that hangs
   * has ended.
   */
  async beside(ino: Ino): Promise<void> {
    if (this.#isLater(ino)) return
    const over = new AbortController()
    const { timers, onUnexpected } = this.#init
    const late = timers.sleep(kernelHangMs, over.signal).then(
      () => true,
      () => false,
    )
    const dropping = this.#inTurn(ino)
    const isLate = await Promise.race([dropping.then(() => false), late]).finally(() =>
      over.abort(),
    )
    if (isLate) dropping.catch(onUnexpected)
  }

  #isLater(ino: Ino): boolean {
    const { pages } = this.#init
    return pages.hangs(ino) && pages.dropsWhenWritten(ino)
  }

  async #inTurn(ino: Ino): Promise<void> {
    if (this.#beside < maxDropsBeside) this.#beside++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      if (!this.#isLater(ino)) await this.#init.drop(ino)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#beside--
      else next()
    }
  }
}
