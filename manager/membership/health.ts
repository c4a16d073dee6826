/**
 * How the servers are, and what follows from it: who may be given copies, whose copies others take over, and whether too
 * many fail at once to believe it. Pure.
 */
import { failureSuspectMs, failureTimeoutMs } from '../../network/limits.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { ClusterState } from './state.ts'
import { memberOf } from './state.ts'

/** What a manager knows of servers at one moment. */
export interface Seen {
  /** Heard of within the failure timeout, by this manager. */
  isUp(id: MemberId): boolean
  /** Since it was heard of last; since this manager leads if it never was. */
  silentMs(id: MemberId): number
  hasFailedDisk(id: MemberId): boolean
  /** Whether this primary has said that it cannot feed the copy: something is damaged there. */
  isHeld(copy: HeldCopy): boolean
}

export interface HeldCopy {
  readonly partition: number
  readonly primary: MemberId
  readonly target: MemberId
}

export interface Health {
  isUp(id: MemberId): boolean
  isDown(id: MemberId): boolean
  /** Whether it is to hold nothing: it drains, or was silent for too long. */
  isReplaced(id: MemberId): boolean
  domainOf(id: MemberId): string
  /** As seen. */
  isHeld(copy: HeldCopy): boolean
  /**
   * Servers that fail at the same time, when they are more than the replication survives: then the manager rather believes
   * that it is cut off itself, and leaves everything as it is. Empty otherwise.
   */
  readonly tooMany: readonly MemberId[]
}

/** @param replaceAfterMs how long a silent server is waited for before others get copies of what it held. */
export function healthOf(state: ClusterState, seen: Seen, replaceAfterMs: number): Health {
  const domains = new Map(state.members.map(({ id, domain }) => [id, domain]))
  const draining = new Set(state.draining)
  const domainOf = (id: MemberId): string => domains.get(id) ?? ''
  const tooMany = failingTogether(state, seen, domainOf)
  const replaces = state.replicaCount > 1 && tooMany.length === 0
  return {
    isUp: id => seen.isUp(id),
    isDown: id => seen.silentMs(id) >= failureTimeoutMs,
    isReplaced: id => draining.has(id) || (replaces && seen.silentMs(id) >= replaceAfterMs),
    domainOf,
    isHeld: copy => seen.isHeld(copy),
    tooMany,
  }
}

/**
 * Those that seem to fail and still count as in sync where others could take over. Replicas are in domains of their own,
 * so one less domain than there are replicas may fail; and one at any rate: with a single replica it is a move that has made
 * a second one, which has everything. Whoever is said to drain is known to go.
 */
function failingTogether(
  state: ClusterState,
  seen: Seen,
  domainOf: (id: MemberId) => string,
): readonly MemberId[] {
  const failing = new Set<MemberId>()
  for (const { inSync } of state.view?.partitions ?? []) {
    if (inSync.length < 2) continue
    for (const id of inSync) {
      if (seen.silentMs(id) >= failureSuspectMs && !state.draining.includes(id)) failing.add(id)
    }
  }
  const count = new Set([...failing].map(domainOf)).size
  return count > Math.max(1, state.replicaCount - 1) ? [...failing] : []
}

/** For people. */
export function describeTooMany(state: ClusterState, tooMany: readonly MemberId[]): string {
  const names = tooMany.map(id => memberOf(state, id)?.name ?? id).join(', ')
  const { replicaCount } = state
  const replicas =
    replicaCount === 1 ? 'a single replica survives' : `${replicaCount} replicas survive`
  return (
    `${names} fail at the same time, more than ${replicas}: everything stays as it is until they ` +
    "are back, or 'rookery drain' says that one of them will not be"
  )
}
