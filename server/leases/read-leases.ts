/**
 * What clients may say of names and inodes without asking again, until it is called back (Gray and Cheriton, Leases,
 * SOSP 1989; a client's leases have one term together, as the state of an NFSv4 client has, RFC 8881 8.3).
 *
 * 1. Whoever changes a key waits until no other client goes by it: each is asked to give it back, and who does not
 *    answer has its term run out. A client's own lease is in nobody's way: it keeps nothing of what it asks to
 *    have changed (client/cluster/read-leases.ts).
 * 2. A key that somebody had to wait for rests: what several clients change is leased to none of them.
 * 3. Who alone goes by a key may be leased it for writing: then whoever reads it waits in the same way (write-leases.ts).
 * 4. Who alone goes by anything of a partition may be leased that for writing, by the key of its facts: it answers its
 *    programs before what they change there is done here, so nobody else is served, or leased anything there, before it is.
 * 5. What is leased here ends with this server's right to say it: a term is renewed only while every partition that its
 *    client was granted anything in is served here.
 */
import { Counts } from '../../network/counts.ts'
import type { Env } from '../../network/env/env.ts'
import {
  leaseResumeMs,
  leaseTermMs,
  maxReadLeases,
  readLeaseMs,
  readLeaseRestMs,
} from '../../network/limits.ts'
import { OrderedMap } from '../../network/ordered-map.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { RenewLeasesReply } from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { factsKey, partitionOfKey } from '../metadata/keys.ts'
import { LockedKey } from '../partition/key-locks.ts'
import { LeaseHolder } from './lease-holder.ts'
import { type Gone, WriteLeases } from './write-leases.ts'

/** Thrown where others may still rely on a key: `released` resolves when they do not any more. */
export class LeasedKey extends LockedKey {}

interface Lease {
  readonly holders: readonly LeaseHolder[]
  readonly endMs: number
}

/** Of a key that rests. */
interface Rest {
  readonly untilMs: number
  /** Until when others than `client` were told that nobody writes it behind. */
  readonly calmUntilMs: number
  /** Who has changed it last. */
  readonly client: string | null
}

export interface ReadLeasesInit {
  readonly env: Pick<Env, 'clock' | 'timers'>
  /** Whether this server, and nobody else, serves the partition now. */
  readonly serves: (partition: number) => boolean
  /** The server never had a client. */
  readonly isNew?: boolean
  readonly limit?: number
}

/** What a client is told of its term here. */
type RenewedTerm = Omit<RenewLeasesReply, 'wallNs'>

export class ReadLeases {
  readonly #env: Pick<Env, 'clock' | 'timers'>
  readonly #serves: (partition: number) => boolean
  readonly #limit: number
  /** In the order in which they run out. */
  readonly #leases = new OrderedMap<Key, Lease>()
  /** In the order in which their terms end. */
  readonly #holders = new Map<string, LeaseHolder>()
  readonly writing: WriteLeases
  /** Keys that rest, in the order in which that ends. */
  readonly #resting = new OrderedMap<Key, Rest>()
  /** Nothing is leased for writing before: of what rests here, or elsewhere, not all is known. */
  #calmUntilMs = Number.NEGATIVE_INFINITY
  /** Partitions that grant none, and how many want it so. */
  readonly #paused = new Counts<number>()
  /** Until when clients may go by what was leased before this process began. */
  readonly #startEndMs: number
  /** Likewise by what other servers had leased of partitions that were taken up here. */
  readonly #formerEndMs = new Map<number, number>()
  #generation = 0
  readonly #partitionKeys: Key[] = []

  constructor({ env, serves, isNew = false, limit = maxReadLeases }: ReadLeasesInit) {
    this.#env = env
    this.#serves = serves
    this.#limit = limit
    this.writing = new WriteLeases(env.clock)
    this.#startEndMs = isNew ? Number.NEGATIVE_INFINITY : env.clock.monotonicMs() + leaseTermMs
  }

  get size(): number {
    return this.#leases.size
  }

  /** Begins a client's term, or renews it. */
  renew(client: string, peer: Pick<Peer, 'call'>, generation: number): RenewedTerm {
    this.#forgetEnded(this.#env.clock.monotonicMs())
    const holder = this.#holders.get(client)
    if (holder?.isCurrent && generation !== 0) {
      if (holder.generation !== generation || !this.#mayRenew(holder, peer)) {
        return { generation, termMs: 0, alone: false }
      }
      holder.renew(peer)
      this.#holders.delete(client)
      this.#holders.set(client, holder)
      return this.#renewed(holder)
    }
    holder?.end()
    return this.#begin(client, peer, generation)
  }

  /** @returns the lease in milliseconds; 0 when there is none to be had. */
  grant(key: Key, client: string): number {
    const holder = this.#holders.get(client)
    if (holder === undefined || !holder.isTrusted || holder.isRecalled(key)) return 0
    const nowMs = this.#env.clock.monotonicMs()
    this.#forgetEnded(nowMs)
    if (this.#resting.has(key)) return 0
    return this.#grant(key, holder, nowMs)
  }

  #grant(key: Key, holder: LeaseHolder, nowMs: number): number {
    if (this.#leases.size >= this.#limit) return 0
    const partition = partitionOfKey(key)
    if (this.#paused.has(partition) || this.isChangedBehind(partition, holder.client)) return 0
    holder.partitions.set(partition, nowMs + readLeaseMs)
    const holders = withHolder(this.#leases.get(key)?.holders ?? [], holder)
    this.#leases.set(key, { holders, endMs: nowMs + readLeaseMs })
    return readLeaseMs
  }

  /**
   * The client, which was granted a lease on the key just now, is to be the only one to write it, if nobody else goes by it.
   * @returns whether it is.
   */
  grantWriting(key: Key, client: string): boolean {
    return this.#env.clock.monotonicMs() >= this.#calmUntilMs && this.#grantWriting(key, client)
  }

  #grantWriting(key: Key, client: string): boolean {
    const holders = this.#leases.get(key)?.holders ?? []
    const [holder] = holders
    if (holder?.client !== client || holders.length > 1 || holder.isRecalled(key)) return false
    this.writing.grant(key, holder)
    return true
  }

  /**
   * The client is to be the only one that the partition serves, if nobody else goes by anything of it.
   * @returns as `grant`.
   */
  grantPartition(partition: number, client: string): number {
    for (const holder of this.#holders.values()) {
      if (holder.client !== client && holder.goesBy(partition)) return 0
    }
    const key = this.#keyOf(partition)
    const leaseMs = this.grant(key, client)
    return leaseMs > 0 && this.grantWriting(key, client) ? leaseMs : 0
  }

  /** Of the partition as a whole. */
  #keyOf(partition: number): Key {
    let key = this.#partitionKeys[partition]
    if (key === undefined) {
      key = factsKey(partition)
      this.#partitionKeys[partition] = key
    }
    return key
  }

  /** Whether another than `client` may have changed something of the partition that is not here yet. */
  isChangedBehind(partition: number, client: string): boolean {
    return this.writing.size > 0 && this.writing.isAnothers(this.#keyOf(partition), client)
  }

  /** @throws LeasedKey as `checkRead`, where the client is about to be served by the partition. */
  checkServed(partition: number, client: string): void {
    if (this.writing.size > 0) this.checkRead(this.#keyOf(partition), client)
  }

  /**
   * As `grant` and `grantWriting`, to a writer whose lease has ended unheard, unless others were told here that there is none:
   * while it held elsewhere, or before, nobody was.
   * @returns as `grant`.
   */
  resumeWriting(key: Key, client: string): number {
    const holder = this.#holders.get(client)
    const nowMs = this.#env.clock.monotonicMs()
    if (holder === undefined || !holder.isTrusted || holder.isRecalled(key)) return 0
    this.#forgetEnded(nowMs)
    if ((this.#resting.get(key)?.calmUntilMs ?? nowMs) > nowMs) return 0
    const leaseMs = this.#grant(key, holder, nowMs)
    return leaseMs > 0 && this.#grantWriting(key, client) ? leaseMs : 0
  }

  /**
   * To be told to who changes the key, where it rests: so it need not ask before its next change whether another one is
   * writing. What several change goes on resting.
   * @returns for how long nobody is leased the key for writing, milliseconds.
   */
  calmMs(key: Key, client: string): number {
    const rest = this.#resting.get(key)
    if (rest === undefined) return 0
    const nowMs = this.#env.clock.monotonicMs()
    const isSame = rest.client === client || rest.client === null
    const untilMs = isSame ? rest.untilMs : nowMs + readLeaseRestMs
    const told = { untilMs, calmUntilMs: untilMs, client }
    if (isSame) this.#resting.replace(key, told)
    else this.#rest(key, told)
    return Math.max(0, untilMs - nowMs)
  }

  isWrittenBehind(key: Key, client: string): boolean {
    return this.writing.isAnothers(key, client) || this.#returning(key, client) !== null
  }

  /** For how long the client goes on being the one that writes the key behind, milliseconds. */
  writerLeftMs(key: Key, client: string): number {
    const endMs = this.#leases.get(key)?.endMs ?? 0
    const leaseMs = endMs - this.#env.clock.monotonicMs()
    return Math.max(0, Math.min(leaseMs, this.writing.leftMs(key, client)))
  }

  /** The client has closed the file: it writes nothing behind any more. */
  closed(key: Key, client: string): void {
    this.writing.closed(key, client)
  }

  /**
   * @throws LeasedKey while another than `client` may write the key behind, or has come back a moment ago and may have
   * something left.
   */
  checkRead(key: Key, client: string): void {
    if (this.writing.size === 0) return
    if (this.writing.isAnothers(key, client)) this.check(key, client)
    const returning = this.#returning(key, client)
    if (returning !== null) throw this.#untilSettled(key, returning)
  }

  /** A writer that ended unheard, and has begun another term a moment ago: until when it is to have said what it has. */
  #returning(key: Key, client: string | null): Gone | null {
    const gone = this.writing.gone(key, client)
    const holder = gone && this.#holders.get(gone.client)
    if (!gone || holder?.isCurrent !== true) return null
    const untilMs = holder.begunMs + leaseResumeMs
    return untilMs > this.#env.clock.monotonicMs() ? { ...gone, untilMs } : null
  }

  #checkGone(key: Key, client: string | null): void {
    if (this.writing.size === 0) return
    const returning = this.#returning(key, client)
    if (returning !== null) throw this.#untilSettled(key, returning)
    const blocksUntilMs = this.writing.gone(key, client)?.blocksUntilMs ?? 0
    const leftMs = blocksUntilMs - this.#env.clock.monotonicMs()
    if (leftMs > 0) throw new LeasedKey(key, this.#env.timers.sleep(leftMs))
  }

  #untilSettled(key: Key, { untilMs, settled }: Gone): LeasedKey {
    const over = this.#env.timers.sleep(untilMs - this.#env.clock.monotonicMs())
    return new LeasedKey(key, Promise.race([over, settled.promise]))
  }

  /** @throws LeasedKey while another than `client` goes by the key; null: while anybody does. */
  check(key: Key, client: string | null): void {
    this.#checkGone(key, client)
    if (this.#leases.size === 0) return
    const lease = this.#leases.get(key)
    if (lease === undefined) return
    // As a rule who changes something is who was told of it.
    if (lease.holders.length === 1 && lease.holders[0]!.client === client) return
    const recalls = this.#recall(key, lease, client)
    if (recalls.length === 0) return
    const untilMs = this.#env.clock.monotonicMs() + readLeaseRestMs
    const calmUntilMs = this.#resting.get(key)?.calmUntilMs ?? Number.NEGATIVE_INFINITY
    this.#rest(key, { untilMs, calmUntilMs, client: null })
    throw new LeasedKey(key, allOf(recalls))
  }

  /** Leases nothing for writing any more; resolves when what was written behind is here, or the time is over. */
  async endWriting(mostMs: number): Promise<void> {
    this.#calmUntilMs = Number.POSITIVE_INFINITY
    const recalls: Promise<void>[] = []
    for (const key of this.writing.keys()) {
      const lease = this.#leases.get(key)
      if (lease !== undefined) recalls.push(...this.#recall(key, lease, null))
    }
    const over = new AbortController()
    const pause = (ms: number): Promise<void> =>
      this.#env.timers.sleep(ms, over.signal).catch(() => undefined)
    // Blocks of files of other servers, which may be stopped at the same time, are to come as well.
    await Promise.race([Promise.all([...recalls, pause(mostMs / 4)]), pause(mostMs)])
    over.abort()
  }

  /** Nothing of the partition is leased until the returned function is called; what is leased stays so. */
  pause(partition: number): () => void {
    this.#paused.add(partition)
    return () => void this.#paused.subtract(partition)
  }

  /**
   * Calls back all that is leased of the partition, which grants none any more; resolves when nobody goes by any of it,
   * nor by what was leased of it before it was taken up here.
   */
  async withdraw(partition: number): Promise<void> {
    const recalls: Promise<void>[] = []
    for (const [key, lease] of this.#leases) {
      if (partitionOfKey(key) === partition) recalls.push(...this.#recall(key, lease, null))
    }
    const holders = [...this.#holders.values()].filter(({ partitions }) =>
      partitions.has(partition),
    )
    for (const holder of holders) holder.partitions.delete(partition)
    await Promise.all([...recalls, this.#untilFormerEnded(partition)])
  }

  /**
   * Resolves when nobody goes by what was leased of a partition before it is taken up here.
   * @param byAnother another server may have granted leases up to now.
   */
  formerEnded(partition: number, byAnother: boolean): Promise<void> {
    this.writing.forgetKept(partition)
    const nowMs = this.#env.clock.monotonicMs()
    if (byAnother) this.#formerEndMs.set(partition, nowMs + leaseTermMs)
    // The one of before may have told somebody that nothing is leased for writing.
    this.#calmUntilMs = Math.max(this.#calmUntilMs, nowMs + readLeaseRestMs)
    return this.#untilFormerEnded(partition)
  }

  async #untilFormerEnded(partition: number): Promise<void> {
    const nowMs = this.#env.clock.monotonicMs()
    const formerEndMs = this.#formerEndMs.get(partition) ?? this.#startEndMs
    if (formerEndMs <= nowMs) this.#formerEndMs.delete(partition)
    const leftMs = Math.max(formerEndMs, this.#startEndMs) - nowMs
    if (leftMs > 0) await this.#env.timers.sleep(leftMs)
  }

  #begin(client: string, peer: Pick<Peer, 'call'>, former: number): RenewedTerm {
    // Also after a restart: a client would take its own of before for one that goes on.
    do this.#generation++
    while (this.#generation === former)
    const holder = new LeaseHolder({
      env: this.#env,
      ...{ client, peer, generation: this.#generation },
      gaveBack: (key, who, said) => this.#gaveBack(key, who, said),
    })
    this.#holders.delete(client)
    this.#holders.set(client, holder)
    return this.#renewed(holder)
  }

  #renewed({ generation }: LeaseHolder): RenewedTerm {
    return { generation, termMs: leaseTermMs, alone: this.#holders.size === 1 }
  }

  #mayRenew(holder: LeaseHolder, peer: Pick<Peer, 'call'>): boolean {
    if (!holder.isTrustedAt(peer)) return false
    for (const partition of holder.partitions.keys()) {
      if (this.#serves(partition)) continue
      holder.distrust()
      return false
    }
    return true
  }

  #recall(key: Key, { holders, endMs }: Lease, but: string | null): Promise<void>[] {
    if (endMs <= this.#env.clock.monotonicMs()) return []
    return holders
      .filter(holder => holder.isCurrent && holder.client !== but)
      .map(holder => holder.recall(key, this.writing.has(key)))
  }

  #gaveBack(key: Key, holder: LeaseHolder, said: boolean): void {
    this.writing.ended(key, holder, said)
    const lease = this.#leases.get(key)
    if (lease === undefined || !lease.holders.includes(holder)) return
    const holders = lease.holders.filter(other => other !== holder)
    // In its place: it runs out when it would have.
    if (holders.length > 0) this.#leases.replace(key, { ...lease, holders })
    else this.#leases.delete(key)
  }

  #rest(key: Key, rest: Rest): void {
    this.#resting.set(key, rest)
    const { first } = this.#resting
    if (first === null || this.#resting.size <= this.#limit) return
    this.#resting.delete(first.key)
    this.#calmUntilMs = Math.max(this.#calmUntilMs, first.value.untilMs)
  }

  #forgetEnded(nowMs: number): void {
    for (let { first } = this.#leases; first !== null; { first } = this.#leases) {
      if (first.value.endMs > nowMs) break
      this.#leases.delete(first.key)
      // Its client has taken nothing more by it for `behindSpareMs`.
      for (const holder of first.value.holders) this.writing.ended(first.key, holder, true)
    }
    for (let { first } = this.#resting; first !== null; { first } = this.#resting) {
      if (first.value.untilMs > nowMs) break
      this.#resting.delete(first.key)
    }
    this.writing.forgetGone()
    for (const [client, holder] of this.#holders) {
      if (holder.isCurrent) break
      this.#holders.delete(client)
    }
  }
}

function withHolder(before: readonly LeaseHolder[], holder: LeaseHolder): readonly LeaseHolder[] {
  if (before.length === 1 && before[0] === holder) return before
  return [holder, ...before.filter(other => other !== holder && other.isCurrent)]
}

async function allOf(recalls: readonly Promise<void>[]): Promise<void> {
  await Promise.all(recalls)
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
