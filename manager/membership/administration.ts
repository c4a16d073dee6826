/**
 * What an administrator may have done to servers: drain, remove, label. The only operations of a manager that change
 * what members did not ask for themselves. A server may have itself drained and removed: so it leaves.
 */
import { z } from 'zod'
import { serverIdOf } from '../../network/admission/member-id.ts'
import { Refusal } from '../../network/admission/refusal.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxMemberTextBytes } from '../../network/limits.ts'
import type { Incoming, Peer, Service } from '../../network/rpc/contract.ts'
import type { OperationName } from '../../network/wire/operations.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { type AdmissionState, withRemoved } from '../admission/state.ts'
import type { Health } from './health.ts'
import { partitionsHeld, partitionsOnlyOn, withoutCopies } from './holders.ts'
import type { ClusterState } from './state.ts'
import { memberOf, withDraining, withLabel, withoutMember } from './state.ts'

export type AdministrativeOperations = Required<
  Pick<Service, 'drainMember' | 'removeMember' | 'labelMember'>
>

export interface AdministrationInit {
  /** Saves and publishes what comes of it. */
  readonly change: (change: (state: ClusterState) => ClusterState) => Promise<void>
  readonly healthOf: (state: ClusterState) => Health
  /** A server is no member any more: it is cut off. */
  readonly removed: (id: MemberId) => void
}

const id = z.string().max(maxMemberTextBytes)
const text = z
  .string()
  .min(1)
  .refine(value => Buffer.byteLength(value) <= maxMemberTextBytes, 'is too long')
const requests = {
  drainMember: z.object({ member: id, cancel: z.boolean() }),
  removeMember: z.object({ member: id, force: z.boolean() }),
  labelMember: z.object({
    member: id,
    name: text.exactOptional(),
    domain: text.exactOptional(),
    weight: z.number().positive().exactOptional(),
  }),
}

export function administration(init: AdministrationInit): AdministrativeOperations {
  const { change, healthOf, removed } = init
  return {
    drainMember: serving('drainMember', async ({ member, cancel }, peer) => {
      assertMay(peer, member)
      await change(state => withDraining(known(state, member), member, !cancel))
    }),
    removeMember: serving('removeMember', async ({ member, force }, peer) => {
      assertMay(peer, member)
      await change(state => {
        const { admission } = state
        const after = withoutServer(known(state, member), member, force, healthOf(state))
        return { ...after, admission: admission && withoutKeyOf(admission, member) }
      })
      removed(member)
    }),
    labelMember: serving('labelMember', async ({ member, ...label }, peer) => {
      assertMay(peer, null)
      await change(state => withLabel(known(state, member), { id: member, ...label }))
    }),
  }
}

type Name = keyof typeof requests

interface Answered {
  readonly body: Record<never, never>
  readonly payload: readonly Uint8Array[]
}

function serving<N extends Name & OperationName>(
  name: N,
  act: (request: z.infer<(typeof requests)[N]>, peer: Peer) => Promise<void>,
): (incoming: Incoming<N>) => Promise<Answered> {
  return async ({ body, peer }) => {
    const result = requests[name].safeParse(body)
    if (!result.success) {
      throw new ClusterError('MALFORMED', `this is no ${name}: ${z.prettifyError(result.error)}`)
    }
    await act(result.data as z.infer<(typeof requests)[N]>, peer)
    return { body: {}, payload: [] }
  }
}

/**
 * @param own the server that may ask for this itself; null where an administrator has to.
 * @throws ClusterError NOT_ADMITTED.
 */
function assertMay({ peerId, proven }: Peer, own: MemberId | null): void {
  if (peerId === null || proven?.role === 'admin') return
  if (proven?.role === 'server' && own === serverIdOf(peerId)) return
  const who = proven === null ? 'somebody who is no member' : `a ${proven.role}`
  throw new Refusal('wrong_role', `${who} may not do that: it takes an administrator`)
}

/** Its key proves nothing any more. */
function withoutKeyOf(admission: AdmissionState, id: MemberId): AdmissionState {
  const key = admission.admitted.find(
    ({ role, peerId }) => role === 'server' && serverIdOf(peerId) === id,
  )
  return key === undefined ? admission : withRemoved(admission, key.peerId)
}

function known(state: ClusterState, id: MemberId): ClusterState {
  if (memberOf(state, id) !== undefined) return state
  throw new ClusterError('MALFORMED', `the cluster has no server ${id}`)
}

/** @throws ClusterError IN_USE while the server holds something. */
function withoutServer(
  state: ClusterState,
  id: MemberId,
  force: boolean,
  health: Health,
): ClusterState {
  const { name } = memberOf(state, id)!
  const held = partitionsHeld(state, id)
  if (held === 0) return withoutMember(state, id)
  if (!force) {
    throw new ClusterError(
      'IN_USE',
      `${name} still holds ${counted(held)}: have it drained first ('rookery drain'), or, if it will not be back, ` +
        'repeat this with --force',
    )
  }
  const lost = partitionsOnlyOn(state, id, health)
  if (lost > 0) {
    throw new ClusterError(
      'IN_USE',
      `${name} has the only whole copy of ${counted(lost)}: bring it back, and have it drained`,
    )
  }
  return withoutMember(withoutCopies(state, id, health), id)
}

function counted(partitions: number): string {
  return `${partitions} partition${partitions === 1 ? '' : 's'}`
}
