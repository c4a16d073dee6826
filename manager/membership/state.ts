/**
 * What the manager keeps on disk, and how joins change it: pure functions from one state to the next.
 *
 * 1. The first view is published when `serversWanted` servers are up at the same time, and places every
 *    partition on those. Later joins never move a partition: a server that comes after the first view is
 *    a member that holds nothing.
 * 2. The view's epoch rises with every change of the view, a partition's only when its holders change.
 * 3. A primary that is its partition's only replica stays primary while it is down: nobody else has the
 *    data, so its partitions wait for it. Promoting another replica needs replication.
 * 4. A function that has nothing to change returns the state it was given, itself.
 */
import { place } from '../../network/placement/placement.ts'
import type { Member, MemberId, PartitionState, View } from '../../network/wire/view.ts'

export interface ClusterState {
  /** 32 hexadecimal digits, drawn once. */
  readonly cluster: string
  readonly partitionCount: number
  readonly replicaCount: number
  /** Servers, in the order they joined. Clients are not kept. */
  readonly members: readonly Member[]
  /** null until enough servers have joined. */
  readonly view: View | null
}

export type NewCluster = Pick<ClusterState, 'cluster' | 'partitionCount' | 'replicaCount'>

export function createState({ cluster, partitionCount, replicaCount }: NewCluster): ClusterState {
  return { cluster, partitionCount, replicaCount, members: [], view: null }
}

/** Adds a server, or takes in what has changed about a known one: addresses above all. */
export function withServer(state: ClusterState, server: Member): ClusterState {
  const known = memberOf(state, server.id)
  if (known !== undefined && sameMember(known, server)) return state
  const members =
    known === undefined
      ? [...state.members, server]
      : state.members.map(member => (member === known ? server : member))
  const { view } = state
  if (view === null) return { ...state, members }
  return { ...state, members, view: { ...view, epoch: view.epoch + 1, members } }
}

/** Publishes the first view when there is none and enough of the servers are up. */
export function withFirstView(
  state: ClusterState,
  serversWanted: number,
  isUp: (id: MemberId) => boolean,
): ClusterState {
  if (state.view !== null) return state
  const up = state.members.filter(member => isUp(member.id))
  if (up.length === 0 || up.length < serversWanted) return state
  return { ...state, view: firstView(state, up) }
}

export function memberOf(state: ClusterState, id: MemberId): Member | undefined {
  return state.members.find(member => member.id === id)
}

/** Whether any partition has this member among its replicas. */
export function holdsPartitions(view: View, id: MemberId): boolean {
  return view.partitions.some(({ replicas }) => replicas.includes(id))
}

function firstView(state: ClusterState, holders: readonly Member[]): View {
  const { cluster, partitionCount, replicaCount, members } = state
  const partitions = place({ members: holders, partitionCount, replicaCount }).map(
    (replicas): PartitionState => ({
      replicas,
      inSync: replicas,
      primary: replicas[0] ?? null,
      epoch: 1,
    }),
  )
  return { cluster, epoch: 1, members, partitions, replicaCount }
}

function sameMember(a: Member, b: Member): boolean {
  return (
    a.name === b.name &&
    a.host === b.host &&
    a.domain === b.domain &&
    a.weight === b.weight &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, index) => address === b.addresses[index])
  )
}
