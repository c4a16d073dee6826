/**
 * What the manager keeps on disk, and how members change it: pure functions from one state to the next. What becomes of
 * partitions is planned in planner.ts.
 *
 * 1. The first view is published when `serversWanted` servers are up at the same time, and places every partition on
 *    those. A server that comes later gets its share by moves.
 * 2. The view's epoch rises with every change of the view, a partition's with every change of its holders.
 * 3. A function that has nothing to change returns the state it was given, itself.
 * 4. What a label says of a server holds, whatever the server says of itself when it joins again.
 */
import { serverIdOf } from '../../network/admission/member-id.ts'
import { maxRemovedRemembered } from '../../network/limits.ts'
import { place } from '../../network/placement/placement.ts'
import type { Member, MemberId, PartitionState, View } from '../../network/wire/view.ts'
import { type AdmissionState, withRemoved } from '../admission/state.ts'

/** What an administrator has said of a server. */
export interface Label {
  readonly id: MemberId
  readonly name?: string
  readonly domain?: string
  readonly weight?: number
}

/** A partition whose primary has changed and is not known to have taken it up yet. */
export interface Handover {
  readonly partition: number
  /** Of the partition, in which its primary became it. */
  readonly epoch: number
}

/** By which a server's store of metadata is known from any other. */
export interface KnownStore {
  readonly id: MemberId
  readonly store: string
}

export interface ClusterState {
  /** 32 hexadecimal digits, drawn once. */
  readonly cluster: string
  readonly partitionCount: number
  readonly replicaCount: number
  /** Servers, in the order they joined. Clients are not kept. */
  readonly members: readonly Member[]
  /** null until enough servers have joined. */
  readonly view: View | null
  /** Servers that are to hold nothing. */
  readonly draining: readonly MemberId[]
  readonly labels: readonly Label[]
  /** Servers that were removed, the latest last: they are not taken in again. */
  readonly gone: readonly MemberId[]
  readonly handovers: readonly Handover[]
  /** Of servers, as they joined last. */
  readonly stores: readonly KnownStore[]
  /** Who was let in; null where nobody is asked, in tests. */
  readonly admission: AdmissionState | null
}

export interface NewCluster
  extends Pick<ClusterState, 'cluster' | 'partitionCount' | 'replicaCount'> {
  readonly admission?: AdmissionState
}

export function createState(init: NewCluster): ClusterState {
  const { cluster, partitionCount, replicaCount, admission = null } = init
  const nobody = { members: [], draining: [], labels: [], gone: [], stores: [] }
  return {
    ...{ cluster, partitionCount, replicaCount, ...nobody },
    ...{ view: null, handovers: [], admission },
  }
}

/** Adds a server, or takes in what has changed about a known one: addresses above all. */
export function withServer(state: ClusterState, said: Member): ClusterState {
  const server = labelled(said, labelOf(state, said.id))
  const known = memberOf(state, server.id)
  if (known !== undefined && sameMember(known, server)) return state
  return withMembers(
    state,
    known === undefined
      ? [...state.members, server]
      : state.members.map(member => (member === known ? server : member)),
  )
}

/** Publishes the first view when there is none and enough of the servers are up. */
export function withFirstView(
  state: ClusterState,
  serversWanted: number,
  isUp: (id: MemberId) => boolean,
): ClusterState {
  if (state.view !== null) return state
  const up = state.members.filter(({ id }) => isUp(id) && !state.draining.includes(id))
  if (up.length === 0 || up.length < serversWanted) return state
  return { ...state, view: firstView(state, up) }
}

export function withDraining(state: ClusterState, id: MemberId, draining: boolean): ClusterState {
  if (state.draining.includes(id) === draining) return state
  const others = state.draining.filter(other => other !== id)
  return { ...state, draining: draining ? [...others, id] : others }
}

export function withLabel(state: ClusterState, label: Label): ClusterState {
  const known = memberOf(state, label.id)
  if (known === undefined) return state
  const both = { ...labelOf(state, label.id), ...label }
  const labels = [...state.labels.filter(({ id }) => id !== label.id), both]
  const member = labelled(known, both)
  const labelledState = { ...state, labels }
  if (sameMember(known, member)) return labelledState
  return withMembers(
    labelledState,
    state.members.map(other => (other === known ? member : other)),
  )
}

/** The server is to hold nothing any more (see `withoutCopies` in holders.ts). */
export function withoutMember(state: ClusterState, id: MemberId): ClusterState {
  const others = state.members.filter(member => member.id !== id)
  if (others.length === state.members.length) return state
  const gone = [...state.gone.filter(other => other !== id), id].slice(-maxRemovedRemembered)
  const labels = state.labels.filter(label => label.id !== id)
  const stores = state.stores.filter(known => known.id !== id)
  const admission = withoutKey(state, id)
  const left = { ...state, gone, labels, stores, admission }
  return withDraining(withMembers(left, others), id, false)
}

/** Its certificate is worth nothing from then on. */
function withoutKey({ admission }: ClusterState, id: MemberId): AdmissionState | null {
  const key = admission?.admitted.find(({ peerId }) => serverIdOf(peerId) === id)
  return admission === null || key === undefined ? admission : withRemoved(admission, key.peerId)
}

/** A view tells who was removed. */
export function withRemovedShown(state: ClusterState): ClusterState {
  const { view, admission } = state
  if (view === null || admission === null) return state
  const { removed } = admission
  if (removed === view.removed || (removed.length === 0 && view.removed === undefined)) return state
  if (JSON.stringify(removed) === JSON.stringify(view.removed)) return state
  return { ...state, view: { ...view, epoch: view.epoch + 1, removed } }
}

export function memberOf(state: ClusterState, id: MemberId): Member | undefined {
  return state.members.find(member => member.id === id)
}

/** @returns the state with a view of these partitions, one epoch on. */
export function withPartitions(
  state: ClusterState,
  partitions: readonly PartitionState[],
): ClusterState {
  const { view } = state
  if (view === null) return state
  return { ...state, view: { ...view, epoch: view.epoch + 1, partitions } }
}

function withMembers(state: ClusterState, members: readonly Member[]): ClusterState {
  const { view } = state
  if (view === null) return { ...state, members }
  return { ...state, members, view: { ...view, epoch: view.epoch + 1, members } }
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

function labelOf(state: ClusterState, id: MemberId): Label | undefined {
  return state.labels.find(label => label.id === id)
}

function labelled(member: Member, label: Label | undefined): Member {
  if (label === undefined) return member
  const { name = member.name, domain = member.domain, weight = member.weight } = label
  return { ...member, name, domain, weight }
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
