/** A whole cluster in this process: a manager, servers and clients over Unix sockets and temporary directories. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Level } from 'level'
import { checkCluster } from '../../client/checking/check.ts'
import type { CheckOptions, CheckReport } from '../../client/checking/contract.ts'
import type { Cluster } from '../../client/cluster/contract.ts'
import type { FileSystem } from '../../client/fs/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import { createVolume } from '../../client/fs/volumes.ts'
import { type Connection, connect } from '../../client/library.ts'
import { connectClient } from '../../client/main.ts'
import { type RunningManager, startManager } from '../../manager/main.ts'
import { realEnv } from '../../network/env/real.ts'
import { silentLog as log } from '../../network/log.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import { type RunningServer, startServer } from '../../server/main.ts'
import type { Key, KeyValueStore } from '../../server/metadata/contract.ts'
import { openLevelStore } from '../../server/metadata/level.ts'
import { eventually } from './eventually.ts'

export interface DamagedDisks {
  readonly store: KeyValueStore
  readonly blocksFile: string
  /** Keys of records in which a bit is to flip, as it may on the disk. */
  readonly decaying: Set<Key>
}

const env = realEnv()
const transports = [new SocketTransport(env)]
const volume = 'test'
export const firstBoot = 'first boot'

type StartServer = (name: string, boot: string) => Promise<RunningServer>

export class InProcessCluster implements AsyncDisposable {
  readonly #directory: string
  readonly #servers: RunningServer[]
  readonly #start: StartServer
  readonly #startManager: () => Promise<RunningManager>
  #manager: RunningManager
  readonly #connections: Connection[] = []
  readonly #clients: Cluster[] = []
  /** Rookery's own timers do not keep a process alive. */
  readonly #alive = setInterval(() => {}, 2 ** 30)

  private constructor(
    directory: string,
    managing: { readonly start: () => Promise<RunningManager>; readonly manager: RunningManager },
    servers: RunningServer[],
    start: StartServer,
  ) {
    this.#directory = directory
    this.#manager = managing.manager
    this.#startManager = managing.start
    this.#servers = servers
    this.#start = start
  }

  /** @param splitEntries entries that make a shard of a directory too large, unless it is the limit's. */
  static async start(
    serverCount: number,
    splitEntries?: number,
    partitionCount = 64,
    replicaCount = 1,
  ): Promise<InProcessCluster> {
    const directory = await mkdtemp(`${tmpdir()}/rookery-in-process-`)
    const beginManager = () =>
      startManager({
        env,
        log,
        transports,
        addresses: [`unix:${directory}/manager.sock`],
        directory: `${directory}/manager`,
        partitionCount,
        replicaCount,
        serversWanted: serverCount,
      })
    const manager = await beginManager()
    const names = Array.from({ length: serverCount }, (_, index) => `server-${index + 1}`)
    const start: StartServer = (name, boot) =>
      startServer({
        env,
        log,
        transports,
        managers: manager.addresses,
        name,
        boot,
        ...(splitEntries === undefined ? {} : { splitEntries }),
        addresses: [`unix:${directory}/${name}.sock`],
        domain: name,
        metaDirectory: `${directory}/${name}/meta`,
        dataDirectory: `${directory}/${name}/data`,
      })
    const servers = await Promise.all(names.map(name => start(name, firstBoot)))
    const cluster = new InProcessCluster(
      directory,
      { start: beginManager, manager },
      servers,
      start,
    )
    await cluster.#makeVolume()
    return cluster
  }

  /** One more client, closed with the cluster. */
  async connect(name = volume): Promise<Connection> {
    const managers = this.#manager.addresses
    const connection = await connect({ managers, volume: name, log, umask: 0 })
    this.#connections.push(connection)
    return connection
  }

  /** The volume as its surfaces see it, through a client of its own; closed with the cluster. */
  async openFileSystem(boot?: string): Promise<FileSystem> {
    return await openVolume(await this.client(boot), volume, { isSole: true })
  }

  /**
   * What is below a volume: calls that find their server. Closed with the cluster.
   * @param boot of the machine that it takes itself to be on: the servers' own is `firstBoot`.
   */
  async client(boot?: string): Promise<Cluster> {
    const where = boot === undefined ? {} : { boot }
    const client = await connectClient({ env, log, managers: this.#manager.addresses, ...where })
    this.#clients.push(client)
    return client
  }

  /** One more server joins. */
  async addServer(boot = firstBoot): Promise<RunningServer> {
    const server = await this.#start(`server-${this.#servers.length + 1}`, boot)
    this.#servers.push(server)
    return server
  }

  /** Stops the server, which does not come back. @returns its id. */
  async removeServer(index: number): Promise<string> {
    const [server] = this.#servers.splice(index, 1)
    await server!.close()
    return server!.id
  }

  /** Stops all servers and starts them again, as if on machines in that boot. */
  async restart(boot: string): Promise<void> {
    for (const [index, server] of this.#servers.entries()) {
      await server.close()
      this.#servers[index] = await this.#start(`server-${index + 1}`, boot)
    }
  }

  async stopServers(): Promise<void> {
    await Promise.all(this.#servers.map(server => server.close()))
  }

  /** All that were stopped. */
  async startServers(boot = firstBoot): Promise<void> {
    const names = this.#servers.map((_, index) => `server-${index + 1}`)
    const started = await Promise.all(names.map(name => this.#start(name, boot)))
    this.#servers.splice(0, this.#servers.length, ...started)
  }

  /** Copies the manager's directory. @returns a function that has the manager start from this copy again. */
  async copyManager(): Promise<(meanwhile?: () => Promise<void>) => Promise<void>> {
    const [own, copy] = [`${this.#directory}/manager`, `${this.#directory}/manager-copy`]
    await this.#manager.close()
    await cp(own, copy, { recursive: true })
    this.#manager = await this.#startManager()
    return async (meanwhile = async () => undefined) => {
      await this.#manager.close()
      await rm(own, { recursive: true })
      await cp(copy, own, { recursive: true })
      await meanwhile()
      this.#manager = await this.#startManager()
    }
  }

  /** Resolves when no block is left. */
  async purged(): Promise<void> {
    const cluster = await connectClient({ env, log, managers: this.#manager.addresses })
    try {
      await eventually('the blocks are deleted', async () => {
        const servers = cluster.servers()
        const replies = await Promise.all(servers.map(id => cluster.ask('serverStatus', id, {})))
        return replies.every(({ body }) => body.report.blocks === 0)
      })
    } finally {
      await cluster.close()
    }
  }

  /** Checks the whole cluster as `rookery fsck` does. */
  async check(options: Partial<CheckOptions> = {}): Promise<CheckReport> {
    const scratch = await mkdtemp(`${this.#directory}/check-`)
    const cluster = await connectClient({ env, log, managers: this.#manager.addresses })
    try {
      return await checkCluster(cluster, { repair: false, data: false, scratch, ...options })
    } finally {
      await cluster.close()
    }
  }

  /** Stops all servers, lets the disks be damaged, and starts them again. */
  async damage(hand: (disks: readonly DamagedDisks[]) => Promise<void>): Promise<void> {
    for (const server of this.#servers) await server.close()
    const disks: DamagedDisks[] = []
    for (const [index] of this.#servers.entries()) {
      const path = `${this.#directory}/server-${index + 1}`
      const store = await openLevelStore(`${path}/meta/level`, false)
      disks.push({ store, blocksFile: `${path}/data/blocks.dat`, decaying: new Set() })
    }
    try {
      await hand(disks)
    } finally {
      for (const { store } of disks) await store.close()
    }
    for (const [index, { decaying }] of disks.entries()) {
      await flipBits(`${this.#directory}/server-${index + 1}/meta/level`, decaying)
    }
    for (const [index] of this.#servers.entries()) {
      this.#servers[index] = await this.#start(`server-${index + 1}`, firstBoot)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) await connection.close()
    for (const client of this.#clients) await client.close()
    for (const server of this.#servers) await server.close()
    await this.#manager.close()
    clearInterval(this.#alive)
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #makeVolume(): Promise<void> {
    const cluster = await connectClient({ env, log, managers: this.#manager.addresses })
    try {
      await createVolume(cluster, volume)
    } finally {
      await cluster.close()
    }
  }
}

async function flipBits(directory: string, keys: Iterable<Key>): Promise<void> {
  const level = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  })
  for (const text of keys) {
    const key = Buffer.from(text, 'latin1')
    const record = await level.get(key)
    // It may have been removed since it was chosen.
    if (record !== undefined) await level.put(key, record.with(0, record[0]! ^ 4) as Buffer)
  }
  await level.close()
}
