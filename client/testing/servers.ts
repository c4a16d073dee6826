/**
 * A cluster for tests, in this process: servers over the memory transport that share one Store, a view that
 * tests move about, and faults by name of operation.
 *
 * 1. A server answers only for partitions of which the view says it is primary, in their epoch.
 * 2. A repeat of a slot's last mutation gets the kept reply, whichever server it reaches.
 */
import type { Env } from '../../network/env/env.ts'
import { realEnv } from '../../network/env/real.ts'
import { ClusterError } from '../../network/errors.ts'
import { silentLog } from '../../network/log.ts'
import { connect } from '../../network/rpc/connect.ts'
import type { Incoming, Reply, Service } from '../../network/rpc/contract.ts'
import { type Serving, serve } from '../../network/rpc/serve.ts'
import { MemoryNetwork } from '../../network/transport/memory.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { DataFile, OperationName } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import { viewToWire } from '../../network/wire/wire-view.ts'
import { ClusterClient } from '../cluster/cluster.ts'
import { Disks } from './disks.ts'
import { type Asking, acts } from './operations.ts'
import { Store } from './store.ts'

const cluster = 'test'
const version = 1
/** What the clock of every server says as a session is opened. */
export const testUptimeMs = 1e9

export interface Call {
  readonly server: MemberId
  readonly name: OperationName
  readonly body: object
}

/** What goes wrong with the next call of an operation. */
export interface Fault {
  /** Before the effect: thrown to the caller. */
  readonly error?: Error
  /** Before the effect: to do something in between. */
  readonly before?: () => void | Promise<void>
  /** The effect happens, the connection breaks. */
  readonly loseReply?: boolean
  /** The payload arrives with a bit turned over. */
  readonly corrupt?: boolean
  /** Of a block that may be read locally, in place of its payload. */
  readonly places?: readonly number[]
}

/** These go where the block is, not where its inode is. */
const ofBlocks: ReadonlySet<OperationName> = new Set([
  'readBlock',
  'writeBlock',
  'punchBlocks',
  'allocateBlock',
  'copyBlock',
  'seekBlocks',
])

export class TestServers {
  readonly env: Env = realEnv()
  readonly store = new Store()
  readonly calls: Call[] = []
  readonly sessions = new Map<string, readonly { ino: Ino; count: number }[]>()
  readonly grants = new Map<Ino, string>()
  view: View
  /** What the servers say where their blocks lie, in sessions that begin from now on. */
  dataFile: DataFile | undefined
  readonly #disks: Disks
  readonly #boots = new Map<MemberId, number>()
  readonly #network = new MemoryNetwork(this.env)
  readonly #servings = new Map<MemberId, Serving>()
  readonly #kept = new Map<string, { sequence: number; reply: Reply<OperationName> }>()
  readonly #faults = new Map<OperationName, Fault[]>()
  readonly #watchers = new Set<(view: View) => void>()
  #clients = 0

  constructor(servers: number, partitionCount: number) {
    const members = Array.from({ length: servers }, (_, index) => ({
      id: `s${index}`,
      role: 'server' as const,
      name: `s${index}`,
      addresses: [`memory:s${index}`],
      host: 'here',
      domain: 'here',
      weight: 1,
    }))
    const partitions = Array.from({ length: partitionCount }, (_, index) => {
      const id = members[index % servers]!.id
      return { replicas: [id], inSync: [id], primary: id, epoch: 1 }
    })
    this.view = { cluster, epoch: 1, members, partitions, replicaCount: 1 }
    const serverOf = (partition: number) => this.view.partitions[partition]?.primary ?? null
    this.#disks = new Disks(this.store, partitionCount, serverOf)
    for (const { id } of members) this.#disks.sync(id)
  }

  async start(): Promise<this> {
    for (const { id } of this.view.members) await this.startServer(id)
    return this
  }

  async startServer(id: MemberId): Promise<void> {
    const serving = await serve({
      env: this.env,
      transport: this.#network.transport(id),
      address: `memory:${id}`,
      hello: { version, cluster, role: 'server', id },
      service: this.#serviceOf(id),
    })
    this.#servings.set(id, serving)
  }

  async stopServer(id: MemberId): Promise<void> {
    await this.#servings.get(id)?.close()
    this.#servings.delete(id)
  }

  /** Its machine loses power, and with it all that was not synced, and starts again. */
  async losePower(id: MemberId): Promise<void> {
    await this.stopServer(id)
    for (const key of this.sessions.keys()) {
      if (key.startsWith(`${id} `)) this.sessions.delete(key)
    }
    this.#disks.losePower(id)
    this.#boots.set(id, (this.#boots.get(id) ?? 0) + 1)
    await this.startServer(id)
  }

  async stop(): Promise<void> {
    for (const id of [...this.#servings.keys()]) await this.stopServer(id)
  }

  /** The next calls of `name` meet these faults, one each. */
  fail(name: OperationName, ...faults: Fault[]): void {
    this.#faults.set(name, [...(this.#faults.get(name) ?? []), ...faults])
  }

  /** Makes another server primary of a partition; `tell` publishes it to the clients. */
  move(partition: number, primary: MemberId, tell: boolean): void {
    const partitions = this.view.partitions.with(partition, {
      replicas: [primary],
      inSync: [primary],
      primary,
      epoch: this.view.partitions[partition]!.epoch + 1,
    })
    this.view = { ...this.view, epoch: this.view.epoch + 1, partitions }
    if (tell) for (const watcher of this.#watchers) watcher(this.view)
  }

  count(name: OperationName): number {
    return this.calls.filter(call => call.name === name).length
  }

  /** A client of its own, with a view of its own, and time and a machine of its own where they are given. */
  client(env: Env = this.env, boot = ''): ClusterClient {
    const id = `c${this.#clients++}`
    const transport = this.#network.transport(id)
    const hello = { version, cluster, role: 'client' as const, id }
    return new ClusterClient({
      env,
      log: silentLog,
      boot,
      membership: new TestMembership(this.view, this.#watchers),
      dial: (server, service) =>
        connect({ env: this.env, transport, address: `memory:${server}`, hello, service }),
    })
  }

  #bootOf(server: MemberId): string {
    return `boot ${this.#boots.get(server) ?? 0} of ${server}`
  }

  #serviceOf(server: MemberId): Service {
    const service: Record<string, unknown> = {
      session: ({ peer, body }: Incoming<'session'>) => {
        this.calls.push({ server, name: 'session', body })
        this.sessions.set(`${server} ${peer.hello.id}`, body.opens)
        const { dataFile } = this
        const boot = this.#bootOf(server)
        return {
          body: { timeoutMs: 30_000, uptimeMs: testUptimeMs, boot, ...(dataFile && { dataFile }) },
          payload: [],
        }
      },
      view: () => ({ body: { view: viewToWire(this.view) }, payload: [] }),
      release: ({ body }: Incoming<'release'>) => {
        this.calls.push({ server, name: 'release', body })
        return { body: {}, payload: [] }
      },
    }
    for (const name of Object.keys(acts) as OperationName[]) {
      service[name] = (incoming: Incoming<OperationName>) => this.#serve(server, name, incoming)
    }
    return service as Service
  }

  async #serve(
    server: MemberId,
    name: OperationName,
    incoming: Incoming<OperationName>,
  ): Promise<Reply<OperationName>> {
    const body = incoming.body as { ino?: Ino; slot?: number; sequence?: number }
    this.calls.push({ server, name, body })
    const fault = this.#faults.get(name)?.shift() ?? {}
    await fault.before?.()
    if (fault.error !== undefined) throw fault.error
    this.#checkRoute(server, name, incoming)
    const reply = this.#once(server, name, incoming)
    if (name === 'sync') this.#disks.sync(server)
    if (fault.loseReply) incoming.peer.abort(new ClusterError('CLOSED', 'the cable was pulled'))
    if (fault.places !== undefined && 'local' in body) {
      return { body: { ...reply.body, places: fault.places }, payload: [] }
    }
    if (!fault.corrupt) return reply
    const payload = reply.payload.map(piece => Uint8Array.from(piece))
    payload[0]![0]! ^= 1
    return { ...reply, payload }
  }

  #checkRoute(server: MemberId, name: OperationName, incoming: Incoming<OperationName>): void {
    if (name === 'sync' || name === 'statfs') return
    const { partition, epoch } = incoming
    const state = this.view.partitions[partition]
    if (state?.primary !== server)
      throw new ClusterError('NOT_PRIMARY', `${server} of ${partition}`)
    if (state.epoch !== epoch)
      throw new ClusterError('STALE_EPOCH', `${epoch} is not ${state.epoch}`)
    const { ino, parent } = incoming.body as { ino?: Ino; parent?: Ino }
    const named = parent ?? ino
    if (named === undefined || ofBlocks.has(name)) return
    if (partitionOfIno(named) !== partition) throw new ClusterError('INTERNAL', `misrouted ${name}`)
  }

  /** Exactly once: the last reply of each slot is kept. */
  #once(
    server: MemberId,
    name: OperationName,
    { peer, partition, body, payload }: Incoming<OperationName>,
  ): Reply<OperationName> {
    const client = peer.hello.id
    const { slot, sequence } = body as { slot?: number; sequence?: number }
    const asking: Asking = {
      store: this.store,
      boot: this.#bootOf(server),
      client,
      partitionCount: this.view.partitions.length,
      partition,
      grants: this.grants,
    }
    const act = acts[name] as (
      asking: Asking,
      body: object,
      payload: Uint8Array,
    ) => Reply<OperationName>
    if (slot === undefined || sequence === undefined)
      return act(asking, body, Buffer.concat(payload))
    if (!this.sessions.has(`${server} ${client}`)) {
      throw new ClusterError('SESSION_EXPIRED', 'no session')
    }
    const key = `${client} ${slot}`
    const kept = this.#kept.get(key)
    if (kept?.sequence === sequence) return kept.reply
    if (kept !== undefined && kept.sequence > sequence) {
      throw new ClusterError('STALE_SLOT', `${sequence} after ${kept.sequence}`)
    }
    const reply = act(asking, body, Buffer.concat(payload))
    this.#kept.set(key, { sequence, reply })
    return reply
  }
}

class TestMembership {
  view: View
  readonly #watchers: Set<(view: View) => void>
  readonly #told: ((view: View) => void)[] = []

  constructor(view: View, watchers: Set<(view: View) => void>) {
    this.view = view
    this.#watchers = watchers
    watchers.add(this.adopt)
  }

  get partitionCount(): number {
    return this.view.partitions.length
  }

  readonly connected = true

  onView(changed: (view: View) => void): void {
    this.#told.push(changed)
  }

  readonly adopt = (view: View): void => {
    if (view.epoch <= this.view.epoch) return
    this.view = view
    for (const tell of this.#told) tell(view)
  }

  async close(): Promise<void> {
    this.#watchers.delete(this.adopt)
  }
}
