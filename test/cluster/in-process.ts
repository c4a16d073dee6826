/** A whole cluster in this process: a manager, servers and clients over Unix sockets and temporary directories. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createVolume } from '../../client/fs/volumes.ts'
import { type Connection, connect } from '../../client/library.ts'
import { connectClient } from '../../client/main.ts'
import { type RunningManager, startManager } from '../../manager/main.ts'
import { realEnv } from '../../network/env/real.ts'
import { silentLog as log } from '../../network/log.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import { type RunningServer, startServer } from '../../server/main.ts'

const env = realEnv()
const transports = [new SocketTransport(env)]
const volume = 'test'

type StartServer = (name: string, boot: string) => Promise<RunningServer>

export class InProcessCluster implements AsyncDisposable {
  readonly #directory: string
  readonly #servers: RunningServer[]
  readonly #start: StartServer
  readonly #manager: RunningManager
  readonly #connections: Connection[] = []
  /** Rookery's own timers do not keep a process alive. */
  readonly #alive = setInterval(() => {}, 2 ** 30)

  private constructor(
    directory: string,
    manager: RunningManager,
    servers: RunningServer[],
    start: StartServer,
  ) {
    this.#directory = directory
    this.#manager = manager
    this.#servers = servers
    this.#start = start
  }

  static async start(serverCount: number): Promise<InProcessCluster> {
    const directory = await mkdtemp(`${tmpdir()}/rookery-in-process-`)
    const manager = await startManager({
      env,
      log,
      transports,
      addresses: [`unix:${directory}/manager.sock`],
      directory: `${directory}/manager`,
      partitionCount: 64,
      replicaCount: 1,
      serversWanted: serverCount,
    })
    const names = Array.from({ length: serverCount }, (_, index) => `server-${index + 1}`)
    const start: StartServer = (name, boot) =>
      startServer({
        env,
        log,
        transports,
        managers: manager.addresses,
        name,
        boot,
        addresses: [`unix:${directory}/${name}.sock`],
        domain: name,
        metaDirectory: `${directory}/${name}/meta`,
        dataDirectory: `${directory}/${name}/data`,
      })
    const servers = await Promise.all(names.map(name => start(name, 'first boot')))
    const cluster = new InProcessCluster(directory, manager, servers, start)
    await cluster.#makeVolume()
    return cluster
  }

  /** One more client, closed with the cluster. */
  async connect(): Promise<Connection> {
    const managers = this.#manager.addresses
    const connection = await connect({ managers, volume, log, umask: 0 })
    this.#connections.push(connection)
    return connection
  }

  /** Stops all servers and starts them again, as if on machines in that boot. */
  async restart(boot: string): Promise<void> {
    for (const [index, server] of this.#servers.entries()) {
      await server.close()
      this.#servers[index] = await this.#start(`server-${index + 1}`, boot)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) await connection.close()
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
