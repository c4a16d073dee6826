/**
 * Servers that come, fall silent, return and go, in a seeded world without a network, for the tests of the planner. What
 * primaries report (a replica is in sync, a partition was taken up) comes when the test says so, in any order.
 */
import assert from 'node:assert/strict'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { failureTimeoutMs } from '../../network/limits.ts'
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { Health, Seen } from './health.ts'
import { withInSync, withServed } from './holders.ts'
import { fed } from './partition-step.ts'
import { Planner } from './planner.ts'
import type { ClusterState } from './state.ts'
import { createState, memberOf, withFirstView, withServer } from './state.ts'

export const replaceAfterMs = 60_000

export interface WorldOptions {
  readonly seed: number
  readonly servers: number
  readonly domains: number
  readonly partitionCount: number
  readonly replicaCount: number
}

export class PlannerWorld {
  state: ClusterState
  readonly failedDisks = new Set<MemberId>()
  /** Partitions that cannot be copied by whoever serves them. */
  readonly damaged = new Set<number>()
  /** Called with each step before and after. */
  onStep: (before: ClusterState, after: ClusterState, health: Health) => void = () => {}
  readonly #random
  readonly #domains: number
  readonly #silentSince = new Map<MemberId, number | null>()
  #planner = new Planner({ replaceAfterMs })
  #nowMs = 0
  #joined = 0

  constructor({ seed, servers, domains, partitionCount, replicaCount }: WorldOptions) {
    this.#random = new SimulatedEnv({ seed }).random
    this.#domains = domains
    this.state = createState({ cluster: 'c', partitionCount, replicaCount })
    for (let index = 0; index < servers; index++) this.join()
    this.state = withFirstView(this.state, servers, () => true)
  }

  get partitions(): readonly PartitionState[] {
    return this.state.view!.partitions
  }

  get health(): Health {
    return this.#planner.healthOf(this.state, this.seen)
  }

  get wanted(): readonly (readonly MemberId[])[] | null {
    return this.#planner.wanted(this.state, this.health)
  }

  readonly seen: Seen = {
    isUp: id => this.#silentSince.get(id) === null,
    silentMs: id => {
      const since = this.#silentSince.get(id)
      return since == null ? 0 : this.#nowMs - since
    },
    hasFailedDisk: id => this.failedDisks.has(id),
    isHeld: ({ partition }) => this.damaged.has(partition),
  }

  /** A number that chance gives. */
  draw(below: number): number {
    return this.#random.integer(below)
  }

  join(weight = 1): MemberId {
    const number = this.#joined++
    const id = `server-${number}`
    const domain = `rack-${number % this.#domains}`
    const places = { addresses: [`memory:${id}`], host: id }
    this.state = withServer(this.state, {
      ...{ id, role: 'server', name: id, domain, weight },
      ...places,
    })
    this.#silentSince.set(id, null)
    return id
  }

  silence(id: MemberId): void {
    if (this.#silentSince.get(id) === null) this.#silentSince.set(id, this.#nowMs)
  }

  revive(id: MemberId): void {
    if (memberOf(this.state, id) !== undefined) this.#silentSince.set(id, null)
  }

  pass(ms: number): void {
    this.#nowMs += ms
  }

  /** Another manager leads: it has heard of nobody yet, but those who are up come back at once. */
  restartManager(): void {
    this.#planner = new Planner({ replaceAfterMs })
    for (const [id, since] of this.#silentSince) {
      if (since !== null) this.#silentSince.set(id, this.#nowMs)
    }
  }

  step(): boolean {
    const before = this.state
    const { health } = this
    this.state = this.#planner.step(before, this.seen)
    if (this.state !== before) this.onStep(before, this.state, health)
    return this.state !== before
  }

  /** One of the things that primaries that are up could report now. @returns whether there was any. */
  report(): boolean {
    const { health } = this
    const reports = this.partitions.flatMap((holders, partition) => {
      const { primary, epoch } = holders
      if (primary === null || !health.isUp(primary)) return []
      const served = this.state.handovers.some(handover => handover.partition === partition)
        ? [() => withServed(this.state, primary, { partition, epoch })]
        : []
      const targets = this.damaged.has(partition) ? [] : fed(holders, health)
      const copied = targets.map(
        member => () => withInSync(this.state, primary, { partition, epoch, member }),
      )
      return [...served, ...copied]
    })
    if (reports.length === 0) return false
    this.state = reports[this.draw(reports.length)]!()
    return true
  }

  /** Steps and reports until nothing is left to do. @returns how many steps it took. */
  settle(): number {
    for (let steps = 0; steps < 100_000; steps++) {
      const stepped = this.step()
      const reported = this.report()
      if (!stepped && !reported) return steps
      this.pass(10)
    }
    return assert.fail('it does not come to an end')
  }

  reviveAll(): void {
    for (const { id } of this.state.members) this.revive(id)
    this.failedDisks.clear()
  }

  /** Until a failure that began before is seen as one. */
  passFailureTimeout(): void {
    this.pass(failureTimeoutMs)
  }
}
