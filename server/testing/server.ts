/** One server of a test's cluster: the real rooms, but for disks and sockets. */

import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { recoveryIntervalMs } from '../../network/limits.ts'
import type { Incoming, Peer, Service } from '../../network/rpc/contract.ts'
import { isAnswered } from '../../network/wire/behind-messages.ts'
import type { OperationName } from '../../network/wire/operations.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { BlockService } from '../blocks/block-service.ts'
import type { BlockStore } from '../blocks/contract.ts'
import { CopySources } from '../blocks/copying.ts'
import { WriterTerms } from '../blocks/writer-terms.ts'
import { Checking } from '../checking/checking.ts'
import { ClientMemory } from '../client-memory.ts'
import { AppendGrants } from '../leases/append-grants.ts'
import { LockService } from '../leases/lock-service.ts'
import { ReadLeases } from '../leases/read-leases.ts'
import { Reaper } from '../leases/reaper.ts'
import { Sessions } from '../leases/sessions.ts'
import { Compaction } from '../metadata/compaction.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { LockedKey } from '../partition/key-locks.ts'
import { MetadataService } from '../partition/metadata-service.ts'
import type { Partition } from '../partition/partition.ts'
import { Partitions } from '../partition/partitions.ts'
import { Purger } from '../partition/purge.ts'
import { Slots } from '../partition/slots.ts'
import { Truncations } from '../partition/truncation.ts'
import { Peers } from '../peers.ts'
import { QuotaHome } from '../quotas/home.ts'
import { Replication } from '../replication/replication.ts'
import { createService } from '../service.ts'
import { openShardRooms, type ShardRooms } from '../shard-rooms.ts'
import { ServerStatus } from '../status.ts'
import { SyncPoint } from '../sync-point.ts'
import { Coordinator } from '../transactions/coordinator.ts'
import { Participant } from '../transactions/participant.ts'
import type { Splitter, SplitterInit } from '../transactions/splitter.ts'
import type { TestCluster } from './cluster.ts'
import type { StoreDouble } from './store-double.ts'
import type { TestStores } from './stores.ts'

type LogLine = (message: string, error?: unknown) => void

export class TestServer {
  readonly id: MemberId
  readonly store: StoreDouble
  readonly failures: Error[]
  readonly blocks: BlockStore
  readonly metadata: MetadataStore
  readonly sessions: Sessions
  readonly reaper: Reaper
  readonly locks: LockService
  readonly copies: Replication
  readonly slots: Slots
  readonly coordinator: Coordinator
  readonly participant: Participant
  readonly purger: Purger
  readonly splitter: Splitter
  readonly partitions: Partitions
  readonly peers: Peers
  service: Service
  isFull = false
  alive = true
  /** Resolves when it has ended. */
  readonly ended: Promise<undefined>
  readonly #died = Promise.withResolvers<never>()
  readonly #asking: { cancel(): void }

  constructor(cluster: TestCluster, id: MemberId, stores: TestStores) {
    const { env, view } = cluster
    this.id = id
    this.ended = this.#died.promise.catch(() => undefined)
    this.store = stores.store
    this.metadata = stores.metadata
    this.failures = stores.failures
    this.blocks = stores.blocks
    this.store.onBatch = when => cluster.step(id, `${when} a batch`)
    const log = (...entry: unknown[]) => cluster.logged.push([id, ...entry])
    const partitionCount = view.partitions.length
    this.peers = this.#peersOf(cluster)
    const grants = new AppendGrants(env, cluster.upMsOf(id))
    this.slots = new Slots(this.metadata)
    this.sessions = this.#sessionsOf(env, grants, log)
    this.reaper = this.#reaperOf(env, grants, log)
    this.coordinator = this.#coordinatorOf(env, partitionCount, log)
    const shards = this.#openShards(cluster, log)
    this.splitter = shards.splitter
    this.participant = new Participant(env, this.peers, log)
    this.purger = new Purger({ env, peers: this.peers, partitionCount, log })
    const truncations = new Truncations(this.peers, partitionCount)
    const admit = (incoming: Incoming<OperationName>) => this.#admit(incoming)
    this.locks = this.#locksOf(env, log)
    const syncPoint = new SyncPoint(this.blocks, this.metadata)
    this.copies = this.#copiesOf(cluster, syncPoint, log)
    const leases = this.#leasesOf(cluster)
    this.partitions = new Partitions({
      env,
      store: this.metadata,
      sessions: this.sessions,
      ...{ grants, leases, touched: () => undefined },
      ...shards,
      askQuota: this.peers.askQuota,
      purgeQueued: partition => this.purger.wake(partition),
      self: id,
      boot: cluster.bootOf(id),
      coordinator: this.coordinator,
      participant: this.participant,
      truncations,
      purger: this.purger,
      locks: this.locks,
      slots: this.slots,
      copies: this.copies,
      log,
    })
    this.service = createService({
      ...{ clientMemory: new ClientMemory(env.random), sessions: this.sessions },
      writers: new WriterTerms(env.clock, this.peers),
      ...{ clock: env.clock, copies: this.copies, partitions: this.partitions },
      view: () => cluster.view,
      metadata: new MetadataService({
        env,
        admit,
        slots: this.slots,
        coordinator: this.coordinator,
        participant: this.participant,
        truncations,
        isFull: () => this.isFull,
      }),
      ...shards,
      blocks: new BlockService(env, this.blocks, new CopySources(this.peers, partitionCount)),
      ...{ leases, heard: peer => this.sessions.heard(peer.hello.id) },
      locks: this.locks,
      quotas: new QuotaHome(this.peers, partitionCount),
      slots: this.slots,
      ...{ coordinator: this.coordinator, participant: this.participant, syncPoint },
      status: this.#status(env),
      checking: new Checking({ partitionCount, blocks: this.blocks }),
      boot: cluster.bootOf(id),
      connectionOf: () => 0,
      admit,
    })
    this.#asking = env.timers.every(recoveryIntervalMs, () => this.#resolve())
  }

  #resolve(): void {
    void this.participant.askOutcomes()
    void this.coordinator.settle()
  }

  /** The promise, or CLOSED when the server ends before. */
  during<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#died.promise])
  }

  die(): void {
    this.alive = false
    this.store.die()
    this.#asking.cancel()
    this.sessions.close()
    this.locks.close()
    void this.reaper.stop()
    void this.splitter.stop()
    void this.copies.stop()
    this.#died.reject(new ClusterError('CLOSED', `${this.id} has ended`))
  }

  get locksHeld(): number {
    let count = 0
    for (const { locks } of this.partitions.all()) count += locks.size
    return count
  }

  #openShards({ env, view, splitEntries }: TestCluster, log: SplitterInit['log']): ShardRooms {
    const { peers, coordinator } = this
    const storeOf = (partition: number) => this.partitions.storeOf(partition)
    const partitionCount = view.partitions.length
    return openShardRooms({ env, storeOf, peers, coordinator, partitionCount, splitEntries, log })
  }

  #coordinatorOf(env: Env, partitionCount: number, log: LogLine): Coordinator {
    const assertDecidable = (met: LockedKey) => this.participant.assertDecidable(met)
    return new Coordinator({ env, peers: this.peers, partitionCount, assertDecidable, log })
  }

  #peersOf(cluster: TestCluster): Peers {
    const { env } = cluster
    return new Peers({
      env,
      self: this.id,
      view: () => cluster.view,
      dial: server => cluster.dial(this, server),
      own: () => this.service,
    })
  }

  #admit({ peer, partition, epoch, body }: Incoming<OperationName>): Partition {
    if (peer.hello.role === 'client') this.sessions.heard(peer.hello.id)
    const flushes = 'flushes' in body && body.flushes !== undefined
    return this.partitions.get(partition, epoch, flushes || isAnswered(body))
  }

  #leasesOf({ env, contents }: TestCluster): ReadLeases {
    const isNew = contents.get(this.id)?.size === 0
    return new ReadLeases({ env, isNew, serves: partition => this.partitions.serves(partition) })
  }

  #sessionsOf(env: Env, grants: AppendGrants, log: LogLine): Sessions {
    return new Sessions(env, {
      closed: ino => this.reaper.closed(ino),
      expired: (client, opens) => {
        grants.releaseAll(client)
        this.locks.expired(client)
        this.reaper.expired(client, opens).catch(error => log('cannot forget a client', error))
      },
    })
  }

  #reaperOf(env: Env, grants: AppendGrants, log: LogLine): Reaper {
    const { sessions, slots } = this
    const partitions = () => this.partitions.all()
    return new Reaper({ env, sessions, grants, partitions, forgotten: () => slots.forget(), log })
  }

  #locksOf(env: Env, log: LogLine): LockService {
    const admit = (incoming: Incoming<OperationName>) => this.#admit(incoming)
    const heard = (peer: Peer) => this.sessions.heard(peer.hello.id)
    return new LockService({ env, partitions: () => this.partitions.all(), admit, heard, log })
  }

  #copiesOf(cluster: TestCluster, syncPoint: SyncPoint, log: LogLine): Replication {
    return new Replication({
      env: cluster.env,
      self: this.id,
      boot: cluster.bootOf(this.id),
      store: this.metadata,
      blocks: this.blocks,
      view: () => cluster.view,
      adopt: () => undefined,
      dial: this.peers.dial,
      askManager: (name, request) => cluster.askManager(this.id, name, request),
      sync: () => syncPoint.sync(),
      touched: () => undefined,
      letGo: partition => this.partitions.letGo(partition),
      stop: partition => this.partitions.stop(partition),
      log,
    })
  }

  #status(env: TestCluster['env']): ServerStatus {
    return new ServerStatus({
      host: 'test',
      member: this.id,
      metaDirectory: '/',
      dataDirectory: '/',
      blocks: this.blocks,
      compaction: new Compaction({ env, store: this.metadata }),
      partitions: () => this.partitions.all(),
      epochOf: partition => this.partitions.epochOf(partition),
      purgeQueue: () => this.purger.waitingCount,
      transactions: () => this.coordinator.activeCount + this.participant.promisedCount,
      traffic: { readBytes: 0, writtenBytes: 0 },
      copies: () => this.copies.reports(),
    })
  }
}
