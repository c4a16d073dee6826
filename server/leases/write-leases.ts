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

interface Late {
  readonly client: string
  readonly untilMs: number
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
    this.#late.delete(key)
    this.#writers.set(key, holder)
  }

  /** @param said all that it has written is here, as the writer has said itself. */
  ended(key: Key, holder: LeaseHolder, said: boolean): void {
    if (this.#writers.get(key) !== holder) return
    this.#writers.delete(key)
    if (said) return
    const endMs = Math.min(holder.endMs, this.#clock.monotonicMs())
    this.#late.set(key, { client: holder.client, untilMs: endMs + lateBlocksMs })
  }

  /** The client has closed the file, and nothing to write to it. */
  closed(key: Key, client: string): void {
    if (this.#writers.get(key)?.client === client) this.#writers.delete(key)
  }

  /** For how long nobody but the writer of before may change the key, milliseconds. */
  lateMs(key: Key, client: string | null): number {
    if (this.size === 0) return 0
    const writer = this.#writers.get(key)
    if (writer?.isCurrent === false) this.ended(key, writer, false)
    const late = this.#late.get(key)
    if (late === undefined || late.client === client) return 0
    const leftMs = late.untilMs - this.#clock.monotonicMs()
    if (leftMs <= 0) this.#late.delete(key)
    return Math.max(0, leftMs)
  }

  forgetLate(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, { untilMs }] of this.#late) {
      if (untilMs > nowMs) break
      this.#late.delete(key)
    }
  }
}
