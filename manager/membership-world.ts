/** A manager and its members in one simulated world, for the tests of membership. */
import { MemoryLevel } from 'memory-level'
import { SimulatedEnv } from '../network/env/simulated.ts'
import type { Log } from '../network/log.ts'
import type { Membership, MembershipInit } from '../network/membership/membership.ts'
import { joinCluster } from '../network/membership/membership.ts'
import { MemoryNetwork } from '../network/transport/memory.ts'
import type { OpenDirectory } from './directory.ts'
import type { RunningManager } from './main.ts'
import { runManager } from './main.ts'
import { createState } from './membership/state.ts'
import { openMemoryStore } from './store/level.ts'

export const managerAddress = 'memory:manager'

export interface WorldOptions {
  readonly seed: number
  readonly serversWanted: number
  readonly replicaCount?: number
}

export class MembershipWorld {
  readonly env: SimulatedEnv
  readonly network: MemoryNetwork
  /** Every line that anybody logged. */
  readonly lines: string[] = []
  readonly #disk = new MemoryLevel<string, string>()
  readonly #serversWanted: number
  readonly #replicaCount: number

  constructor({ seed, serversWanted, replicaCount = 1 }: WorldOptions) {
    this.env = new SimulatedEnv({ seed })
    this.network = new MemoryNetwork(this.env, { leastDelayMs: 1, mostDelayMs: 5 })
    this.#serversWanted = serversWanted
    this.#replicaCount = replicaCount
  }

  get log(): Log {
    const add = (_: object, message: string) => {
      this.lines.push(message)
    }
    return { info: add, warn: add }
  }

  /** What the manager has on its disk: to be put back later. */
  async copyOfDisk(): Promise<readonly (readonly [string, string])[]> {
    return await this.#disk.iterator().all()
  }

  /** While no manager runs. */
  async putBack(copy: readonly (readonly [string, string])[]): Promise<void> {
    await this.#disk.open()
    for (const [key, value] of copy) await this.#disk.put(key, value)
    await this.#disk.close()
  }

  async startManager(): Promise<RunningManager> {
    const store = await openMemoryStore(this.#disk)
    const state =
      (await store.load()) ??
      createState({
        cluster: this.env.random.id(),
        partitionCount: 16,
        replicaCount: this.#replicaCount,
      })
    await store.save(state)
    const opened: OpenDirectory = { id: 'manager', store, state }
    return runManager(
      {
        env: this.env,
        transports: [this.network.transport('manager')],
        addresses: [managerAddress],
        serversWanted: this.#serversWanted,
        log: this.log,
      },
      opened,
    )
  }

  /** Begins to join; time has to pass before the promise resolves. */
  joining(name: string, more: Partial<MembershipInit> = {}): Promise<Membership> {
    return joinCluster({
      env: this.env,
      transports: [this.network.transport(name)],
      managers: [managerAddress],
      role: 'server',
      name,
      addresses: [`memory:${name}`],
      host: name,
      domain: '',
      weight: 1,
      report: null,
      log: this.log,
      ...more,
    })
  }

  /** Lets time pass until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const end = () => {
      settled = true
    }
    promise.then(end, end)
    await this.env.run(() => settled)
    return promise
  }

  join(name: string, more: Partial<MembershipInit> = {}): Promise<Membership> {
    return this.until(this.joining(name, more))
  }

  joinClient(name: string, more: Partial<MembershipInit> = {}): Promise<Membership> {
    return this.join(name, { role: 'client', addresses: [], ...more })
  }
}
