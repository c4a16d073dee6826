/**
 * Which inodes one client alone may write behind: what it says that it has written is not here yet. A mark on its read
 * lease (read-leases.ts), which is called back also for who only reads. Likewise which partitions serve one client alone.
 *
 * 1. A writer that ended without a word has no blocks on their way that could come over what others write: by when its
 *    term was over at the latest they are refused where they arrive (`WriteBlockRequest.notAfterMs`). So a server that
 *    was started again, and knows of none of them, has to wait for nothing but terms.
 * 2. It may come back with what it has left: for a moment it comes first then.
 * 3. It may go on where others have changed attributes alone. That is known while it is remembered, and of this process only:
 *    where it is not known, whatever moved the inode's `change` counts as a change of its data.
 */
import type { Clock } from '../../network/env/env.ts'
import { writerRememberedMs } from '../../network/limits.ts'
import type { Key } from '../metadata/contract.ts'
import { partitionOfKey } from '../metadata/keys.ts'
import type { LeaseHolder } from './lease-holder.ts'

/** A writer that ended without a word. */
export interface Gone {
  readonly client: string
  /** Until then its blocks may arrive. */
  readonly blocksUntilMs: number
  /** It is remembered so long. */
  readonly untilMs: number
  /** Resolves when it goes on, or has closed the file. */
  readonly settled: PromiseWithResolvers<void>
  /** From which `change` of the inode to which its data stayed as it was, as far as that is known. */
  kept: Kept | null
}

interface Kept {
  readonly from: number
  readonly to: number
}

export class WriteLeases {
  readonly #clock: Clock
  readonly #writers = new Map<Key, LeaseHolder>()
  readonly #gone = new Map<Key, Gone>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#writers.size + this.#gone.size
  }

  has(key: Key): boolean {
    return this.#writers.has(key)
  }

  /** Whether another than `client` is, or was, the writer of the key and may have newer data than what is here. */
  isAnothers(key: Key, client: string | null): boolean {
    const writer = this.#writers.get(key)
    return writer?.isCurrent === true && writer.client !== client
  }

  /** For how long the client goes on being the writer, unless its term is renewed; 0 when it is not. */
  leftMs(key: Key, client: string): number {
    const writer = this.#writers.get(key)
    if (writer?.client !== client) return 0
    return Math.max(0, writer.endMs - this.#clock.monotonicMs())
  }

  keys(): Iterable<Key> {
    return this.#writers.keys()
  }

  grant(key: Key, holder: LeaseHolder): void {
    this.#settled(key)
    this.#writers.set(key, holder)
  }

  #settled(key: Key): void {
    this.#gone.get(key)?.settled.resolve()
    this.#gone.delete(key)
  }

  /** @param said all that it has written is here, as the writer has said itself. */
  ended(key: Key, holder: LeaseHolder, said: boolean): void {
    if (this.#writers.get(key) !== holder) return
    this.#writers.delete(key)
    if (said) return
    const { client, endMs, wholeEndMs: blocksUntilMs } = holder
    const untilMs = Math.min(endMs, this.#clock.monotonicMs()) + writerRememberedMs
    const settled = Promise.withResolvers<void>()
    this.#gone.set(key, { client, blocksUntilMs, untilMs, settled, kept: null })
  }

  /** The inode's `change` has gone `from` there `to` here, and its data is as it was. */
  keptData(key: Key, from: number, to: number): void {
    if (this.size === 0) return
    this.#noticeEnd(key)
    const gone = this.#gone.get(key)
    if (gone === undefined) return
    const { kept } = gone
    // What moved it meanwhile was something else.
    gone.kept = kept?.to === from ? { from: kept.from, to } : { from, to }
  }

  /**
   * Whether the client was the writer, and the data is at `change` what it was at `left`, which the client was told. A client
   * that was granted a lease here was told numbers of this boot since, which are told but once (server/partition/facts.ts):
   * so what lies between two of them is known.
   */
  isDataKept(key: Key, client: string, left: number, change: number): boolean {
    const gone = this.#gone.get(key)
    if (gone?.client !== client || gone.kept === null) return false
    const { from, to } = gone.kept
    return from <= left && left <= to && to === change
  }

  /** The partition is taken up: what was said of it here before may not have come to be. */
  forgetKept(partition: number): void {
    for (const [key, gone] of this.#gone) {
      if (partitionOfKey(key) === partition) gone.kept = null
    }
  }

  /** The client has closed the file, and nothing to write to it. */
  closed(key: Key, client: string): void {
    if (this.#writers.get(key)?.client === client) this.#writers.delete(key)
    if (this.#gone.get(key)?.client === client) this.#settled(key)
  }

  /** Another than `client` that was the writer before, and may have something left. */
  gone(key: Key, client: string | null): Gone | null {
    if (this.size === 0) return null
    this.#noticeEnd(key)
    const gone = this.#gone.get(key)
    if (gone === undefined || gone.client === client) return null
    return gone.untilMs > this.#clock.monotonicMs() ? gone : null
  }

  #noticeEnd(key: Key): void {
    const writer = this.#writers.get(key)
    if (writer?.isCurrent === false) this.ended(key, writer, false)
  }

  forgetGone(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, { untilMs }] of this.#gone) {
      if (untilMs > nowMs) break
      this.#gone.delete(key)
    }
  }
}
