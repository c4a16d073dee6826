/**
 * A server: one pair of disks, a slice of the cluster's metadata and one of its data. Composes the rooms
 * and keeps their order: nothing is answered before what a crash left behind is taken up again.
 */
import type { MemberCredentials } from '../network/admission/credentials.ts'
import { serverIdOf } from '../network/admission/member-id.ts'
import type { Env, Timer } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import {
  backgroundSyncIntervalMs,
  diskCheckIntervalMs,
  protocolVersion,
} from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { bootIdentity, hostIdentity, machineUpMs } from '../network/membership/host.ts'
import { joinCluster, type Membership } from '../network/membership/membership.ts'
import { reachable } from '../network/membership/reachable.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import type { Metric } from '../network/metrics/metric.ts'
import type { Handler, Incoming, Peer, Service } from '../network/rpc/contract.ts'
import { isGreeting } from '../network/rpc/dispatch.ts'
import { type Serving, serve } from '../network/rpc/serve.ts'
import type { RpcTally } from '../network/rpc/tally.ts'
import type { Transport } from '../network/transport/contract.ts'
import { type OperationName, operationNumbers } from '../network/wire/operations.ts'
import type { MemberReport } from '../network/wire/view.ts'
import { serverMetrics } from './counts.ts'
import { KnownView } from './known-view.ts'
import type { KeyValueStore } from './metadata/contract.ts'
import { openRooms, type ServerRooms } from './rooms.ts'
import {
  claimDirectories,
  type Directories,
  markOf,
  metadataGaps,
  openMetadata,
  type ServerIdentity,
} from './stores.ts'
import { weightOf } from './weight.ts'

export interface ServerInit extends Directories {
  readonly env: Env
  readonly transports: readonly Transport[]
  readonly managers: readonly string[]
  /** What this server proves itself with; nobody is asked for a proof without. */
  readonly credentials?: MemberCredentials | undefined
  /** Where the managers can be dialled, as one of them told. */
  readonly remember?: ((managers: readonly string[]) => void) | undefined
  /** Looks for managers elsewhere, when none of those known answers. */
  readonly find?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined
  /** Where to listen, best first. */
  readonly addresses: readonly string[]
  /** For people. */
  readonly name: string
  /** Failure domain. */
  readonly domain: string
  /** Identity of this boot of the machine, for tests; read from the machine unless told. */
  readonly boot?: string
  /** Entries that make a shard of a directory too large, for tests; `splitEntries` of the limits unless told. */
  readonly splitEntries?: number
  /** Share of the partitions relative to other servers; the size of the data disk in GiB unless told. */
  readonly weight?: number
  readonly log: Log
  /** Called when the server cannot go on: a disk failed. The process is to end. */
  readonly onFailure?: (error: Error) => void
  /** Counts calls, where somebody asked for it. */
  readonly tally?: RpcTally | undefined
}

export interface RunningServer {
  readonly id: string
  /** With real ports. */
  readonly addresses: readonly string[]
  /** Resolves when the server has failed and stopped serving; never, when all is well. */
  readonly failed: Promise<Error>
  /** Resolves when this server is no member of the cluster any more: it has nothing left to do. */
  readonly removed: Promise<void>
  metrics(): Promise<readonly Metric[]>
  close(): Promise<void>
}

/**
 * Returns when the server has joined; it serves its partitions as soon as there is a view.
 * @throws ClusterError FOREIGN_DIRECTORY, WRONG_CLUSTER, NEWER_FORMAT, IN_USE, BAD_ADDRESS, DISK, UNREACHABLE.
 */
export async function startServer(init: ServerInit): Promise<RunningServer> {
  const identity = await claimDirectories(init)
  assertOwn(init, identity)
  await tellOfGaps(init)
  const store = await openMetadata(init.metaDirectory, identity)
  const server = new Server(init, identity, store)
  try {
    await server.start()
    return server
  } catch (error) {
    await server.close()
    throw error
  }
}

async function tellOfGaps({ metaDirectory, log }: ServerInit): Promise<void> {
  for (const gap of await metadataGaps(metaDirectory)) {
    const text =
      'the log of the metadata cannot be read in its middle: changes are lost there, and not those that came later; ' +
      "check the cluster with 'rookery fsck'"
    log.warn(gap, text)
  }
}

class Server implements RunningServer {
  readonly failed: Promise<Error>
  readonly removed: Promise<void>
  readonly #init: ServerInit
  readonly #identity: ServerIdentity
  readonly #store: KeyValueStore
  readonly #knownView: KnownView
  readonly #failure = Promise.withResolvers<Error>()
  readonly #removal = Promise.withResolvers<void>()
  readonly #timers: Timer[] = []
  #servings: Serving[] = []
  #membership: Membership | null = null
  #rooms: ServerRooms | null = null
  #closing: Promise<void> | null = null

  constructor(init: ServerInit, identity: ServerIdentity, store: KeyValueStore) {
    this.#init = init
    this.#identity = identity
    this.#store = store
    this.#knownView = new KnownView(init.env, init.log, store)
    this.failed = this.#failure.promise
    this.removed = this.#removal.promise
  }

  get id(): string {
    return this.#membership?.id ?? this.#identity.id
  }

  get addresses(): readonly string[] {
    return this.#servings.map(({ address }) => address)
  }

  async start(): Promise<void> {
    await this.#listen()
    const membership = await this.#join()
    this.#membership = membership
    void membership.removed.then(() => this.#removal.resolve())
    await claimDirectories(this.#init, { id: membership.id, cluster: membership.cluster })
    const rooms = await this.#open(membership)
    this.#rooms = rooms
    const follow = () => {
      if (membership.view === null) return
      this.#knownView.follow(membership.view)
      rooms.follow(membership.view).catch(error => this.#fail(error))
    }
    membership.onView(follow)
    follow()
    this.#watch(rooms)
  }

  async metrics(): Promise<readonly Metric[]> {
    const rooms = this.#rooms
    if (rooms === null) return []
    const [counts, report] = await Promise.all([rooms.counts(), rooms.status.report()])
    const open = this.#servings.reduce((total, { peers }) => total + peers.size, 0)
    const refused = this.#servings.reduce((total, { refusedCount }) => total + refusedCount, 0)
    return serverMetrics(counts, report, { open, refused })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    await this.#rooms?.quiesce()
    await Promise.all(this.#servings.map(serving => serving.close()))
    await this.#membership?.close()
    await this.#knownView.close()
    if (this.#rooms === null) await this.#store.close()
    else await this.#rooms.close()
  }

  async #listen(): Promise<void> {
    const { env, transports, credentials, addresses, tally } = this.#init
    const log = (message: string, error?: unknown) => this.#init.log.warn({ error }, message)
    const hello = () => ({
      version: protocolVersion,
      cluster: this.#membership?.cluster ?? this.#identity.cluster,
      role: 'server' as const,
      id: this.id,
    })
    for (const address of addresses) {
      const transport = transportFor(transports, address)
      const admit = () => this.#assertReady()
      const accept = (peer: Peer) => this.#rooms?.accepted(peer)
      const service = this.#lateService()
      this.#servings.push(
        await serve({
          ...{ env, transport, credentials, address, hello, service, admit, accept, log, tally },
        }),
      )
    }
  }

  /** Listening comes before joining, and the rooms open after: until then nobody is admitted. */
  #lateService(): Service {
    const all = Object.keys(operationNumbers) as OperationName[]
    const names = all.filter(name => !isGreeting(name))
    const late = names.map(name => [
      name,
      (incoming: Incoming<typeof name>) => this.#handlerOf(name)(incoming),
    ])
    return Object.fromEntries(late)
  }

  #handlerOf(name: OperationName): Handler<OperationName> {
    const handler = this.#rooms?.service[name] as Handler<OperationName> | undefined
    if (handler === undefined) throw new ClusterError('UNKNOWN_OPERATION', `${name} at a server`)
    return handler
  }

  #assertReady(): void {
    if (this.#rooms === null) throw new ClusterError('NOT_READY', 'this server is starting')
  }

  async #join(): Promise<Membership> {
    const { env, transports, credentials, managers, name, domain, log, dataDirectory } = this.#init
    const weight = this.#init.weight ?? (await weightOf(dataDirectory))
    const { id, cluster } = this.#identity
    const host = (await hostIdentity()).id
    const store = await markOf(this.#store, env.random)
    const joining = joinCluster({
      env,
      transports,
      managers,
      credentials,
      remember: this.#init.remember,
      find: this.#init.find,
      role: 'server',
      ...(id === '' ? {} : { id }),
      ...(cluster === '' ? {} : { cluster }),
      name,
      addresses: reachable(this.addresses),
      host,
      domain,
      weight,
      store,
      seen: this.#knownView.read(),
      report: () => this.#report(),
      log,
    })
    return await joining.catch(error => {
      throw withDirectories(error, this.#init, cluster)
    })
  }

  async #open(membership: Membership): Promise<ServerRooms> {
    const { env, transports, credentials, log, metaDirectory, dataDirectory, splitEntries, tally } =
      this.#init
    const { id: host } = await hostIdentity()
    const { boot = await bootIdentity(env.random) } = this.#init
    return await openRooms({
      env,
      log,
      isNew: this.#identity.id === '',
      store: this.#store,
      membership,
      dialler: { env, transports, credentials, membership, role: 'server', host, log, tally },
      boot,
      upMs: machineUpMs(),
      ...(splitEntries === undefined ? {} : { splitEntries }),
      metaDirectory,
      dataDirectory,
      onFailure: error => this.#fail(error),
    })
  }

  #watch(rooms: ServerRooms): void {
    const { every } = this.#init.env.timers
    const failed = (error: Error) => this.#fail(error)
    this.#timers.push(
      every(backgroundSyncIntervalMs, () => rooms.syncPoint.syncIfDirty().catch(failed)),
      every(diskCheckIntervalMs, () => rooms.status.checkDisks().catch(failed)),
    )
  }

  /** Before the rooms are open there is nothing to report. */
  async #report(): Promise<MemberReport> {
    return (await this.#rooms?.status.report()) ?? { disks: [], inodes: 0, blocks: 0 }
  }

  #fail(error: Error): void {
    if (this.#closing !== null) return
    this.#init.log.warn({ error }, 'this server cannot go on: it stops serving')
    for (const serving of this.#servings) {
      for (const peer of serving.peers) {
        peer.abort(new ClusterError('DISK', 'the server has failed', { cause: error }))
      }
    }
    this.#failure.resolve(error)
  }
}

/** The key in the directory is another one than it was when the server joined. */
function assertOwn({ credentials, metaDirectory }: ServerInit, { id }: ServerIdentity): void {
  if (credentials === undefined || id === '' || id === serverIdOf(credentials.identity.peerId))
    return
  const text = `the key in ${metaDirectory} is not that of server ${id}: put it back from a copy`
  throw new ClusterError('FOREIGN_DIRECTORY', text)
}

/** The manager knows clusters only: whose the directories are is known here. */
function withDirectories(error: unknown, directories: Directories, cluster: string): unknown {
  if (!(error instanceof ClusterError) || error.code !== 'WRONG_CLUSTER') return error
  const { metaDirectory, dataDirectory } = directories
  const text =
    `${metaDirectory} and ${dataDirectory} belong to cluster ${cluster}, not to the manager's ` +
    `(${error.message.replace(`${error.code}: `, '')}): give other directories, or the manager of ` +
    'their own cluster'
  return new ClusterError('WRONG_CLUSTER', text, { cause: error })
}
