/** The wait of a newcomer for a cluster that has enough servers. */
import { ClusterError } from '../errors.ts'
import type { View } from '../wire/view.ts'
import { statusFromWire } from '../wire/wire-view.ts'
import type { Membership } from './membership.ts'

/**
 * The newest view, as soon as there is one.
 * @throws ClusterError NOT_READY, with the servers that have joined until then; TIMEOUT when no manager tells; CLOSED or OVERLOADED.
 */
export async function firstView(membership: Membership, deadlineMs: number): Promise<View> {
  if (membership.view !== null) return membership.view
  try {
    return await membership.viewNewerThan(0, deadlineMs)
  } catch (error) {
    if (!(error instanceof ClusterError && error.code === 'TIMEOUT' && membership.connected)) {
      throw error
    }
    const reply = await membership.askManager('managerStatus', {})
    const { members, serversWanted } = statusFromWire(reply)
    const joined = members.filter(({ role }) => role === 'server').length
    const text = `the cluster has ${joined} of ${serversWanted} servers`
    throw new ClusterError('NOT_READY', text, { cause: error })
  }
}
