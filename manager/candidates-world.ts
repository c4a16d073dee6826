/** Several managers on one etcd, and members, in one simulated world. */
import { SimulatedEnv } from '../network/env/simulated.ts'
import { silentLog } from '../network/log.ts'
import type { Membership, MembershipInit } from '../network/membership/membership.ts'
import { joinCluster } from '../network/membership/membership.ts'
import { MemoryNetwork } from '../network/transport/memory.ts'
import type { Candidate } from './candidate.ts'
import { startCandidate } from './candidate.ts'
import type { MemoryEtcdWay } from './testing/memory-etcd.ts'
import { MemoryEtcd } from './testing/memory-etcd.ts'

export interface Contender {
  readonly name: string
  readonly candidate: Candidate
  readonly way: MemoryEtcdWay
}

export class CandidatesWorld {
  readonly env: SimulatedEnv
  readonly network: MemoryNetwork
  readonly etcd: MemoryEtcd
  readonly contenders: Contender[] = []
  readonly members = new Map<string, Membership>()
  /** The most that led at one instant. */
  mostLeaders = 0

  constructor(seed: number) {
    this.env = new SimulatedEnv({ seed })
    this.network = new MemoryNetwork(this.env, { leastDelayMs: 1, mostDelayMs: 5 })
    this.etcd = new MemoryEtcd(this.env)
    this.env.timers.every(1, () => {
      const leaders = this.contenders.filter(({ candidate }) => candidate.leads).length
      this.mostLeaders = Math.max(this.mostLeaders, leaders)
    })
  }

  get leader(): Contender | undefined {
    return this.contenders.find(({ candidate }) => candidate.leads)
  }

  get addresses(): readonly string[] {
    return this.contenders.map(({ name }) => `memory:${name}`)
  }

  async start(name: string, way: MemoryEtcdWay = this.etcd.connect()): Promise<Contender> {
    const candidate = await startCandidate({
      env: this.env,
      transports: [this.network.transport(name)],
      addresses: [`memory:${name}`],
      serversWanted: 1,
      log: silentLog,
      etcd: way,
      name: 'c',
      host: name,
      partitionCount: 16,
      replicaCount: 1,
    })
    const contender = { name, candidate, way }
    this.contenders.push(contender)
    return contender
  }

  /** Begins to join; time has to pass before the promise resolves. */
  async joining(name: string, more: Partial<MembershipInit> = {}): Promise<Membership> {
    const member = await joinCluster({
      env: this.env,
      transports: [this.network.transport(name)],
      managers: this.addresses,
      role: 'server',
      name,
      addresses: [`memory:${name}`],
      host: name,
      domain: '',
      weight: 1,
      report: null,
      log: silentLog,
      ...more,
    })
    this.members.set(name, member)
    return member
  }

  join(name: string, more: Partial<MembershipInit> = {}): Promise<Membership> {
    return this.until(this.joining(name, more))
  }

  /** Cuts a manager off from etcd and from the members, as if its machine had stopped; it goes on by itself. */
  isolate({ name, way }: Contender): void {
    way.cut = true
    for (const member of this.members.keys()) this.network.partition(name, member)
  }

  reconnect({ name, way }: Contender): void {
    way.cut = false
    for (const member of this.members.keys()) this.network.heal(name, member)
  }

  /** Lets time pass until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const end = () => {
      settled = true
    }
    promise.then(end, end)
    await this.env.run(() => settled, 120_000)
    return promise
  }
}
