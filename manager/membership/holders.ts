/** What servers report of partitions, and what an administrator does to them, as changes of the state. Pure. */
import { ClusterError } from '../../network/errors.ts'
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { Health } from './health.ts'
import type { Holders } from './partition-step.ts'
import type { ClusterState } from './state.ts'
import { withPartitions } from './state.ts'

export interface ReplicaReport {
  readonly partition: number
  /** Of the partition, as the one who reports knows it. */
  readonly epoch: number
  /** Whom it is about. */
  readonly member: MemberId
}

/**
 * The primary says that a replica has everything, and that nothing is acknowledged without it any more.
 * @throws ClusterError STALE_EPOCH when it is not the primary, or the partition's holders have changed.
 */
export function withInSync(
  state: ClusterState,
  reporter: MemberId,
  { partition, epoch, member }: ReplicaReport,
): ClusterState {
  const holders = asPrimaryKnows(state, reporter, { partition, epoch })
  const { replicas, inSync } = holders
  if (!replicas.includes(member)) throw stale(partition, `${member} holds no replica of it`)
  if (inSync.includes(member)) return state
  return withHolders(state, partition, { ...holders, inSync: [...inSync, member] })
}

/**
 * The primary says that a replica does not answer: it has to catch up again.
 * @throws ClusterError STALE_EPOCH as above.
 */
export function withoutSync(
  state: ClusterState,
  reporter: MemberId,
  { partition, epoch, member }: ReplicaReport,
): ClusterState {
  const holders = asPrimaryKnows(state, reporter, { partition, epoch })
  const inSync = holders.inSync.filter(id => id !== member)
  if (member === reporter || inSync.length === holders.inSync.length) return state
  return withHolders(state, partition, { ...holders, inSync })
}

/**
 * The primary has taken the partition up.
 * @throws ClusterError STALE_EPOCH when another one is primary since.
 */
export function withServed(
  state: ClusterState,
  reporter: MemberId,
  { partition, epoch }: Pick<ReplicaReport, 'partition' | 'epoch'>,
): ClusterState {
  if (partitionOf(state, partition).primary !== reporter) {
    throw stale(partition, 'it has another primary')
  }
  const handover = state.handovers.find(candidate => candidate.partition === partition)
  if (handover === undefined) return state
  if (epoch < handover.epoch) throw stale(partition, 'its primary has changed')
  return { ...state, handovers: state.handovers.filter(candidate => candidate !== handover) }
}

/** Partitions of which this server has a copy, or is being given one. */
export function partitionsHeld(state: ClusterState, id: MemberId): number {
  const partitions = state.view?.partitions ?? []
  return partitions.filter(({ replicas }) => replicas.includes(id)).length
}

/** Partitions of which no other server that is up has everything. */
export function partitionsOnlyOn(state: ClusterState, id: MemberId, health: Health): number {
  const partitions = state.view?.partitions ?? []
  return partitions.filter(
    ({ inSync }) =>
      inSync.includes(id) && !inSync.some(other => other !== id && health.isUp(other)),
  ).length
}

/** Takes all copies of a server out of the view; those in `partitionsOnlyOn` there must be none of. */
export function withoutCopies(state: ClusterState, id: MemberId, health: Health): ClusterState {
  let result = state
  for (const [partition, holders] of (state.view?.partitions ?? []).entries()) {
    if (!holders.replicas.includes(id)) continue
    const inSync = holders.inSync.filter(other => other !== id)
    const replicas = holders.replicas.filter(other => other !== id)
    const up = inSync.find(other => health.isUp(other)) ?? null
    const primary = holders.primary === id ? up : holders.primary
    result = withHolders(result, partition, { replicas, inSync, primary })
  }
  return result
}

function withHolders(state: ClusterState, partition: number, holders: Holders): ClusterState {
  const before = partitionOf(state, partition)
  const { replicas, inSync, primary } = holders
  const after: PartitionState = { replicas, inSync, primary, epoch: before.epoch + 1 }
  const partitions = state.view!.partitions.with(partition, after)
  const others = state.handovers.filter(handover => handover.partition !== partition)
  // Nobody is left that would have to wait for the primary to have taken it up.
  if (after.primary === before.primary) {
    const handovers = replicas.length === 1 ? others : state.handovers
    return withPartitions({ ...state, handovers }, partitions)
  }
  const handovers = [...others, { partition, epoch: after.epoch }]
  return withPartitions({ ...state, handovers }, partitions)
}

function asPrimaryKnows(
  state: ClusterState,
  reporter: MemberId,
  { partition, epoch }: Pick<ReplicaReport, 'partition' | 'epoch'>,
): PartitionState {
  const holders = partitionOf(state, partition)
  if (holders.primary !== reporter) throw stale(partition, 'it has another primary')
  if (holders.epoch !== epoch) throw stale(partition, `it has epoch ${holders.epoch}, not ${epoch}`)
  return holders
}

function partitionOf(state: ClusterState, partition: number): PartitionState {
  const holders = state.view?.partitions[partition]
  if (holders === undefined)
    throw new ClusterError('MALFORMED', `there is no partition ${partition}`)
  return holders
}

function stale(partition: number, reason: string): ClusterError {
  return new ClusterError('STALE_EPOCH', `partition ${partition}: ${reason}`)
}
