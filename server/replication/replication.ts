/**
 * Copies of partitions on several servers: who feeds whom, and how a server becomes the primary of a copy.
 * Like PacificA (Lin et al., 2008): the manager's view says who holds what; a primary ships what it commits.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { leaseMs, maxCopiesReported } from '../../network/limits.ts'
import type { Peer, Service } from '../../network/rpc/contract.ts'
import type { CopyReport, Position } from '../../network/wire/operations.ts'
import type { MemberId, PartitionState, View } from '../../network/wire/view.ts'
import type { BlockStore } from '../blocks/contract.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { Partition } from '../partition/partition.ts'
import { Beacons } from './beacons.ts'
import {
  type CopyRecord,
  copyMutation,
  copyState,
  hashOfBoot,
  readCopyRecord,
} from './copy-record.ts'
import { Dropper } from './dropper.ts'
import { FeedTurns } from './feed-turns.ts'
import type { FeedSource } from './feeding.ts'
import { Fences } from './fences.ts'
import { Holder, hasNoRows } from './holder.ts'
import { type AskManager, ManagerTold } from './manager.ts'
import { ReplicaSyncs } from './replica-syncs.ts'
import { PartitionShipping } from './shipping.ts'
import { type TakenOver, TakeOver } from './take-over.ts'

export interface ReplicationInit {
  readonly env: Env
  readonly self: MemberId
  readonly boot: string
  readonly store: MetadataStore
  readonly blocks: BlockStore
  readonly view: () => View | null
  readonly adopt: (view: View) => void
  /** Another server, over a connection that others use as well. */
  readonly dial: (member: MemberId) => Promise<Peer>
  readonly askManager: AskManager
  /** All that is committed is on the disks of this server. */
  readonly sync: () => Promise<void>
  readonly touched: () => void
  /** Stops serving the partition; resolves when that is so. */
  readonly letGo: (partition: number) => Promise<void>
  /** As TakeOver has it. */
  readonly stop: (partition: number) => Promise<void>
  readonly log: (message: string, error?: unknown) => void
}

export class Replication {
  readonly service: Service
  readonly #init: ReplicationInit
  readonly #boot: bigint
  readonly #fences: Fences
  readonly #holder: Holder
  readonly #dropper: Dropper
  readonly #beacons: Beacons
  readonly #turns: FeedTurns
  readonly #manager: ManagerTold
  readonly #syncs: ReplicaSyncs
  readonly #takeOver: TakeOver
  readonly #shippings = new Map<number, PartitionShipping>()
  /** Served here, or about to be. */
  readonly #led = new Set<number>()
  /** Copies that were looked at whether they are wanted. */
  readonly #known = new Set<number>()
  #finding: Promise<void> | null = null

  constructor(init: ReplicationInit) {
    this.#init = init
    const { env, store, blocks, dial, touched, log } = init
    const boot = hashOfBoot(init.boot)
    const incarnation = env.random.id()
    this.#boot = boot
    this.#fences = new Fences(env, init.view)
    this.#dropper = new Dropper({ env, store, blocks, boot, touched, log })
    this.#holder = new Holder({
      env,
      store,
      blocks,
      fences: this.#fences,
      boot,
      incarnation,
      sync: init.sync,
      touched,
      isUnwanted: (partition, epoch) => {
        const state = init.view()?.partitions[partition]
        return state !== undefined && state.epoch > epoch && !state.replicas.includes(init.self)
      },
      opened: partition => this.#known.add(partition),
      isBusy: partition => this.#led.has(partition) || this.#dropper.isDropping(partition),
    })
    this.#turns = new FeedTurns(env)
    this.#manager = new ManagerTold({ env, ask: init.askManager })
    this.#syncs = new ReplicaSyncs(dial)
    this.#takeOver = new TakeOver({
      ...init,
      boot,
      fences: this.#fences,
      holder: this.#holder,
      led: this.#led,
    })
    this.#beacons = new Beacons({ env, dial, shippings: () => this.#shippings.values() })
    this.service = {
      ...this.#holder.service,
      beacon: ({ peer, body }) => {
        const refused: number[] = []
        for (let at = 0; at + 1 < body.held.length; at += 2) {
          const [partition, epoch] = [body.held[at]!, body.held[at + 1]!]
          if (!this.#fences.grant(partition, epoch, peer.hello.id)) refused.push(partition)
        }
        return { body: { refused }, payload: [] }
      },
      yieldPartition: async incoming => ({
        body: await this.#takeOver.yieldPartition(incoming),
        payload: [],
      }),
      pullPartition: async incoming => {
        await this.#takeOver.feedOnce(incoming)
        return { body: {}, payload: [] }
      },
      syncReplica: async ({ body }) => {
        if (body.incarnation !== incarnation) {
          throw new ClusterError('NOT_READY', 'the holder was started again')
        }
        await init.sync()
        return { body: {}, payload: [] }
      },
    }
  }

  /** Epoch below which nobody serves the partition any more, as far as is known here. */
  epochOf(partition: number): number {
    return this.#fences.epochOf(partition)
  }

  *reports(): Generator<CopyReport> {
    let count = 0
    for (const { links } of this.#shippings.values()) {
      for (const { report } of links) {
        if (report === null) continue
        if (++count > maxCopiesReported) return
        yield report
      }
    }
  }

  /** Copies that are being deleted. */
  get droppingCount(): number {
    return this.#dropper.size
  }

  /** What was acknowledged is on the disks of all holders that are in sync. */
  async syncHolders(): Promise<void> {
    const synced: Promise<void>[] = []
    for (const { links } of this.#shippings.values())
      for (const link of links) synced.push(link.sync())
    await Promise.all(synced)
  }

  /** @throws ClusterError NOT_READY when a holder of the partition may let another serve. */
  assertLease(partition: number): void {
    if (this.#shippings.size === 0) return
    this.#shippings.get(partition)?.assertLease()
  }

  /** To be called with each view, after what is not served any more was let go. Copies that nobody wants go. */
  async follow(view: View): Promise<void> {
    this.#finding ??= this.#find(view.partitions.length)
    await this.#finding
    view.partitions.forEach((state, partition) => {
      const { self } = this.#init
      const wanted = state.replicas.includes(self) || state.inSync.length === 0
      if (wanted || state.primary === self || state.inSync.includes(self)) {
        this.#known.add(partition)
        return
      }
      if (!this.#known.delete(partition)) return
      this.#dropSoon(partition).catch(error => this.#init.log('cannot give up a copy', error))
    })
  }

  /** What still goes on there ends first; a newer view may want the copy by then. */
  async #dropSoon(partition: number): Promise<void> {
    const { self, view, letGo } = this.#init
    await letGo(partition)
    await this.#holder.stop(partition)
    const state = view()?.partitions[partition]
    const wanted = state === undefined || state.replicas.includes(self) || state.inSync.length === 0
    if (wanted || state.inSync.includes(self) || this.#led.has(partition))
      this.#known.add(partition)
    else this.#dropper.drop(partition)
  }

  /** As TakeOver has it. */
  takeOver(partition: number, stateNow: () => PartitionState | null): Promise<TakenOver> {
    return this.#takeOver.takeOver(partition, stateNow)
  }

  /** Begins to ship what the partition commits from now on, or follows who holds it. */
  ship(partition: Partition, state: PartitionState): void {
    const { id } = partition
    this.#led.add(id)
    const known = this.#shippings.get(id)
    const hasOthers = state.replicas.some(member => member !== this.#init.self)
    if (known !== undefined) {
      known.follow(state)
      if (!hasOthers) this.#endShipping(partition, known)
      return
    }
    const record = readCopyRecord(this.#init.store, id)
    if (!hasOthers) {
      if (record !== null && record.state !== copyState.solo) this.#setSolo(id, record)
      return
    }
    this.#startShipping(partition, state, record)
  }

  /** Nothing of it is shipped any more. @returns where it ended. */
  async unship(partition: Partition): Promise<void> {
    const { env } = this.#init
    const shipping = this.#shippings.get(partition.id)
    if (shipping !== undefined) {
      // What is on its way has its effect, if that does not take long.
      const late = new AbortController()
      const pause = env.timers.sleep(leaseMs / 4, late.signal).catch(() => undefined)
      await Promise.race([shipping.settled().catch(() => undefined), pause])
      late.abort()
      shipping.close()
      if (this.#shippings.get(partition.id) === shipping) this.#shippings.delete(partition.id)
      partition.store.shipping = null
    }
    await this.#init.sync()
    this.#led.delete(partition.id)
  }

  /** Tells the manager that the partition is served, as long as it is. */
  tellServed(partition: number, epochNow: () => number | null): void {
    const told = this.#manager.tell('partitionServed', () => {
      const epoch = epochNow()
      return epoch === null ? null : { partition, epoch }
    })
    told.catch(error => this.#init.log(`cannot tell that partition ${partition} is served`, error))
  }

  async stop(): Promise<void> {
    this.#beacons.close()
    for (const shipping of this.#shippings.values()) shipping.close()
    this.#manager.stop()
    await this.#dropper.stop()
  }

  /** Copies that there are at the start. */
  async #find(partitionCount: number): Promise<void> {
    const { store } = this.#init
    for (let partition = 0; partition < partitionCount; partition++) {
      const record = readCopyRecord(store, partition)
      if (record?.state === copyState.dropping) this.#dropper.drop(partition)
      else if (record !== null || !(await hasNoRows(store, partition))) this.#known.add(partition)
    }
  }

  #startShipping(partition: Partition, state: PartitionState, record: CopyRecord | null): void {
    const { id } = partition
    const { env, self, dial, adopt, store, blocks, log } = this.#init
    const numbered = record !== null && record.state !== copyState.solo
    const fresh = { epoch: state.epoch, sequence: (record?.sequence ?? 0) + 1 }
    // A partition without a row has nothing that was not numbered.
    const begins = record === null && partition.facts.isNew
    const position: Position = numbered ? record : begins ? { epoch: 0, sequence: 0 } : fresh
    const source: FeedSource = { partition: id, store: partition.store, blocks }
    const shipping = new PartitionShipping({
      env,
      self,
      boot: this.#boot,
      partition: id,
      position,
      source,
      totalBytes: () => partition.facts.blockBytes + rowBytes * partition.facts.inodes,
      turns: this.#turns,
      manager: this.#manager,
      dial,
      sync: this.#init.sync,
      syncReplica: (member, incarnation) => this.#syncs.sync(member, incarnation),
      adopt,
      leaseWanted: () => this.#beacons.soon(),
      log,
    })
    this.#shippings.set(id, shipping)
    partition.store.shipping = shipping
    void store.commit([shipping.leads()]).catch(() => undefined)
    shipping.follow(state)
  }

  /** Nobody is shipped to any more; what is being committed is acknowledged when it is. */
  #endShipping(partition: Partition, shipping: PartitionShipping): void {
    partition.store.shipping = null
    this.#shippings.delete(partition.id)
    this.#setSolo(partition.id, shipping.position)
  }

  #setSolo(partition: number, { epoch, sequence }: Position): void {
    const solo = { state: copyState.solo, epoch, sequence, boot: this.#boot }
    void this.#init.store.commit([copyMutation(partition, solo)]).catch(() => undefined)
  }
}

/** What a partition takes for each inode, about: for progress. */
const rowBytes = 512
