/**
 * Which store of metadata each server has. One that comes back with another, an empty one, would serve nothing in the
 * place of all that it had. Pure.
 */
import { ClusterError } from '../../network/errors.ts'
import type { Member } from '../../network/wire/view.ts'
import { partitionsHeld } from './holders.ts'
import type { ClusterState } from './state.ts'

/**
 * The server joins with this store; one that does not say which is taken at its word.
 * @throws ClusterError FOREIGN_DIRECTORY when it has copies of partitions in another one.
 */
export function withStore(
  state: ClusterState,
  { id, name }: Pick<Member, 'id' | 'name'>,
  store: string | undefined,
): ClusterState {
  const known = state.stores.find(other => other.id === id)
  if (store === undefined || known?.store === store) return state
  const held = partitionsHeld(state, id)
  if (known !== undefined && held > 0) {
    const partitions = `${held} partition${held === 1 ? '' : 's'}`
    const text =
      `server ${name} has ${partitions}, but not in the directories that it was started with, which are new: start ` +
      'it with those that it had, or put these back from a copy'
    throw new ClusterError('FOREIGN_DIRECTORY', text)
  }
  const others = state.stores.filter(other => other.id !== id)
  return { ...state, stores: [...others, { id, store }] }
}
