/**
 * What the kernel may go by without asking, and the answers that are still on their way into it: a program has an answer
 * when its thread has had its turn, which may be after the next thing that happens here.
 *
 * 1. The kernel ignores attributes that were on their way when a notice called them in question, and goes by those of
 *    before (fuse_change_attributes). So what it is told first of an inode that others have changed it may not
 *    keep: then there is nothing to call in question before it has them.
 * 2. Of an inode that it does not have yet it takes the attributes that are on their way, whatever the notice said: so that
 *    has to be said again, until it has the inode, or its thread has asked for something else, or has had the time: one that
 *    asks for nothing more would be waited for in vain when the kernel has evicted the inode.
 * 3. All that is remembered is bounded. Of what is forgotten the kernel is taken to go by it.
 */
import type { Clock } from '../../network/env/env.ts'
import { kernelSpareMs, maxLastAttributes, maxLastChecks } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Ino } from '../../network/wire/ids.ts'

interface Copy {
  /** The kernel may go by it. */
  readonly isKept: boolean
  /** Others have changed it: what the kernel has is older than what it will be told. */
  readonly isOutdated: boolean
}

const current: Copy = { isKept: false, isOutdated: false }
const dropped: Copy = { isKept: false, isOutdated: true }
const outdated: Copy = { isKept: true, isOutdated: true }

/** What a thread was told since it last asked. */
interface OnTheWay {
  readonly inos: Set<Ino>
  toldMs: number
}

export class KernelCopies {
  readonly #clock: Clock
  readonly #copies = new RecentMap<Ino, Copy>(maxLastAttributes)
  /** By thread, in the order in which they were told. */
  readonly #onTheWay = new Map<number, OnTheWay>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The thread asks: it has what it was told before. */
  served(thread: number): void {
    const told = this.#onTheWay.get(thread)
    if (told === undefined) return
    this.#onTheWay.delete(thread)
    for (const ino of told.inos)
      if (this.#copies.get(ino) === dropped) this.#copies.set(ino, current)
  }

  /** The thread is about to be told attributes. @returns for how many milliseconds the kernel may keep them: `ms`, or 0. */
  tell(thread: number, ino: Ino, ms: number): number {
    if (thread === 0) return 0
    const isOutdated = this.#copies.get(ino)?.isOutdated === true
    if (ms === 0 && !isOutdated) return 0
    this.#noteTold(thread, ino)
    if (isOutdated) return 0
    // Another one each time, by which `dropped` sees that it was told since.
    this.#copies.set(ino, { isKept: true, isOutdated: false })
    return ms
  }

  isKept(ino: Ino): boolean {
    return this.#copies.get(ino)?.isKept ?? true
  }

  isOnTheWay(ino: Ino): boolean {
    const sinceMs = this.#clock.monotonicMs() - kernelSpareMs
    for (const { inos, toldMs } of this.#onTheWay.values()) {
      if (toldMs > sinceMs && inos.has(ino)) return true
    }
    return false
  }

  /** Others are about to change it. */
  outdate(ino: Ino): void {
    this.#copies.set(ino, this.isKept(ino) ? outdated : dropped)
  }

  /** To be called before the kernel is made to drop it: what is returned, when it has. */
  dropping(ino: Ino): () => void {
    const before = this.#copies.get(ino)
    return () => {
      const copy = this.#copies.get(ino)
      if (copy?.isOutdated === true) this.#copies.set(ino, dropped)
      else if (copy === before) this.#copies.set(ino, current)
    }
  }

  #noteTold(thread: number, ino: Ino): void {
    const told = this.#onTheWay.get(thread)
    const toldMs = this.#clock.monotonicMs()
    if (told !== undefined) {
      told.inos.add(ino)
      told.toldMs = toldMs
      return
    }
    this.#onTheWay.set(thread, { inos: new Set([ino]), toldMs })
    if (this.#onTheWay.size <= maxLastChecks) return
    const [oldest] = this.#onTheWay.keys()
    this.#onTheWay.delete(oldest!)
  }
}
