/**
 * The memory transport: endpoints within one process, with seeded delay, lost connections and partitions,
 * for the simulator and for tests.
 *
 * 1. Like a stream, a connection delivers frames in order or breaks; it never loses one in the middle.
 * 2. What was cut off by a partition stays silent; when it heals, connections that lost something break.
 * 3. All chance and all time come from the environment.
 */
import assert from 'node:assert/strict'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { dialDeadlineMs } from '../limits.ts'
import type { Connection, Listener, Transport } from './contract.ts'
import { MemoryConnection, type MemoryLink } from './memory-connection.ts'

export interface MemoryNetworkOptions {
  /** Each frame takes between these, but none overtakes another of its connection. */
  readonly leastDelayMs?: number
  readonly mostDelayMs?: number
  /** Chance of each frame to break its connection, 0 to 1. */
  readonly lossRate?: number
}

interface Listening {
  readonly endpoint: string
  readonly accept: (connection: Connection) => void
}

const lossScale = 2 ** 32

export class MemoryNetwork {
  readonly #env: Env
  readonly #options: Required<MemoryNetworkOptions>
  readonly #listening = new Map<string, Listening>()
  readonly #connections = new Set<MemoryConnection>()
  readonly #partitions = new Set<string>()
  readonly #exited = new Set<string>()
  #dialled = 0

  constructor(env: Env, options: MemoryNetworkOptions = {}) {
    const { leastDelayMs = 0, mostDelayMs = leastDelayMs, lossRate = 0 } = options
    assert(leastDelayMs >= 0 && mostDelayMs >= leastDelayMs, 'a range of delays')
    assert(lossRate >= 0 && lossRate <= 1, 'a chance')
    this.#env = env
    this.#options = { leastDelayMs, mostDelayMs, lossRate }
  }

  /** The transport as the machine `endpoint` has it. */
  transport(endpoint: string): Transport {
    return {
      schemes: ['memory'],
      listen: (address, accept) => this.#listen(endpoint, address, accept),
      dial: (address, signal) => this.#dial(endpoint, address, signal),
    }
  }

  /** From now on nothing passes between the two. */
  partition(a: string, b: string): void {
    this.#partitions.add(pairOf(a, b))
  }

  heal(a: string, b: string): void {
    if (!this.#partitions.delete(pairOf(a, b))) return
    for (const connection of [...this.#connections]) {
      if (connection.silenced && connection.links(a, b)) connection.break('was partitioned')
    }
  }

  /** The endpoint is dead: its listeners are gone and its connections broken. */
  crash(endpoint: string): void {
    for (const [address, listening] of this.#listening) {
      if (listening.endpoint === endpoint) this.#listening.delete(address)
    }
    for (const connection of [...this.#connections]) {
      if (connection.local === endpoint) connection.crash()
    }
  }

  /** As `crash`, of a process that does not come back: what runs on in it reaches nobody. */
  exit(endpoint: string): void {
    this.#exited.add(endpoint)
    this.crash(endpoint)
  }

  async #listen(
    endpoint: string,
    address: string,
    accept: (connection: Connection) => void,
  ): Promise<Listener> {
    if (!address.startsWith('memory:')) {
      throw new ClusterError('UNREACHABLE', `'${address}' is no address: memory:name`)
    }
    if (this.#listening.has(address)) throw new ClusterError('IN_USE', `${address} is taken`)
    const listening = { endpoint, accept }
    this.#listening.set(address, listening)
    return {
      address,
      close: async () => {
        if (this.#listening.get(address) === listening) this.#listening.delete(address)
      },
    }
  }

  async #dial(endpoint: string, address: string, signal?: AbortSignal): Promise<Connection> {
    if (signal?.aborted) throw cancelled(address, signal)
    await this.#pass(this.#delayMs(), address, signal)
    if (this.#exited.has(endpoint)) throw new ClusterError('UNREACHABLE', `${endpoint} has ended`)
    const listening = this.#listening.get(address)
    if (listening !== undefined && this.#partitioned(endpoint, listening.endpoint)) {
      await this.#pass(dialDeadlineMs, address, signal)
      throw new ClusterError('TIMEOUT', `${address} did not answer within ${dialDeadlineMs} ms`)
    }
    if (listening === undefined) {
      throw new ClusterError('UNREACHABLE', `nobody answers at ${address}`)
    }
    this.#dialled++
    const near = this.#make(endpoint, listening.endpoint, address)
    const far = this.#make(listening.endpoint, endpoint, `memory:${endpoint}#${this.#dialled}`)
    near.join(far)
    listening.accept(far)
    return near
  }

  async #pass(delayMs: number, address: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#env.timers.sleep(delayMs, signal)
    } catch {
      throw cancelled(address, signal)
    }
  }

  #make(local: string, other: string, remote: string): MemoryConnection {
    const link: MemoryLink = {
      env: this.#env,
      local,
      other,
      remote,
      delayMs: () => this.#delayMs(),
      severed: () => this.#partitioned(local, other),
      lost: () => this.#lost(),
      gone: () => this.#connections.delete(connection),
    }
    const connection = new MemoryConnection(link)
    this.#connections.add(connection)
    return connection
  }

  #partitioned(a: string, b: string): boolean {
    return this.#partitions.has(pairOf(a, b))
  }

  #delayMs(): number {
    const { leastDelayMs, mostDelayMs } = this.#options
    const rangeUs = Math.round((mostDelayMs - leastDelayMs) * 1000)
    return rangeUs === 0
      ? leastDelayMs
      : leastDelayMs + this.#env.random.integer(rangeUs + 1) / 1000
  }

  #lost(): boolean {
    const { lossRate } = this.#options
    return lossRate > 0 && this.#env.random.integer(lossScale) < lossRate * lossScale
  }
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a}\0${b}` : `${b}\0${a}`
}

function cancelled(address: string, signal?: AbortSignal): ClusterError {
  return new ClusterError('CANCELLED', `dialling ${address}`, { cause: signal?.reason })
}
