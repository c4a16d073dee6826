/**
 * From what is (the view, who is up) one step towards what should be (the placement of the servers that may hold
 * something). Pure: all that a manager has to remember between two steps is in the state, so another one, or the same
 * after a restart, goes on where this one stopped.
 *
 * 1. Each partition makes at most one step at a time, as partition-step.ts has it.
 * 2. No move begins that would make more than `maxMovesOfServer` of a server, or `maxMoves` of all. What comes back and
 *    catches up counts, and is not held up. What its primary cannot feed does not count: nothing is sent.
 * 3. What has too few replicas in sync comes first.
 * 4. With everybody up and no further change of members it comes to an end.
 */
import { place } from '../../network/placement/placement.ts'
import type { Member, MemberId, PartitionState } from '../../network/wire/view.ts'
import type { Health, Seen } from './health.ts'
import { healthOf } from './health.ts'
import type { Circumstances, Holders } from './partition-step.ts'
import { beginningStep, fed, finishingStep } from './partition-step.ts'
import type { ClusterState, Handover } from './state.ts'
import { withDraining, withPartitions } from './state.ts'
import { Throttle } from './throttle.ts'

type Placement = readonly (readonly MemberId[])[]

export interface PlannerInit {
  /** How long a silent server is waited for before others get copies of what it held. */
  readonly replaceAfterMs: number
}

export class Planner {
  readonly #replaceAfterMs: number
  /** The placement that was computed last, and of what: it changes only with the servers. */
  #last: { readonly key: string; readonly placement: Placement } | undefined

  constructor({ replaceAfterMs }: PlannerInit) {
    this.#replaceAfterMs = replaceAfterMs
  }

  healthOf(state: ClusterState, seen: Seen): Health {
    return healthOf(state, seen, this.#replaceAfterMs)
  }

  /** @returns for each partition its wanted replicas, best first; null when no server may hold anything. */
  wanted(state: ClusterState, health: Health): Placement | null {
    const members = state.members.filter(({ id }) => !health.isReplaced(id))
    if (members.length === 0) return null
    const key = JSON.stringify(members.map(({ id, weight, domain }) => [id, weight, domain]))
    if (this.#last?.key !== key) this.#last = { key, placement: placementOf(state, members) }
    return this.#last.placement
  }

  /** @returns the state itself when there is nothing to do. */
  step(before: ClusterState, seen: Seen): ClusterState {
    const state = drainingFailedDisks(before, seen)
    const { view } = state
    if (view === null) return state
    const health = this.healthOf(state, seen)
    const wanted = this.wanted(state, health)
    const pass = new Pass(state, view.partitions, health)
    // Where nobody may hold anything, what is there stays, but for failures.
    const wantedOf = (partition: number): readonly MemberId[] =>
      wanted?.[partition] ?? view.partitions[partition]!.replicas
    pass.finish(wantedOf)
    pass.begin(wantedOf)
    return pass.result()
  }
}

/** Steps of all partitions at one moment. */
class Pass {
  readonly #state: ClusterState
  readonly #health: Health
  readonly #partitions: PartitionState[]
  readonly #handovers: Map<number, Handover>
  readonly #throttle = new Throttle()
  readonly #stepped = new Set<number>()

  constructor(state: ClusterState, partitions: readonly PartitionState[], health: Health) {
    this.#state = state
    this.#health = health
    this.#partitions = [...partitions]
    this.#handovers = new Map(state.handovers.map(handover => [handover.partition, handover]))
    for (const [partition, holders] of partitions.entries()) {
      const busy = this.#underWay(partition, holders)
      if (busy.size > 0) this.#throttle.take(busy)
    }
  }

  finish(wantedOf: (partition: number) => readonly MemberId[]): void {
    for (const [partition, state] of this.#partitions.entries()) {
      const step = finishingStep(state, wantedOf(partition), this.#circumstances(partition))
      if (step !== null) this.#take(partition, step)
    }
  }

  begin(wantedOf: (partition: number) => readonly MemberId[]): void {
    const order = [...this.#partitions.keys()].filter(partition => !this.#stepped.has(partition))
    order.sort((a, b) => this.#partitions[a]!.inSync.length - this.#partitions[b]!.inSync.length)
    for (const partition of order) {
      const state = this.#partitions[partition]!
      const step = beginningStep(state, wantedOf(partition), this.#circumstances(partition))
      if (step !== null) this.#take(partition, step)
    }
  }

  result(): ClusterState {
    if (this.#stepped.size === 0) return this.#state
    const handovers = [...this.#handovers.values()]
    return withPartitions({ ...this.#state, handovers }, this.#partitions)
  }

  #take(partition: number, step: Holders): void {
    const before = this.#partitions[partition]!
    const after = { ...before, ...step, epoch: before.epoch + 1 }
    this.#partitions[partition] = after
    this.#stepped.add(partition)
    if (after.primary !== before.primary) {
      this.#handovers.set(partition, { partition, epoch: after.epoch })
    } else if (after.replicas.length === 1) {
      // Nobody is left that would have to wait for it, nor does a server tell of what it alone has.
      this.#handovers.delete(partition)
    }
    const busy = this.#underWay(partition, after)
    const begins =
      after.primary !== before.primary || after.replicas.length > before.replicas.length
    if (begins) this.#throttle.take(busy)
  }

  #underWay(partition: number, holders: Holders): ReadonlySet<MemberId> {
    const isHandedOver = this.#handovers.has(partition)
    return underWay(holders, this.#health, { partition, isHandedOver })
  }

  #circumstances(partition: number): Circumstances {
    return {
      health: this.#health,
      replicaCount: this.#state.replicaCount,
      isHandedOver: this.#handovers.has(partition),
      admits: (source, target) => this.#throttle.admits(source, target),
    }
  }
}

/** Servers that have to do with a partition that is on its way: nobody when it is not. */
export function underWay(
  holders: Holders,
  health: Health,
  { partition, isHandedOver }: { readonly partition: number; readonly isHandedOver: boolean },
): ReadonlySet<MemberId> {
  const { primary } = holders
  if (primary === null) return new Set()
  const targets = fed(holders, health).filter(
    target => !health.isHeld({ partition, primary, target }),
  )
  if (targets.length === 0 && !isHandedOver) return new Set()
  return new Set([primary, ...targets])
}

function drainingFailedDisks(state: ClusterState, seen: Seen): ClusterState {
  const failed = state.members.filter(({ id }) => seen.hasFailedDisk(id))
  return failed.reduce((result, { id }) => withDraining(result, id, true), state)
}

function placementOf(state: ClusterState, members: readonly Member[]): Placement {
  const { partitionCount, replicaCount } = state
  return place({ members, partitionCount, replicaCount })
}
