/**
 * The state of a manager that was put back from an old copy, brought up to what servers have seen since: to go by
 * the old one would have them serve what they have given away, and delete what they were given. Pure.
 */
import type { RemovedMember } from '../../network/admission/contract.ts'
import { ClusterError } from '../../network/errors.ts'
import type { PartitionState, View } from '../../network/wire/view.ts'
import type { AdmissionState } from '../admission/state.ts'
import type { ClusterState } from './state.ts'

/** A primary that finds its partition so far on says that it serves it (server/partition/partitions.ts). */
const unseenEpochs = 2

/**
 * Whether a primary has taken up what it was given nobody knows here: of what several hold it has to say so, before
 * another copy may go.
 * @throws ClusterError WRONG_CLUSTER.
 */
export function withNewerView(state: ClusterState, view: View): ClusterState {
  if (view.cluster !== state.cluster || view.partitions.length !== state.partitionCount) {
    throw new ClusterError('WRONG_CLUSTER', `a server has a view of cluster ${view.cluster}`)
  }
  if (view.epoch <= (state.view?.epoch ?? 0)) return state
  const members = view.members.filter(({ role }) => role === 'server')
  const ids = new Set(members.map(({ id }) => id))
  const left = state.members.filter(({ id }) => !ids.has(id)).map(({ id }) => id)
  const partitions = view.partitions.map(unseen)
  const handovers = partitions.flatMap(({ replicas, epoch }, partition) =>
    replicas.length > 1 ? [{ partition, epoch }] : [],
  )
  return {
    ...state,
    ...{ members, handovers },
    draining: state.draining.filter(id => ids.has(id)),
    labels: state.labels.filter(({ id }) => ids.has(id)),
    stores: state.stores.filter(({ id }) => ids.has(id)),
    gone: [...state.gone.filter(id => !ids.has(id)), ...left],
    admission: state.admission && withRemovals(state.admission, view.removed ?? []),
    view: { ...view, members, partitions, epoch: view.epoch + 1 },
  }
}

function unseen(state: PartitionState): PartitionState {
  return state.replicas.length > 1 ? { ...state, epoch: state.epoch + unseenEpochs } : state
}

/** Who was shut out stays out. */
function withRemovals(state: AdmissionState, told: readonly RemovedMember[]): AdmissionState {
  const removed = new Map(state.removed.map(member => [member.peerId, member]))
  for (const member of told) {
    const known = removed.get(member.peerId)
    if (known === undefined || known.serial < member.serial) removed.set(member.peerId, member)
  }
  const serials = [...removed.values()].map(({ serial }) => serial + 1)
  const admitted = state.admitted.filter(
    ({ peerId, serial }) => serial > (removed.get(peerId)?.serial ?? 0),
  )
  const nextSerial = Math.max(state.nextSerial, ...serials)
  return { ...state, admitted, removed: [...removed.values()], nextSerial }
}
