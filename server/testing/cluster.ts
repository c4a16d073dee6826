/**
 * Some servers in one process, over stores that outlive them, on a network that tells of every step: a
 * test may end any server at any of them, and start it again over what it had stored.
 */
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { callDeadlineMs, leaseTermMs } from '../../network/limits.ts'
import { partitionOfDirectory } from '../../network/placement/locate.ts'
import type { CallOptions, Handler, Peer, Reply } from '../../network/rpc/contract.ts'
import { decodeBody, decodeError, encodeBody, encodeError } from '../../network/wire/codec.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Mutation, OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import { MemoryDevice } from '../device/memory.ts'
import type { Key } from '../metadata/contract.ts'
import type { MutationName } from '../partition/metadata-service.ts'
import { isAbsent, isPassing } from '../peers.ts'
import { NameRoutes } from './name-routes.ts'
import { TestServer } from './server.ts'
import { storesOn, storesWithoutBlocks } from './stores.ts'

export interface Step {
  /** The one that would end here. */
  readonly server: MemberId
  readonly what: string
}

export interface TestClusterInit {
  readonly seed?: number
  readonly servers: number
  readonly partitions: number
  /** Messages take up to so long. */
  readonly slowestMs?: number
  /** Entries that make a shard of a directory too large. */
  readonly splitEntries?: number
  /** Capacity of each server's data disk; without, files are as long as they may be beside their inode. */
  readonly dataBytes?: number
}

export class TestCluster {
  readonly env: SimulatedEnv
  readonly splitEntries: number
  view: View
  readonly contents = new Map<MemberId, Map<Key, Uint8Array>>()
  readonly servers = new Map<MemberId, TestServer>()
  readonly logged: unknown[] = []
  /** Of a client that uses the cluster from its beginning. */
  readonly names = new NameRoutes(this)
  onStep: (step: Step) => void = () => undefined
  /** A message that this says is lost never arrives. */
  loses: (name: OperationName, to: MemberId) => boolean = () => false
  readonly #devices = new Map<MemberId, MemoryDevice>()
  readonly #slowestMs: number
  readonly #boots = new Map<MemberId, number>()
  /** What the servers tell the manager. */
  askManager: (from: MemberId, name: OperationName, request: object) => Promise<unknown> = () =>
    Promise.reject(new ClusterError('UNREACHABLE', 'there is no manager here'))
  #sequence = 0

  constructor(init: TestClusterInit) {
    const { seed = 1, servers, partitions, slowestMs = 0, dataBytes = 0 } = init
    this.splitEntries = init.splitEntries ?? Infinity
    this.env = new SimulatedEnv({ seed })
    this.#slowestMs = slowestMs
    const ids = Array.from({ length: servers }, (_, index) => `server${index}`)
    for (const id of ids) this.contents.set(id, new Map())
    for (const id of dataBytes > 0 ? ids : []) {
      this.#devices.set(id, new MemoryDevice({ env: this.env, capacityBytes: dataBytes }))
    }
    const held = Array.from({ length: partitions }, (_, partition) => {
      const id = ids[partition % servers]!
      return { replicas: [id], inSync: [id], primary: id, epoch: 1 }
    })
    const members = ids.map(id => {
      const where = { addresses: [], host: '', domain: '' }
      return { id, role: 'server' as const, name: id, ...where, weight: 1 }
    })
    this.view = { cluster: 'c', epoch: 1, members, partitions: held, replicaCount: 1 }
  }

  async start(): Promise<void> {
    for (const id of this.contents.keys()) await this.startServer(id)
  }

  /** @param listen before it takes up its partitions. */
  async startServer(
    id: MemberId,
    listen: ((server: TestServer) => Promise<void>) | null = null,
  ): Promise<TestServer> {
    const content = this.contents.get(id)!
    const device = this.#devices.get(id)
    const partitionCount = this.view.partitions.length
    const stores =
      device === undefined
        ? storesWithoutBlocks(content, this.env.timers)
        : await storesOn(this.env, content, device, partitionCount)
    const server = new TestServer(this, id, stores)
    this.servers.set(id, server)
    if (listen !== null) await listen(server)
    await this.env.during(server.partitions.follow(this.view), 2 * leaseTermMs)
    return server
  }

  /** Ends the server as a kill does. */
  crash(id: MemberId): void {
    this.servers.get(id)?.die()
    this.servers.delete(id)
  }

  /**
   * Ends the servers as a loss of power does: of what was not synced the last `lost` batches are lost, all
   * unless given.
   */
  losePower(ids: Iterable<MemberId>, lost?: number): void {
    for (const id of ids) {
      this.#boots.set(id, (this.#boots.get(id) ?? 0) + 1)
      this.servers.get(id)?.store.losePower(lost)
      this.crash(id)
    }
  }

  bootOf(id: MemberId): string {
    return `boot ${this.#boots.get(id) ?? 0}`
  }

  /** How long its machine has been up when the server is started. */
  upMsOf(id: MemberId): number {
    return this.#boots.has(id) ? 0 : Number.POSITIVE_INFINITY
  }

  step(server: MemberId, what: string): void {
    if (this.servers.has(server)) this.onStep({ server, what })
  }

  serverOf(partition: number): TestServer {
    const server = this.servers.get(this.view.partitions[partition]!.primary!)
    if (server === undefined) throw new ClusterError('UNREACHABLE', `partition ${partition}`)
    return server
  }

  async dial(from: TestServer, to: MemberId): Promise<Peer> {
    const server = this.servers.get(to)
    if (server === undefined) throw new ClusterError('UNREACHABLE', `${to} is down`)
    const call = <N extends OperationName>(
      name: N,
      request: RequestOf<N>,
      options: CallOptions = {},
    ) => this.#carry(from, to, name, request, options)
    return { ...unusedPeer, call, closed: server.ended }
  }

  /** As a client does it: again with the same slot and sequence until there is an answer. */
  async mutate<N extends MutationName>(
    name: N,
    partition: number,
    request: Omit<RequestOf<N>, keyof Mutation>,
    payload: readonly Uint8Array[] = [],
    as = client,
  ): Promise<Reply<N>> {
    const sequence = ++this.#sequence
    const whole = { ...request, slot: sequence % 256, sequence } as unknown as RequestOf<N>
    return await this.ask(name, partition, whole, payload, as)
  }

  async ask<N extends OperationName>(
    name: N,
    partition: number,
    body: RequestOf<N>,
    payload: readonly Uint8Array[] = [],
    as = client,
  ): Promise<Reply<N>> {
    for (;;) {
      try {
        const server = this.serverOf(partition)
        if (!server.sessions.has(as)) server.sessions.renew(as, [])
        const handler = server.service[name] as Handler<N>
        const peer = { ...unusedPeer, hello: { ...unusedPeer.hello, id: as } }
        const { epoch } = this.view.partitions[partition]!
        const reply = (async () => handler({ peer, partition, epoch, body, payload }))()
        return await server.during(reply)
      } catch (error) {
        if (!isPassing(error) || isAbsent(error)) throw error
        await this.env.timers.sleep(10)
      }
    }
  }

  /** Lets time pass until the promise is settled. */
  async passing<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const done = () => {
      settled = true
    }
    promise.then(done, done)
    const inTime = await this.env.run(() => settled, limitMs)
    if (!inTime) throw new Error('no end in sight')
    return await promise
  }

  async #carry<N extends OperationName>(
    from: TestServer,
    to: MemberId,
    name: N,
    request: RequestOf<N>,
    { partition = 0, epoch = 0, deadlineMs = callDeadlineMs, payload = [] }: CallOptions,
  ): Promise<Reply<N>> {
    if (!from.alive) return await new Promise(() => undefined)
    this.step(from.id, `sends ${name}`)
    await this.#travel()
    if (this.loses(name, to)) {
      await this.env.timers.sleep(deadlineMs)
      throw new ClusterError('TIMEOUT', `${name} was lost`)
    }
    this.step(to, `receives ${name}`)
    const server = this.servers.get(to)
    if (server === undefined) throw new ClusterError('UNREACHABLE', `${to} is down`)
    const body = decodeBody(encodeBody(request)) as RequestOf<N>
    const handler = server.service[name] as Handler<N>
    const peer = {
      ...unusedPeer,
      hello: { ...unusedPeer.hello, role: 'server' as const, id: from.id },
    }
    const handled = (async () => handler({ peer, partition, epoch, body, payload }))()
    const reply = await server.during(handled).catch(error => {
      throw error instanceof PosixError || error instanceof ClusterError
        ? decodeError(encodeError(error))
        : error
    })
    this.step(to, `answered ${name}`)
    await this.#travel()
    if (!from.alive) return await new Promise(() => undefined)
    return { body: decodeBody(encodeBody(reply.body)) as Reply<N>['body'], payload: reply.payload }
  }

  async #travel(): Promise<void> {
    if (this.#slowestMs === 0) return
    await this.env.timers.sleep(this.env.random.integer(this.#slowestMs + 1))
  }

  /** A name for a new subdirectory that puts it into this partition. */
  nameIn(parent: Ino, partition: number, prefix = 'd'): Uint8Array {
    for (let index = 0; ; index++) {
      const name = Buffer.from(`${prefix}${index}`)
      if (partitionOfDirectory(parent, name, this.view.partitions.length) === partition) return name
    }
  }
}

/** Longer than anything a client does takes. */
const limitMs = 300_000

export const client = 'c1'.repeat(16)

const unusedPeer: Peer = {
  remote: 'test',
  hello: { version: 1, cluster: 'c', role: 'client', id: '' },
  proven: null,
  peerId: null,
  closed: new Promise(() => undefined),
  call: () => Promise.reject(new Error('not called')),
  handsOver: false,
  handed: () => null,
  notify: () => undefined,
  close: async () => undefined,
  abort: () => undefined,
}
