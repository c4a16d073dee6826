/**
 * Where a manager keeps its state. Implementations pass the suite in compliance.ts. One that several managers share
 * also throws ClusterError NOT_LEADER to all but one of them.
 */
import type { ClusterState } from '../membership/state.ts'

export interface ManagerStore {
  /**
   * @returns what was saved last; null when nothing ever was.
   * @throws ClusterError NEWER_FORMAT, or DISK when it cannot be read or is damaged.
   */
  load(): Promise<ClusterState | null>
  /**
   * Replaces the state, all or nothing. It is on disk when this resolves.
   * @throws ClusterError DISK, or CLOSED.
   */
  save(state: ClusterState): Promise<void>
  close(): Promise<void>
}
