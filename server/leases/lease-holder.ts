/**
 * A client that holds leases, for as long as it renews their term: and what it is asked to give back.
 *
 * 1. Given back is what the client says that nobody goes by any more, or what it has let go of by beginning another
 *    term. Of one that says nothing the term is renewed no more, and then all it held has ended.
 * 2. A term outlives a connection: who comes back by another one is asked there again, for as long as it had to answer.
 * 3. Of one that has something to write first the term goes on for longer; where it ends without an answer, `gaveBack`
 *    is told so.
 * 4. Its term ends later here than it does there: here it counts from when it was granted, there from when it was asked for.
 */
import type { Env } from '../../network/env/env.ts'
import { leaseFlushMs, leaseRecallMs, leaseTermMs, maxRecalledKeys } from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { RecallLeasesRequest } from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { hashOfEntriesKey, inoOfKey, isKeyOf, keyKind, partitionOfKey } from '../metadata/keys.ts'

export interface LeaseHolderInit {
  readonly env: Pick<Env, 'clock' | 'timers'>
  readonly client: string
  readonly generation: number
  readonly peer: Pick<Peer, 'call'>
  /** The client does not go by this key any more, as it has said itself, or as its term is over. */
  readonly gaveBack: (key: Key, holder: LeaseHolder, said: boolean) => void
}

export class LeaseHolder {
  readonly client: string
  readonly generation: number
  /** When its term began. */
  readonly begunMs: number
  /** Where it has been granted anything, and until when that holds at most. */
  readonly partitions = new Map<number, number>()
  readonly #init: LeaseHolderInit
  readonly #recalls = new Map<Key, PromiseWithResolvers<void>>()
  #peer: Pick<Peer, 'call'>
  /** Where it was asked last without its having answered. */
  #failedPeer: Pick<Peer, 'call'> | null = null
  /** Of each message that waits for its answer: ends when that is not to be waited for at its connection any more. */
  readonly #asking = new Set<AbortController>()
  #unsent: Key[] = []
  #unsentFlushes: Key[] = []
  #endMs: number
  #endedMs = Number.POSITIVE_INFINITY
  #isTrusted = true

  constructor(init: LeaseHolderInit) {
    this.#init = init
    this.client = init.client
    this.generation = init.generation
    this.#peer = init.peer
    this.begunMs = init.env.clock.monotonicMs()
    this.#endMs = this.begunMs + leaseTermMs
  }

  /** It may go by what it was leased. */
  get isCurrent(): boolean {
    return this.#init.env.clock.monotonicMs() < this.endMs
  }

  /** It may be granted more, and its term be renewed. */
  get isTrusted(): boolean {
    return this.isTrustedAt(this.#peer)
  }

  /** The same, if it comes by this connection. */
  isTrustedAt(peer: Pick<Peer, 'call'>): boolean {
    return this.#isTrusted && this.isCurrent && peer !== this.#failedPeer
  }

  /** When its term ended, or will unless it is renewed. */
  get endMs(): number {
    return Math.min(this.#endMs, this.#endedMs)
  }

  /** The same, had it not begun another one before. */
  get wholeEndMs(): number {
    return this.#endMs
  }

  /** Whether it may go by anything of the partition. */
  goesBy(partition: number): boolean {
    const endMs = this.partitions.get(partition) ?? Number.NEGATIVE_INFINITY
    return this.isCurrent && endMs > this.#init.env.clock.monotonicMs()
  }

  renew(peer: Pick<Peer, 'call'>): void {
    this.#endMs = this.#init.env.clock.monotonicMs() + leaseTermMs
    if (peer === this.#peer) return
    this.#peer = peer
    for (const asking of this.#asking) asking.abort()
  }

  /** Its term ends when it would, and is not renewed. */
  distrust(): void {
    this.#isTrusted = false
  }

  /** It has begun another term, and goes by nothing that it was leased in this one. */
  end(): void {
    this.#endedMs = Math.min(this.endMs, this.#init.env.clock.monotonicMs())
    this.#unsent = []
    this.#unsentFlushes = []
    this.#gaveBack([...this.#recalls.keys()], false)
  }

  isRecalled(key: Key): boolean {
    return this.#recalls.has(key)
  }

  /**
   * Resolves when the client does not go by the key any more.
   * @param flushes it may have something to write first.
   */
  recall(key: Key, flushes = false): Promise<void> {
    const known = this.#recalls.get(key)
    if (known !== undefined) return known.promise
    const recall = Promise.withResolvers<void>()
    this.#recalls.set(key, recall)
    if (this.#unsent.length + this.#unsentFlushes.length === 0) {
      this.#init.env.timers.soon(() => this.#send())
    }
    if (flushes) this.#unsentFlushes.push(key)
    else this.#unsent.push(key)
    return recall.promise
  }

  #send(): void {
    const [keys, flushes] = [this.#unsent, this.#unsentFlushes]
    this.#unsent = []
    this.#unsentFlushes = []
    for (let from = 0; from < keys.length; from += maxRecalledKeys) {
      void this.#ask(keys.slice(from, from + maxRecalledKeys), leaseRecallMs)
    }
    // One by one: what is written first for one of them need not keep who waits for another.
    for (const key of flushes) void this.#ask([key], leaseFlushMs)
  }

  async #ask(keys: readonly Key[], longestMs: number): Promise<void> {
    const dueMs = this.#init.env.clock.monotonicMs() + longestMs
    let said = false
    while (!said && this.isCurrent) said = await this.#askAt(this.#peer, keys, dueMs)
    this.#gaveBack(keys, said && this.isCurrent)
  }

  /** @returns whether it has answered; else it has come by another connection, or its term is over. */
  async #askAt(peer: Pick<Peer, 'call'>, keys: readonly Key[], dueMs: number): Promise<boolean> {
    const { clock } = this.#init.env
    const asking = new AbortController()
    this.#asking.add(asking)
    const over = this.#over(asking.signal).then(() => false)
    try {
      const deadlineMs = Math.max(1, dueMs - clock.monotonicMs())
      const answer = peer.call('recallLeases', recalled(keys), { deadlineMs })
      return await Promise.race([answer.then(() => true), over])
    } catch {
      // It may have heard it, or not: unless it comes by another connection in time, its term ends.
      if (clock.monotonicMs() < dueMs) this.#failedPeer = peer
      else this.#isTrusted = false
      return await over
    } finally {
      this.#asking.delete(asking)
      asking.abort()
    }
  }

  /** Resolves when the term is over, or the wait for that. */
  async #over(signal: AbortSignal): Promise<void> {
    const { clock, timers } = this.#init.env
    while (!signal.aborted && this.isCurrent) {
      await timers.sleep(this.endMs - clock.monotonicMs(), signal).catch(() => undefined)
    }
  }

  #gaveBack(keys: readonly Key[], said: boolean): void {
    for (const key of keys) {
      const recall = this.#recalls.get(key)
      if (recall === undefined) continue
      this.#recalls.delete(key)
      this.#init.gaveBack(key, this, said)
      recall.resolve()
    }
  }
}

function recalled(keys: readonly Key[]): RecallLeasesRequest {
  const inodes = []
  const names = []
  const partitions = []
  for (const key of keys) {
    if (isKeyOf(key, keyKind.facts)) partitions.push(partitionOfKey(key))
    else if (isKeyOf(key, keyKind.entries))
      names.push({ parent: inoOfKey(key), hash: hashOfEntriesKey(key) })
    else inodes.push(inoOfKey(key))
  }
  return partitions.length === 0 ? { inodes, names } : { inodes, names, partitions }
}
