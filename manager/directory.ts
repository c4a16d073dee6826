/** Opens a manager's directory: its stamp, its store, and the state of the cluster in it. */
import type { Env } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import type { Claim } from '../network/membership/stamp.ts'
import { claimDirectory } from '../network/membership/stamp.ts'
import { createAdmission } from './admission/state.ts'
import type { ClusterState } from './membership/state.ts'
import { createState } from './membership/state.ts'
import type { ManagerStore } from './store/contract.ts'
import { openLevelStore } from './store/level.ts'

export interface OpenDirectory {
  readonly id: string
  readonly store: ManagerStore
  readonly state: ClusterState
}

export interface DirectoryInit {
  readonly env: Env
  readonly directory: string
  /** For a new cluster; an existing one keeps its own. */
  readonly partitionCount: number
  readonly replicaCount: number
}

/**
 * A new cluster is written before its id goes into the stamp: a stamp with a cluster always has a state
 * beside it.
 * @throws ClusterError FOREIGN_DIRECTORY, WRONG_CLUSTER, NEWER_FORMAT, IN_USE or DISK.
 */
export async function openDirectory(init: DirectoryInit): Promise<OpenDirectory> {
  const { env, directory } = init
  const claim: Claim = { role: 'manager' }
  const stamp = await claimDirectory(directory, claim)
  const store = await openLevelStore(directory)
  try {
    let state = await store.load()
    if (state === null) {
      if (stamp.cluster !== '') {
        throw new ClusterError(
          'DISK',
          `${directory} is stamped for cluster ${stamp.cluster}, but the manager's state is not in it: ` +
            'restore the directory from a backup',
        )
      }
      const { partitionCount, replicaCount } = init
      const cluster = env.random.id()
      const admission = createAdmission(env.random)
      state = createState({ cluster, partitionCount, replicaCount, admission })
      await store.save(state)
    }
    const id = stamp.id === '' ? env.random.id() : stamp.id
    await claimDirectory(directory, { ...claim, cluster: state.cluster, id })
    return { id, store, state }
  } catch (error) {
    await store.close()
    throw error
  }
}
