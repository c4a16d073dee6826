/** The rooms of a server put together: stores below, partitions and transactions above, one service on top. */
import { stat } from 'node:fs/promises'
import type { Env } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { leaseRecallMs, recoveryIntervalMs } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { type Dialler, dialMember } from '../network/membership/dial.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Incoming, Peer, Service } from '../network/rpc/contract.ts'
import { isAnswered } from '../network/wire/behind-messages.ts'
import type { Ino } from '../network/wire/ids.ts'
import type { OperationName } from '../network/wire/operations.ts'
import type { View } from '../network/wire/view.ts'
import { BlockService } from './blocks/block-service.ts'
import type { BlockStore } from './blocks/contract.ts'
import { CopySources } from './blocks/copying.ts'
import { openDataDirectory } from './blocks/data-directory.ts'
import type { FallenBack } from './blocks/recovery.ts'
import { WriterTerms } from './blocks/writer-terms.ts'
import { Checking } from './checking/checking.ts'
import { ClientMemory } from './client-memory.ts'
import type { ServerCounts } from './counts.ts'
import { AppendGrants } from './leases/append-grants.ts'
import { LockService } from './leases/lock-service.ts'
import { ReadLeases } from './leases/read-leases.ts'
import { Reaper } from './leases/reaper.ts'
import { Sessions } from './leases/sessions.ts'
import { Losses } from './losses.ts'
import { Compaction } from './metadata/compaction.ts'
import type { KeyMutation, KeyValueStore } from './metadata/contract.ts'
import { MetadataStore } from './metadata/metadata-store.ts'
import { metaReserveOf } from './metadata/reserve.ts'
import { PartitionFacts } from './partition/facts.ts'
import type { LockedKey } from './partition/key-locks.ts'
import { MetadataService } from './partition/metadata-service.ts'
import type { Partition } from './partition/partition.ts'
import { Partitions } from './partition/partitions.ts'
import { Purger } from './partition/purge.ts'
import { Slots } from './partition/slots.ts'
import { Truncations } from './partition/truncation.ts'
import { Peers } from './peers.ts'
import { QuotaHome } from './quotas/home.ts'
import { Replication } from './replication/replication.ts'
import { createService } from './service.ts'
import { openShardRooms, type ShardRooms } from './shard-rooms.ts'
import { ServerStatus } from './status.ts'
import type { Directories } from './stores.ts'
import { SyncPoint } from './sync-point.ts'
import { Coordinator } from './transactions/coordinator.ts'
import { Participant } from './transactions/participant.ts'
import type { Splitter, SplitterInit } from './transactions/splitter.ts'

export interface RoomsInit extends Directories {
  readonly env: Env
  readonly log: Log
  /** The server had not joined before: it never had a client. */
  readonly isNew: boolean
  /** Closed with the rooms. */
  readonly store: KeyValueStore
  readonly membership: Membership
  readonly dialler: Dialler
  /** Identity of this boot of the machine. */
  readonly boot: string
  /** For how long the machine has been up. */
  readonly upMs: number
  /** Entries that make a shard of a directory too large; for tests. */
  readonly splitEntries?: number
  /** A disk failed: nothing here can be relied on any longer. */
  readonly onFailure: (error: Error) => void
}

type LogLine = (message: string, error?: unknown) => void

export interface ServerRooms {
  readonly service: Service
  readonly syncPoint: SyncPoint
  readonly status: ServerStatus
  /** A peer has said hello. */
  accepted(peer: Peer): void
  /** Takes up the partitions that the view gives to this server. */
  follow(view: View): Promise<void>
  counts(): Promise<ServerCounts>
  /** Before it stops: has clients bring what they have written behind, for a while. */
  quiesce(): Promise<void>
  close(): Promise<void>
}

export async function openRooms(init: RoomsInit): Promise<ServerRooms> {
  const store = new MetadataStore(init.store, init.onFailure, init.env.timers)
  const { partitionCount } = init.membership
  const losses = new Losses({
    reader: store,
    boot: init.boot,
    server: init.membership.id,
    random: init.env.random,
  })
  let syncPoint: SyncPoint | null = null
  const blocks = await openDataDirectory(init.dataDirectory, {
    // Data has to leave metadata some space where both have one disk.
    neededByOthers: (await isOneDisk(init)) ? metaReserveOf : undefined,
    env: init.env,
    index: store,
    partitions: [...Array(partitionCount).keys()],
    log: { error: (fields, message) => init.log.warn(fields, message) },
    fallenBack: fell => [...recounted(store, fell), losses.note()],
    onPressure: () => void syncPoint?.sync().catch(init.onFailure),
  })
  syncPoint = new SyncPoint(blocks, store)
  // What is shown from now on is what was found: once this has begun, another failure keeps to it.
  void syncPoint.sync().catch(init.onFailure)
  const rooms = new Rooms({ ...init, boot: losses.boot }, store, blocks, syncPoint)
  await rooms.status.checkDisks()
  return rooms
}

async function isOneDisk({ metaDirectory, dataDirectory }: Directories): Promise<boolean> {
  const [meta, data] = await Promise.all([stat(metaDirectory), stat(dataDirectory)])
  return meta.dev === data.dev
}

/** A partition counts what its blocks hold. */
function recounted(
  store: MetadataStore,
  { block, blockDelta, byteDelta }: FallenBack,
): Iterable<KeyMutation> {
  const facts = new PartitionFacts(block.partition, store)
  facts.add({ inodes: 0, blocks: blockDelta, blockBytes: byteDelta })
  return facts.mutations()
}

class Rooms implements ServerRooms {
  readonly service: Service
  readonly syncPoint: SyncPoint
  readonly status: ServerStatus
  readonly #connections = new WeakMap<Peer, number>()
  #connectionCount = 0
  readonly #store: MetadataStore
  readonly #blocks: BlockStore
  readonly #blockService: BlockService
  readonly #clientMemory: ClientMemory
  readonly #sessions: Sessions
  readonly #peers: Peers
  readonly #coordinator: Coordinator
  readonly #participant: Participant
  readonly #partitions: Partitions
  readonly #purger: Purger
  readonly #splitter: Splitter
  readonly #reaper: Reaper
  readonly #locks: LockService
  readonly #copies: Replication
  readonly #asking: { cancel(): void }

  constructor(init: RoomsInit, store: MetadataStore, blocks: BlockStore, syncPoint: SyncPoint) {
    const { env, membership } = init
    const { partitionCount } = membership
    const log = (message: string, error?: unknown) => init.log.warn({ error }, message)
    this.#store = store
    this.#blocks = blocks
    this.syncPoint = syncPoint
    this.#peers = this.#peersOf(init)
    const slots = new Slots(store)
    const grants = new AppendGrants(env, init.upMs)
    this.#sessions = this.#sessionsOf(init, grants, log)
    this.#reaper = this.#reaperOf(env, grants, slots, log)
    this.#coordinator = this.#coordinatorOf(env, partitionCount, log)
    const shards = this.#openShards(init, log)
    this.#splitter = shards.splitter
    this.#participant = new Participant(env, this.#peers, log)
    this.#purger = new Purger({ env, peers: this.#peers, partitionCount, log })
    const truncations = new Truncations(this.#peers, partitionCount)
    const admit = (incoming: Incoming<OperationName>) => this.#admit(incoming)
    this.#locks = this.#locksOf(env, log)
    this.#copies = this.#copiesOf(init, log)
    const leases = this.#leasesOf(init)
    this.#partitions = new Partitions({
      env,
      store,
      sessions: this.#sessions,
      ...{ grants, leases, touched: () => syncPoint.touched() },
      ...shards,
      askQuota: this.#peers.askQuota,
      purgeQueued: partition => this.#purger.wake(partition),
      self: membership.id,
      boot: init.boot,
      coordinator: this.#coordinator,
      participant: this.#participant,
      truncations,
      purger: this.#purger,
      locks: this.#locks,
      slots,
      copies: this.#copies,
      log,
    })
    this.#clientMemory = new ClientMemory(env.random)
    this.#blockService = new BlockService(env, blocks, new CopySources(this.#peers, partitionCount))
    this.status = this.#statusOf(init)
    const metadata = new MetadataService({
      env,
      admit,
      slots,
      coordinator: this.#coordinator,
      participant: this.#participant,
      truncations,
      isFull: () => this.status.metaIsFull,
    })
    this.service = createService({
      copies: this.#copies,
      partitions: this.#partitions,
      view: () => membership.view,
      sessions: this.#sessions,
      metadata,
      ...shards,
      ...{ blocks: this.#blockService, clientMemory: this.#clientMemory },
      writers: new WriterTerms(env.clock, this.#peers),
      ...{ leases, heard: peer => this.#heard(peer), clock: env.clock },
      locks: this.#locks,
      quotas: new QuotaHome(this.#peers, partitionCount),
      ...{ slots, coordinator: this.#coordinator, participant: this.#participant },
      ...{ syncPoint, status: this.status },
      checking: new Checking({ partitionCount, blocks }),
      boot: init.boot,
      connectionOf: peer => this.#connections.get(peer) ?? 0,
      admit,
    })
    this.#asking = env.timers.every(recoveryIntervalMs, () => this.#resolve(init))
  }

  accepted(peer: Peer): void {
    this.#connections.set(peer, ++this.#connectionCount)
  }

  follow(view: View): Promise<void> {
    return this.#partitions.follow(view)
  }

  async counts(): Promise<ServerCounts> {
    const { readBytes, writtenBytes } = this.#blockService
    const { checksumErrors } = await this.#blocks.statistics()
    const copies = [...this.#copies.reports()]
    const copiesHeld = copies.filter(({ held }) => held !== undefined).length
    return {
      partitions: [...this.#partitions.all()].length,
      sessions: this.#sessions.size,
      locksHeld: this.#locks.table.heldCount,
      lockWaits: this.#locks.table.waitCount,
      purgeQueue: this.#purger.waitingCount,
      purged: this.#purger.doneCount,
      transactions: this.#coordinator.activeCount + this.#participant.promisedCount,
      copiesFed: copies.length - copiesHeld,
      copiesHeld,
      copiesDropped: this.#copies.droppingCount,
      ...{ readBytes, writtenBytes, checksumErrors },
      fetchedBytes: this.#clientMemory.fetchedBytes,
    }
  }

  #openShards({ env, membership, splitEntries }: RoomsInit, log: SplitterInit['log']): ShardRooms {
    const { partitionCount } = membership
    const [peers, coordinator] = [this.#peers, this.#coordinator]
    const storeOf = (partition: number) => this.#partitions.storeOf(partition)
    return openShardRooms({ env, storeOf, peers, coordinator, partitionCount, splitEntries, log })
  }

  #coordinatorOf(env: Env, partitionCount: number, log: LogLine): Coordinator {
    const assertDecidable = (met: LockedKey) => this.#participant.assertDecidable(met)
    return new Coordinator({ env, peers: this.#peers, partitionCount, assertDecidable, log })
  }

  #peersOf({ env, membership, dialler }: RoomsInit): Peers {
    return new Peers({
      env,
      self: membership.id,
      view: () => membership.view,
      dial: server => dialMember(dialler, server),
      own: () => this.service,
    })
  }

  #leasesOf({ env, isNew }: RoomsInit): ReadLeases {
    return new ReadLeases({ env, isNew, serves: partition => this.#partitions.serves(partition) })
  }

  #sessionsOf({ env, isNew }: RoomsInit, grants: AppendGrants, log: LogLine): Sessions {
    const events = {
      closed: (ino: Ino) => this.#reaper.closed(ino),
      expired: (client: string, opens: Iterable<Ino>) => {
        grants.releaseAll(client)
        this.#locks.expired(client)
        this.#reaper.expired(client, opens).catch(error => log('cannot forget a client', error))
      },
    }
    return new Sessions(env, events, isNew)
  }

  #reaperOf(env: Env, grants: AppendGrants, slots: Slots, log: LogLine): Reaper {
    const sessions = this.#sessions
    const partitions = () => this.#partitions.all()
    return new Reaper({ env, sessions, grants, partitions, forgotten: () => slots.forget(), log })
  }

  #locksOf(env: Env, log: LogLine): LockService {
    const admit = (incoming: Incoming<OperationName>) => this.#admit(incoming)
    const heard = (peer: Peer) => this.#heard(peer)
    return new LockService({ env, partitions: () => this.#partitions.all(), admit, heard, log })
  }

  #copiesOf({ env, membership, boot }: RoomsInit, log: LogLine): Replication {
    return new Replication({
      env,
      self: membership.id,
      boot,
      store: this.#store,
      blocks: this.#blocks,
      view: () => membership.view,
      adopt: view => membership.adopt(view),
      dial: this.#peers.dial,
      askManager: (name, request) => membership.askManager(name, request),
      sync: () => this.syncPoint.sync(),
      touched: () => this.syncPoint.touched(),
      letGo: partition => this.#partitions.letGo(partition),
      stop: partition => this.#partitions.stop(partition),
      log,
    })
  }

  #statusOf(init: RoomsInit): ServerStatus {
    return new ServerStatus({
      member: init.membership.id,
      host: init.dialler.host,
      metaDirectory: init.metaDirectory,
      dataDirectory: init.dataDirectory,
      blocks: this.#blocks,
      compaction: new Compaction({ env: init.env, store: this.#store }),
      partitions: () => this.#partitions.all(),
      epochOf: partition => this.#partitions.epochOf(partition),
      purgeQueue: () => this.#purger.waitingCount,
      transactions: () => this.#coordinator.activeCount + this.#participant.promisedCount,
      traffic: this.#blockService,
      copies: () => this.#copies.reports(),
    })
  }

  /** Brings transactions to their end that wait for somebody. */
  #resolve({ onFailure }: RoomsInit): void {
    void this.#participant.askOutcomes()
    this.#coordinator.settle().catch(onFailure)
  }

  async quiesce(): Promise<void> {
    if (this.#sessions.size > 0) await this.#partitions.endWriting(leaseRecallMs)
  }

  async close(): Promise<void> {
    this.#asking.cancel()
    this.#sessions.close()
    this.#locks.close()
    await this.#copies.stop()
    await this.#peers.close()
    await this.#splitter.stop()
    await this.#purger.stop()
    await this.#reaper.stop()
    try {
      await this.syncPoint.sync()
    } finally {
      // Also when the disks have failed: others may want the directories.
      await this.#blocks.close()
      await this.#store.close()
    }
  }

  #heard(peer: Peer): void {
    this.#sessions.heard(peer.hello.id, this.#connections.get(peer))
  }

  #admit({ peer, partition, epoch, body }: Incoming<OperationName>): Partition {
    const { role } = peer.hello
    if (role === 'client') this.#heard(peer)
    else if (role !== 'server')
      throw new ClusterError('MALFORMED', `${role} does no file operations`)
    const flushes = 'flushes' in body && body.flushes !== undefined
    return this.#partitions.get(partition, epoch, flushes || isAnswered(body))
  }
}
