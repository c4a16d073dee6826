/**
 * A client that holds leases, for as long as it renews their term: and what it is asked to give back.
 *
 * 1. Given back is what the client says that nobody goes by any more, or what it has let go of by beginning another
 *    term. Of one that says nothing the term is renewed no more, and then all it held has ended.
 * 2. Its term ends later here than it does there: here it counts from when it was granted, there from when it was asked for.
 */
import type { Env } from '../../network/env/env.ts'
import { leaseRecallMs, leaseTermMs, maxRecalledKeys } from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { RecallLeasesRequest } from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { hashOfEntriesKey, inoOfKey, isKeyOf, keyKind } from '../metadata/keys.ts'

export interface LeaseHolderInit {
  readonly env: Pick<Env, 'clock' | 'timers'>
  readonly client: string
  readonly generation: number
  readonly peer: Pick<Peer, 'call'>
  /** The client does not go by this key any more. */
  readonly gaveBack: (key: Key, holder: LeaseHolder) => void
}

export class LeaseHolder {
  readonly client: string
  readonly generation: number
  /** Where it has been granted anything. */
  readonly partitions = new Set<number>()
  readonly #init: LeaseHolderInit
  readonly #recalls = new Map<Key, PromiseWithResolvers<void>>()
  #peer: Pick<Peer, 'call'>
  #unsent: Key[] = []
  #endMs: number
  #isTrusted = true

  constructor(init: LeaseHolderInit) {
    this.#init = init
    this.client = init.client
    this.generation = init.generation
    this.#peer = init.peer
    this.#endMs = init.env.clock.monotonicMs() + leaseTermMs
  }

  /** It may go by what it was leased. */
  get isCurrent(): boolean {
    return this.#init.env.clock.monotonicMs() < this.#endMs
  }

  /** It may be granted more, and its term be renewed. */
  get isTrusted(): boolean {
    return this.#isTrusted && this.isCurrent
  }

  renew(peer: Pick<Peer, 'call'>): void {
    this.#peer = peer
    this.#endMs = this.#init.env.clock.monotonicMs() + leaseTermMs
  }

  /** Its term ends when it would, and is not renewed. */
  distrust(): void {
    this.#isTrusted = false
  }

  /** It has begun another term, and goes by nothing that it was leased in this one. */
  end(): void {
    this.#endMs = Number.NEGATIVE_INFINITY
    this.#unsent = []
    this.#gaveBack([...this.#recalls.keys()])
  }

  isRecalled(key: Key): boolean {
    return this.#recalls.has(key)
  }

  /** Resolves when the client does not go by the key any more. */
  recall(key: Key): Promise<void> {
    const known = this.#recalls.get(key)
    if (known !== undefined) return known.promise
    const recall = Promise.withResolvers<void>()
    this.#recalls.set(key, recall)
    this.#unsent.push(key)
    if (this.#unsent.length === 1) this.#init.env.timers.soon(() => this.#send())
    return recall.promise
  }

  #send(): void {
    const keys = this.#unsent
    this.#unsent = []
    for (let from = 0; from < keys.length; from += maxRecalledKeys) {
      void this.#ask(keys.slice(from, from + maxRecalledKeys))
    }
  }

  async #ask(keys: readonly Key[]): Promise<void> {
    try {
      await this.#peer.call('recallLeases', recalled(keys), { deadlineMs: leaseRecallMs })
    } catch {
      // It may have heard it, or not: whatever kept it from answering, its term ends.
      this.#isTrusted = false
      const leftMs = this.#endMs - this.#init.env.clock.monotonicMs()
      if (leftMs > 0) await this.#init.env.timers.sleep(leftMs)
    }
    this.#gaveBack(keys)
  }

  #gaveBack(keys: readonly Key[]): void {
    for (const key of keys) {
      const recall = this.#recalls.get(key)
      if (recall === undefined) continue
      this.#recalls.delete(key)
      this.#init.gaveBack(key, this)
      recall.resolve()
    }
  }
}

function recalled(keys: readonly Key[]): RecallLeasesRequest {
  const inodes = []
  const names = []
  for (const key of keys) {
    const ino = inoOfKey(key)
    if (isKeyOf(key, keyKind.entries)) names.push({ parent: ino, hash: hashOfEntriesKey(key) })
    else inodes.push(ino)
  }
  return { inodes, names }
}
