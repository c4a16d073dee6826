/**
 * Which inodes one client alone may write behind: what it says that it has written is not here yet. A mark on its read
 * lease (read-leases.ts), which is called back also for who only reads.
 *
 * 1. A writer that ended without a word may have blocks on their way: nobody else changes the inode before these have
 *    arrived, or never will.
 */
import type { Clock } from '../../network/env/env.ts'
import { lateBlocksMs } from '../../network/limits.ts'
import type { Key } from '../metadata/contract.ts'
import type { LeaseHolder } from './lease-holder.ts'

/** A writer that ended without a word. */
export interface Late {
  readonly client: string
  readonly untilMs: number
  /** Resolves when it goes on, or has closed the file. */
  readonly settled: PromiseWithResolvers<void>
  /** It has closed the file: there is nothing that it could come with. */
  isClosed: boolean
}

export class WriteLeases {
  readonly #clock: Clock
  readonly #writers = new Map<Key, LeaseHolder>()
  readonly #late = new Map<Key, Late>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#writers.size + this.#late.size
  }

  has(key: Key): boolean {
    return this.#writers.has(key)
  }

  /** Whether another than `client` is, or was, the writer of the key and may have newer data than what is here. */
  isAnothers(key: Key, client: string | null): boolean {
    const writer = this.#writers.get(key)
    return writer?.isCurrent === true && writer.client !== client
  }

  keys(): Iterable<Key> {
    return this.#writers.keys()
  }

  grant(key: Key, holder: LeaseHolder): void {
    this.#late.get(key)?.settled.resolve()
    this.#late.delete(key)
    this.#writers.set(key, holder)
  }

  /** @param said all that it has written is here, as the writer has said itself. */
  ended(key: Key, holder: LeaseHolder, said: boolean): void {
    if (this.#writers.get(key) !== holder) return
    this.#writers.delete(key)
    if (said) return
    const endMs = Math.min(holder.endMs, this.#clock.monotonicMs())
    const settled = Promise.withResolvers<void>()
    this.#late.set(key, {
      client: holder.client,
      untilMs: endMs + lateBlocksMs,
      settled,
      isClosed: false,
    })
  }

  /** The client has closed the file, and nothing to write to it. */
  closed(key: Key, client: string): void {
    if (this.#writers.get(key)?.client === client) this.#writers.delete(key)
    const late = this.#late.get(key)
    if (late?.client !== client) return
    late.isClosed = true
    late.settled.resolve()
  }

  /** Another than `client` that was the writer before: nobody else may change the key until its blocks have arrived. */
  late(key: Key, client: string | null): Late | null {
    if (this.size === 0) return null
    const writer = this.#writers.get(key)
    if (writer?.isCurrent === false) this.ended(key, writer, false)
    const late = this.#late.get(key)
    if (late === undefined || late.client === client) return null
    if (late.untilMs > this.#clock.monotonicMs()) return late
    this.#late.delete(key)
    return null
  }

  forgetLate(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, { untilMs }] of this.#late) {
      if (untilMs > nowMs) break
      this.#late.delete(key)
    }
  }
}
