/**
 * One partition as its primary holds it in memory.
 *
 * 1. Everything that changes the partition goes through `stage`: it becomes visible and joins the next
 *    group commit in the tick in which it was decided.
 * 2. What somebody is told waits until what it rests on is committed.
 */
import type { Env } from '../../network/env/env.ts'
import { behindNumbers } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { BehindShown } from '../../network/wire/operations.ts'
import type { AppendGrants } from '../leases/append-grants.ts'
import type { ReadLeases } from '../leases/read-leases.ts'
import type { Sessions } from '../leases/sessions.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { isKeyOf, keyKind } from '../metadata/keys.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { Batch, type Intention } from './batch.ts'
import { PartitionFacts } from './facts.ts'
import { KeyLocks } from './key-locks.ts'
import { Makers } from './makers.ts'
import type { OperationContext } from './operation.ts'
import { PartitionStore, type ShippedBlock } from './partition-store.ts'
import type { DirectoryTotals } from './totals.ts'
import { type AskQuota, PartitionUsage } from './usage.ts'

export interface PartitionInit {
  readonly env: Env
  readonly store: MetadataStore
  readonly sessions: Sessions
  readonly grants: AppendGrants
  readonly leases: ReadLeases
  readonly totals: DirectoryTotals
  /** Something was committed. */
  readonly touched: () => void
  /** A file's blocks were queued for purging. */
  readonly purgeQueued: (partition: Partition) => void
  readonly splitter: SplitsShards
  /** Asks the home of a volume for more of its quota. */
  readonly askQuota: AskQuota
}

/** Who splits what has become too large. */
export interface SplitsShards {
  /** Entries that make a shard too large in which several clients make names; and where one does. */
  readonly splitEntries: number
  readonly splitEntriesOfOne: number
  overgrown(partition: Partition, directory: Ino): void
}

export class Partition {
  readonly id: number
  readonly facts: PartitionFacts
  readonly usage: PartitionUsage
  readonly locks = new KeyLocks()
  readonly store: PartitionStore
  readonly #init: PartitionInit

  readonly #makers: Makers

  constructor(id: number, init: PartitionInit) {
    this.id = id
    this.#init = init
    const { env, askQuota } = init
    const store = new PartitionStore(id, init.store)
    this.store = store
    this.#makers = new Makers(env.clock)
    this.facts = new PartitionFacts(id, store)
    this.usage = new PartitionUsage({
      partition: id,
      store,
      clock: env.clock,
      ask: askQuota,
      stage: () => this.stageMutations([]),
    })
  }

  /** A shard of a directory has so many entries now, more than before. */
  readonly grew = (directory: Ino, entries: number, client: string): void => {
    const { splitter } = this.#init
    if (entries <= splitter.splitEntries) return
    const isShared = this.#makers.made(directory, client)
    if (isShared || entries > splitter.splitEntriesOfOne) splitter.overgrown(this, directory)
  }

  /** @param owner the transaction that the operation is a part of, if any. */
  contextFor(
    client: string,
    owner: string | null = null,
    intention: Intention = 'change',
  ): OperationContext {
    return this.withBatch(client, this.batchFor(client, owner, intention))
  }

  /** As `contextFor`, for who asks from outside. @throws LeasedKey where another client has changed something behind. */
  contextOf(
    client: string,
    owner: string | null = null,
    intention: Intention = 'change',
  ): OperationContext {
    this.checkServed(client)
    return this.contextFor(client, owner, intention)
  }

  /** @throws LeasedKey while another client may have changed something behind that is not here yet. */
  checkServed(client: string): void {
    this.#init.leases.checkServed(this.id, client)
  }

  /**
   * The client is to be the only one that is served here, and answers its programs before what they change is done.
   * @returns null when that cannot be.
   */
  async leaseWhole(client: string): Promise<BehindShown['mayBehind'] | null> {
    // Whoever has locked something goes on without asking whether others have changed anything behind.
    if (this.locks.size > 0) return null
    const leaseMs = this.#init.leases.grantPartition(this.id, client)
    if (leaseMs === 0) return null
    const numbers = { first: this.facts.allocateInos(behindNumbers), count: behindNumbers }
    // Told when it is committed that they were given out: a server that is started again gives them to nobody else.
    await this.stageMutations([])
    return { leaseMs, numbers, changeFloor: this.facts.changeFloor }
  }

  batchFor(client: string, owner: string | null, intention: Intention = 'change'): Batch {
    const { store, locks } = this
    const { leases } = this.#init
    return new Batch({ store, locks, leases, intention, client, owner })
  }

  /**
   * For who is about to change much that clients may have leases on: nobody has any until the returned function is
   * called.
   */
  async withdrawLeases(): Promise<() => void> {
    const { leases } = this.#init
    const resume = leases.pause(this.id)
    await leases.withdraw(this.id)
    return resume
  }

  withBatch(client: string, batch: Batch): OperationContext {
    const { env, sessions, grants, totals } = this.#init
    const nowNs = env.clock.wallNs()
    const { facts, usage, grew } = this
    return { batch, facts, usage, sessions, grants, totals, client, nowNs, grew }
  }

  /**
   * Makes the batch, and `more` with it, visible; resolves when it is committed.
   * @param lazy nobody waits for that.
   */
  stage(batch: Batch, more: readonly KeyMutation[] = [], lazy = false): Promise<void> {
    this.facts.add(batch.counts)
    const committed = this.stageMutations([...batch.mutations(), ...more], null, lazy)
    batch.staged()
    return committed
  }

  /** @param block the change of a block among the mutations, as other copies are to make it. */
  stageMutations(
    mutations: KeyMutation[],
    block: ShippedBlock | null = null,
    lazy = false,
  ): Promise<void> {
    this.store.assertOpen()
    this.usage.account(mutations)
    mutations.push(...this.facts.mutations(), ...this.usage.mutations())
    const committed = this.store.commit(mutations, block, lazy)
    this.#init.touched()
    if (mutations.some(queuesPurge)) this.#init.purgeQueued(this)
    return committed
  }

  /** Another server is the primary now, or is about to be. Whoever waits for a lock here finds that out. */
  close(): void {
    this.store.close()
    this.locks.releaseAll()
  }
}

function queuesPurge({ key, value }: KeyMutation): boolean {
  return value !== null && isKeyOf(key, keyKind.purge)
}
