/**
 * A cluster and its clients in a simulated world: the real client and the real rooms of the servers, over
 * the memory transport and stores in memory. The same seed gives the same run.
 */
import { ClusterClient } from '../../client/cluster/cluster.ts'
import type { Cluster, ViewSource } from '../../client/cluster/contract.ts'
import type { FileSystem } from '../../client/fs/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import { createVolume, type VolumeSettings } from '../../client/fs/volumes.ts'
import type { SimulatedEnv } from '../../network/env/simulated.ts'
import { chunkBytes, minBlockBytes, protocolVersion } from '../../network/limits.ts'
import { silentLog } from '../../network/log.ts'
import { connect } from '../../network/rpc/connect.ts'
import type { Handler, Incoming } from '../../network/rpc/contract.ts'
import { serve } from '../../network/rpc/serve.ts'
import { MemoryNetwork } from '../../network/transport/memory.ts'
import type { OperationName } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import type { Key } from '../../server/metadata/contract.ts'
import { faultsIn } from '../../server/testing/checker.ts'
import { TestCluster } from '../../server/testing/cluster.ts'
import type { TestServer } from '../../server/testing/server.ts'

export interface SimulationInit {
  readonly seed: number
  readonly servers?: number
  readonly partitions?: number
  /** Messages take up to so long, those between servers twice as long: transactions are to meet. */
  readonly slowestMs?: number
  /** Chance of each message between clients and servers to break its connection. */
  readonly lossRate?: number
  /** Files longer than so many bytes have their data in blocks; without, none has. */
  readonly inlineBytes?: number
  /** Entries that make a directory too large for one partition. */
  readonly splitEntries?: number
}

/** Of each server: more than a run writes. */
const dataBytes = 64 * chunkBytes

/** What the servers of one cluster have stored. */
export type Contents = ReadonlyMap<MemberId, ReadonlyMap<Key, Uint8Array>>

const volume = 'v'

export class SimulatedCluster {
  readonly servers: TestCluster
  readonly env: SimulatedEnv
  /** A client has asked a server for something, which is held up until what is returned resolves. */
  onCall: (name: string) => void | Promise<void> = () => undefined
  /** What clients have warned of. */
  readonly warnings: string[] = []
  readonly #network: MemoryNetwork
  readonly #ended = new Set<string>()
  #clientCount = 0

  private constructor(init: SimulationInit) {
    const { seed, servers = 4, partitions = 4, slowestMs = 3, lossRate = 0 } = init
    this.servers = new TestCluster({
      seed,
      servers,
      partitions,
      slowestMs: 2 * slowestMs,
      ...(init.inlineBytes === undefined ? {} : { dataBytes }),
      ...(init.splitEntries === undefined ? {} : { splitEntries: init.splitEntries }),
    })
    this.env = this.servers.env
    this.#network = new MemoryNetwork(this.env, {
      leastDelayMs: 0.01,
      mostDelayMs: slowestMs,
      lossRate,
    })
  }

  /** With an empty volume. */
  static async start(init: SimulationInit): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(init)
    for (const id of cluster.ids) await cluster.startServer(id)
    const client = cluster.#client()
    await cluster.passing(createVolume(client, volume, settingsOf(init)))
    await cluster.passing(client.close())
    return cluster
  }

  /** Over what another one has stored; `firstClient` is to be above all that were its clients. */
  static async restart(
    init: SimulationInit & { readonly firstClient: number },
    contents: Contents,
  ): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster({ ...init, servers: contents.size })
    cluster.#clientCount = init.firstClient
    for (const [id, content] of contents) {
      const own = cluster.servers.contents.get(id)
      for (const [key, value] of content) own?.set(key, value)
    }
    for (const id of cluster.ids) await cluster.startServer(id)
    return cluster
  }

  /** What is stored now. Values are never changed, only replaced. */
  contents(): Contents {
    return new Map([...this.servers.contents].map(([id, content]) => [id, new Map(content)]))
  }

  /** What does not fit together in all that is stored, and what the disks failed with. */
  faults(): string[] {
    const { contents, servers, view } = this.servers
    const failures = [...servers.values()].flatMap(server => server.failures)
    return [...failures.map(String), ...faultsIn(contents.values(), view.partitions.length)]
  }

  get ids(): readonly MemberId[] {
    return [...this.servers.contents.keys()]
  }

  async startServer(id: MemberId): Promise<void> {
    await this.servers.startServer(id, server => this.#listen(id, server))
  }

  async #listen(id: MemberId, server: TestServer): Promise<void> {
    // It may have been ended while it started.
    if (this.servers.servers.get(id) !== server) return
    const heard = Object.entries(server.service).map(([name, handler]) => [
      name,
      (incoming: Incoming<OperationName>) => {
        const handle = () => (handler as Handler<OperationName>)(incoming)
        const held = this.onCall(name)
        return held instanceof Promise ? held.then(handle) : handle()
      },
    ])
    await serve({
      env: this.env,
      transport: this.#network.transport(id),
      address: `memory:${id}`,
      hello: { version: protocolVersion, cluster: this.servers.view.cluster, role: 'server', id },
      service: Object.fromEntries(heard),
      log: () => undefined,
    })
  }

  /** Ends the server as a kill does. */
  crash(id: MemberId): void {
    this.servers.crash(id)
    this.#network.crash(id)
  }

  /** Ends the server as a loss of power does. @param lost so many of the last batches, of those that were not synced. */
  losePower(id: MemberId, lost?: number): void {
    this.servers.losePower([id], lost)
    this.#network.crash(id)
  }

  /** One more client's view of the volume; `end` stops it as a kill does. */
  async connect(): Promise<{
    readonly fileSystem: FileSystem
    readonly client: Cluster
    readonly endpoint: string
    end(): void
  }> {
    const endpoint = `client${this.#clientCount}`
    const client = this.#client()
    const fileSystem = await this.passing(openVolume(client, volume))
    return { fileSystem, client, endpoint, end: () => this.end(endpoint) }
  }

  /** The client's process is killed: what it had sent arrives, and nothing of it gets through any more. */
  end(endpoint: string): void {
    this.#ended.add(endpoint)
    this.#network.exit(endpoint)
  }

  /** Nothing of a client gets through until it is let back. */
  keepOut(endpoint: string): void {
    for (const id of this.ids) this.#network.partition(endpoint, id)
  }

  letBack(endpoint: string): void {
    for (const id of this.ids) this.#network.heal(endpoint, id)
  }

  /** Cuts all connections of a client: they may be made again after a millisecond. */
  async cut(endpoint: string): Promise<void> {
    for (const id of this.ids) this.#network.partition(endpoint, id)
    await this.env.timers.sleep(1)
    if (this.#ended.has(endpoint)) return
    for (const id of this.ids) this.#network.heal(endpoint, id)
  }

  /** Lets time pass until the promise is settled. */
  passing<T>(promise: Promise<T>): Promise<T> {
    return this.servers.passing(promise)
  }

  #client(): ClusterClient {
    const { env, servers } = this
    const index = this.#clientCount++
    const transport = this.#network.transport(`client${index}`)
    const id = index.toString(16).padStart(32, 'c')
    const hello = { version: protocolVersion, cluster: servers.view.cluster, role: 'client', id }
    return new ClusterClient({
      env,
      log: { ...silentLog, warn: (...said) => void this.warnings.push(said.at(-1) as string) },
      membership: new ViewOfOne(servers.view),
      dial: (server, service) =>
        connect({
          env,
          transport,
          address: `memory:${server}`,
          hello: { ...hello, role: 'client' },
          service,
          log: () => undefined,
        }),
    })
  }
}

/** A client hears of another view from the servers that refuse it. */
class ViewOfOne implements ViewSource {
  view: View
  readonly connected = true
  readonly #listeners: ((view: View) => void)[] = []

  constructor(view: View) {
    this.view = view
  }

  get partitionCount(): number {
    return this.view.partitions.length
  }

  onView(changed: (view: View) => void): void {
    this.#listeners.push(changed)
  }

  adopt(view: View): void {
    if (view.epoch <= this.view.epoch) return
    this.view = view
    for (const changed of this.#listeners) changed(view)
  }

  async close(): Promise<void> {}
}

function settingsOf({ inlineBytes }: SimulationInit): VolumeSettings {
  return inlineBytes === undefined ? {} : { inlineBytes, blockBytes: minBlockBytes }
}
