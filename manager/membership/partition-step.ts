/**
 * The next small step of one partition from the replicas it has to those it should have. Pure.
 *
 * 1. There is always a replica in sync, and the primary is one.
 * 2. A replica goes only when as many as are wanted are in sync and up without it; of those that may go, the one
 *    without which the others are in the most failure domains.
 * 3. One replica at a time is added, so a partition never has more than one beyond the wanted number.
 * 4. The primary changes to a replica that is in sync and up. Nothing is taken away before the new one has taken the
 *    partition up.
 * 5. When all replicas in sync are down they stay: only they have everything.
 */
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { Health } from './health.ts'

export interface Circumstances {
  readonly health: Health
  readonly replicaCount: number
  /** Its primary is new, and not known to have taken it up. */
  readonly isHandedOver: boolean
  /** Whether one more move between these two may be under way. */
  admits(source: MemberId, target: MemberId): boolean
}

export type Holders = Pick<PartitionState, 'replicas' | 'inSync' | 'primary'>

/** What ends something, or answers a failure. @returns null when there is nothing of the kind. */
export function finishingStep(
  state: PartitionState,
  wanted: readonly MemberId[],
  circumstances: Circumstances,
): Holders | null {
  return (
    withoutFailed(state, wanted, circumstances) ??
    withoutDeadTarget(state, wanted, circumstances) ??
    withoutSurplus(state, wanted, circumstances) ??
    handedToFirst(state, wanted, circumstances)
  )
}

/** The beginning of a move: one more replica, which the primary is to feed. */
export function beginningStep(
  state: PartitionState,
  wanted: readonly MemberId[],
  { health, replicaCount, admits }: Circumstances,
): Holders | null {
  const { replicas, primary } = state
  if (health.tooMany.length > 0 || primary === null || !health.isUp(primary)) return null
  if (replicas.length > replicaCount || fed(state, health).length > 0) return null
  const target = wanted.find(id => !replicas.includes(id) && health.isUp(id))
  if (target === undefined || !admits(primary, target)) return null
  return { ...state, replicas: [...replicas, target] }
}

/** Replicas that the primary is feeding. */
export function fed({ replicas, inSync }: Holders, health: Health): readonly MemberId[] {
  return replicas.filter(id => !inSync.includes(id) && health.isUp(id))
}

function withoutFailed(
  state: PartitionState,
  wanted: readonly MemberId[],
  { health }: Circumstances,
): Holders | null {
  const { inSync, primary } = state
  if (health.tooMany.length > 0) return null
  const left = inSync.filter(id => !health.isDown(id))
  if (left.length === inSync.length || !left.some(health.isUp)) return null
  const stays = primary !== null && left.includes(primary)
  return {
    ...state,
    inSync: left,
    primary: stays ? primary : best(left.filter(health.isUp), wanted),
  }
}

/** A replica that fell silent while it was made; where it is one of the wanted number, it may come back. */
function withoutDeadTarget(
  state: PartitionState,
  wanted: readonly MemberId[],
  { health, replicaCount }: Circumstances,
): Holders | null {
  const { replicas, inSync } = state
  if (replicas.length <= replicaCount) return null
  const dead = replicas.filter(id => !inSync.includes(id) && health.isDown(id))
  const target = dead.find(id => !wanted.includes(id)) ?? dead[0]
  return target === undefined ? null : without(state, target)
}

function withoutSurplus(
  state: PartitionState,
  wanted: readonly MemberId[],
  { health, replicaCount, isHandedOver, admits }: Circumstances,
): Holders | null {
  const { replicas, inSync, primary } = state
  if (isHandedOver) return null
  const mayGo = replicas.filter(
    id => !wanted.includes(id) && upWithout(inSync, id, health).length >= replicaCount,
  )
  const worth = (id: MemberId): number =>
    (inSync.includes(id) ? 2 : 0) +
    (id === primary ? 1 : 0) -
    4 * new Set(upWithout(inSync, id, health).map(health.domainOf)).size
  const [goes] = mayGo.toSorted((a, b) => worth(a) - worth(b))
  if (goes === undefined) return null
  if (goes !== primary) return without(state, goes)
  const next = best(upWithout(inSync, goes, health), wanted)
  return admits(goes, next) ? { ...state, primary: next } : null
}

/** The first of the wanted is the one that placement counts on to be primary. */
function handedToFirst(
  state: PartitionState,
  wanted: readonly MemberId[],
  { health, isHandedOver, admits }: Circumstances,
): Holders | null {
  const { inSync, primary } = state
  const first = wanted[0]
  if (isHandedOver || first === undefined || first === primary || primary === null) return null
  if (!inSync.includes(first) || !health.isUp(first) || !health.isUp(primary)) return null
  return admits(primary, first) ? { ...state, primary: first } : null
}

function without(state: PartitionState, id: MemberId): Holders {
  const others = (ids: readonly MemberId[]) => ids.filter(other => other !== id)
  return { ...state, replicas: others(state.replicas), inSync: others(state.inSync) }
}

function upWithout(ids: readonly MemberId[], id: MemberId, health: Health): readonly MemberId[] {
  return ids.filter(other => other !== id && health.isUp(other))
}

function best(ids: readonly MemberId[], wanted: readonly MemberId[]): MemberId {
  return wanted.find(id => ids.includes(id)) ?? ids[0]!
}
