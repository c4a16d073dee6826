/**
 * What clients may say of names and inodes without asking again: leases of one short term, which run out and are
 * never called back (Gray and Cheriton, Leases, SOSP 1989).
 *
 * 1. Whoever changes a key waits until the leases of all others on it have run out. A client's own is in nobody's
 *    way: it keeps nothing of what it asks to have changed (client/cluster/read-leases.ts).
 * 2. The term begins here after the client has asked, and there before: no clock is compared.
 * 3. A key that somebody had to wait for rests: what several clients change is leased to none of them.
 */
import type { Env } from '../../network/env/env.ts'
import { maxReadLeases, readLeaseMs, readLeaseRestMs } from '../../network/limits.ts'
import type { Key } from '../metadata/contract.ts'
import { partitionOfKey } from '../metadata/keys.ts'
import { LockedKey } from '../partition/key-locks.ts'

/** Thrown where others may still rely on a key: `released` resolves when their leases have run out. */
export class LeasedKey extends LockedKey {}

interface Lease {
  /** null: of more than one. */
  readonly client: string | null
  readonly endMs: number
}

export class ReadLeases {
  readonly #env: Pick<Env, 'clock' | 'timers'>
  readonly #limit: number
  /** In the order in which they run out. */
  readonly #leases = new Map<Key, Lease>()
  /** Until when keys rest, in that order. */
  readonly #resting = new Map<Key, number>()
  /** Partitions that grant none, and how many want it so. */
  readonly #paused = new Map<number, number>()

  constructor(env: Pick<Env, 'clock' | 'timers'>, limit: number = maxReadLeases) {
    this.#env = env
    this.#limit = limit
  }

  get size(): number {
    return this.#leases.size
  }

  /** @returns the term in milliseconds; 0 when there is none to be had. */
  grant(key: Key, client: string): number {
    const nowMs = this.#env.clock.monotonicMs()
    this.#forgetEnded(nowMs)
    if (this.#resting.has(key) || this.#leases.size >= this.#limit) return 0
    if (this.#paused.size > 0 && this.#paused.has(partitionOfKey(key))) return 0
    const before = this.#leases.get(key)
    const alone = before === undefined || before.client === client
    this.#leases.delete(key)
    this.#leases.set(key, { client: alone ? client : null, endMs: nowMs + readLeaseMs })
    return readLeaseMs
  }

  /** @throws LeasedKey while another than `client` has a lease; null: while anybody has. */
  check(key: Key, client: string | null): void {
    if (this.#leases.size === 0) return
    const lease = this.#leases.get(key)
    if (lease === undefined || (client !== null && lease.client === client)) return
    const nowMs = this.#env.clock.monotonicMs()
    if (lease.endMs <= nowMs) return
    this.#rest(key, lease.endMs + readLeaseRestMs)
    throw new LeasedKey(key, this.#env.timers.sleep(lease.endMs - nowMs))
  }

  /** Nothing of the partition is leased until the returned function is called; what is leased has to run out. */
  pause(partition: number): () => void {
    this.#paused.set(partition, (this.#paused.get(partition) ?? 0) + 1)
    return () => {
      const left = (this.#paused.get(partition) ?? 0) - 1
      if (left > 0) this.#paused.set(partition, left)
      else this.#paused.delete(partition)
    }
  }

  #rest(key: Key, untilMs: number): void {
    this.#resting.delete(key)
    this.#resting.set(key, untilMs)
    if (this.#resting.size <= this.#limit) return
    const [oldest] = this.#resting.keys()
    this.#resting.delete(oldest!)
  }

  #forgetEnded(nowMs: number): void {
    for (const [key, { endMs }] of this.#leases) {
      if (endMs > nowMs) break
      this.#leases.delete(key)
    }
    for (const [key, untilMs] of this.#resting) {
      if (untilMs > nowMs) break
      this.#resting.delete(key)
    }
  }
}

/** Runs the step, again as long as what it would change is leased: for what the server changes by itself. */
export async function outwaitLeases<T>(step: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof LeasedKey)) throw error
      await error.released
    }
  }
}
