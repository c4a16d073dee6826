/**
 * A cluster whose members are processes that are stopped at chosen points, killed (SIGKILL), and started again.
 *
 * 1. Whatever a test does, no process and no file is left of it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { checkCluster } from '../../client/checking/check.ts'
import type { CheckReport } from '../../client/checking/contract.ts'
import type { Cluster } from '../../client/cluster/contract.ts'
import { createVolume } from '../../client/fs/volumes.ts'
import { type Connection, connect } from '../../client/library.ts'
import { connectClient } from '../../client/main.ts'
import { realEnv } from '../../network/env/real.ts'
import { protocolVersion } from '../../network/limits.ts'
import { silentLog as log } from '../../network/log.ts'
import { connect as dial } from '../../network/rpc/connect.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { statusFromWire } from '../../network/wire/wire-view.ts'
import { partitionRange } from '../../server/metadata/keys.ts'
import { openLevelStore } from '../../server/metadata/level.ts'
import { readCopyRecord } from '../../server/replication/copy-record.ts'
import { eventually } from './eventually.ts'
import type { MemberSettings } from './member-process.ts'
import type { StopPoint } from './stopping.ts'

const program = fileURLToPath(new URL('member-process.ts', import.meta.url))
const volume = 'test'
const env = realEnv()

/** `ROOKERY_KILLS=all`: kills by everybody at every step, which takes some ten minutes. */
export const isThorough = process.env.ROOKERY_KILLS === 'all'

export interface KillableOptions {
  readonly servers: number
  readonly partitionCount: number
  readonly replicaCount?: number
  readonly replaceAfterMs?: number
}

/** A process that is to stop somewhere, and the moment in which it has. */
export interface Stopping {
  readonly stopped: Promise<unknown>
}

/** Lines that a process said, and those who wait for one. */
class Lines {
  readonly #waiting = new Map<string, ((line: string) => void)[]>()

  heard(line: string): void {
    const word = line.split(' ')[0]!
    this.#waiting.get(word)?.shift()?.(line)
  }

  next(word: string): Promise<string> {
    const waiting = this.#waiting.get(word) ?? []
    this.#waiting.set(word, waiting)
    return new Promise(resolve => waiting.push(resolve))
  }
}

class MemberProcess {
  readonly settings: MemberSettings
  readonly #log: string[]
  #child: ChildProcess | null = null
  #lines = new Lines()
  id = ''

  constructor(settings: MemberSettings, log: string[]) {
    this.settings = settings
    this.#log = log
  }

  /** @returns when it is up, or has stopped where it is to stop. */
  async start(stopAt?: StopPoint): Promise<Stopping> {
    const settings = { ...this.settings, ...(stopAt === undefined ? {} : { stopAt }) }
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const lines = new Lines()
    this.#child = child
    this.#lines = lines
    createInterface(child.stdout).on('line', line => lines.heard(line))
    createInterface(child.stderr).on('line', line => this.#log.push(line))
    child.stdin.on('error', () => undefined)
    const gone = once(child, 'exit').then(([code]) => `exit ${code}`)
    const never = new Promise<string>(() => undefined)
    const stopped = stopAt === undefined ? never : lines.next('stopped')
    const said = await Promise.race([lines.next('up'), stopped, gone])
    if (said.startsWith('exit')) throw new Error(`${this.settings.name}: ${said}`)
    if (said.startsWith('up ')) this.id = said.slice(3)
    return { stopped }
  }

  /** @returns a promise of the moment in which it has stopped there. */
  async stopAt(point: StopPoint): Promise<Stopping> {
    const armed = this.#lines.next('armed')
    const stopped = this.#lines.next('stopped')
    this.#child!.stdin!.write(`${JSON.stringify(point)}\n`)
    await armed
    return { stopped }
  }

  /** Copies that are being deleted. */
  async dropCount(): Promise<number> {
    const said = this.#lines.next('drops')
    this.#child!.stdin!.write('drops\n')
    return Number((await said).slice('drops '.length))
  }

  /** As `kill -9`, also of one that has stopped. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  goOn(): void {
    this.#child?.kill('SIGCONT')
  }
}

export class KillableCluster implements AsyncDisposable {
  /** What the members logged. */
  readonly lines: string[]
  readonly #directory: string
  readonly #members: ReadonlyMap<string, MemberProcess>
  readonly #options: KillableOptions
  readonly #clients: { close(): Promise<void> }[] = []
  readonly #alive = setInterval(() => {}, 2 ** 30)

  private constructor(directory: string, options: KillableOptions, lines: string[]) {
    this.#directory = directory
    this.#options = options
    this.lines = lines
    const managers = [`unix:${directory}/manager.sock`]
    const { servers, partitionCount, replicaCount = 1, replaceAfterMs } = options
    const members = new Map<string, MemberProcess>()
    const add = (settings: MemberSettings): void =>
      void members.set(settings.name, new MemberProcess(settings, lines))
    add({
      name: 'manager',
      directory: `${directory}/manager`,
      address: managers[0]!,
      manager: {
        ...{ partitionCount, replicaCount, serversWanted: servers },
        ...(replaceAfterMs === undefined ? {} : { replaceAfterMs }),
      },
    })
    for (let index = 1; index <= servers; index++) {
      const name = `server-${index}`
      const address = `unix:${directory}/${name}.sock`
      add({ name, directory: `${directory}/${name}`, address, server: { managers, boot: 'first' } })
    }
    this.#members = members
  }

  static async start(options: KillableOptions): Promise<KillableCluster> {
    const directory = await mkdtemp(`${tmpdir()}/rookery-killable-`)
    const cluster = new KillableCluster(directory, options, [])
    try {
      await Promise.all([...cluster.#members.keys()].map(name => cluster.startMember(name)))
      await createVolume(await cluster.client(), volume)
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  get servers(): readonly string[] {
    return [...this.#members.keys()].filter(name => name !== 'manager')
  }

  idOf(name: string): MemberId {
    return this.#member(name).id
  }

  nameOf(id: MemberId): string {
    return this.servers.find(name => this.idOf(name) === id) ?? id
  }

  startMember(name: string, stopAt?: StopPoint): Promise<Stopping> {
    return this.#member(name).start(stopAt)
  }

  kill(name: string): Promise<void> {
    return this.#member(name).kill()
  }

  goOn(name: string): void {
    this.#member(name).goOn()
  }

  stopAt(name: string, point: StopPoint): Promise<Stopping> {
    return this.#member(name).stopAt(point)
  }

  async client(): Promise<Cluster> {
    const client = await connectClient({ env, log, managers: this.#managers })
    this.#clients.push(client)
    return client
  }

  async connect(): Promise<Connection> {
    const connection = await connect({ managers: this.#managers, volume, log, umask: 0 })
    this.#clients.push(connection)
    return connection
  }

  async status(): Promise<ManagerStatusReply> {
    return await this.#ask(async peer =>
      statusFromWire((await peer.call('managerStatus', {})).body),
    )
  }

  /** Has all moved away from a server, or gives it its share back. */
  async drain(name: string, cancel: boolean): Promise<void> {
    await this.#ask(peer => peer.call('drainMember', { member: this.idOf(name), cancel }))
  }

  async check(): Promise<CheckReport> {
    const scratch = await mkdtemp(`${this.#directory}/check-`)
    const cluster = await connectClient({ env, log, managers: this.#managers })
    try {
      return await checkCluster(cluster, { repair: false, data: true, scratch })
    } finally {
      await cluster.close()
    }
  }

  /** Resolves when no server deletes a copy any more. */
  async dropped(): Promise<void> {
    await eventually('all copies that nobody wants are deleted', async () => {
      const counts = await Promise.all(this.servers.map(name => this.#member(name).dropCount()))
      return counts.every(count => count === 0)
    })
  }

  /** Kills all, and looks at what is on the disks. @returns partitions by server of which there is anything. */
  async copiesOnDisk(): Promise<ReadonlyMap<MemberId, readonly number[]>> {
    for (const name of this.#members.keys()) await this.kill(name)
    const found = new Map<MemberId, readonly number[]>()
    for (const name of this.servers) {
      const store = await openLevelStore(`${this.#directory}/${name}/meta/level`, false)
      const partitions: number[] = []
      for (let partition = 0; partition < this.#options.partitionCount; partition++) {
        let has = readCopyRecord(store, partition) !== null
        for await (const _ of store.range(...partitionRange(partition))) {
          has = true
          break
        }
        if (has) partitions.push(partition)
      }
      await store.close()
      found.set(this.idOf(name), partitions)
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.close().catch(() => undefined)
    for (const name of this.#members.keys()) await this.kill(name)
    clearInterval(this.#alive)
    await rm(this.#directory, { recursive: true, force: true })
  }

  get #managers(): readonly string[] {
    return [this.#member('manager').settings.address]
  }

  async #ask<T>(question: (peer: Awaited<ReturnType<typeof dial>>) => Promise<T>): Promise<T> {
    const hello = { version: protocolVersion, cluster: '', role: 'client' as const, id: '' }
    const [address] = this.#managers
    const transport = new SocketTransport(env)
    const peer = await dial({ env, transport, address: address!, hello, service: {} })
    try {
      return await question(peer)
    } finally {
      await peer.close()
    }
  }

  #member(name: string): MemberProcess {
    const member = this.#members.get(name)
    if (member === undefined) throw new Error(`there is no ${name}`)
    return member
  }
}
