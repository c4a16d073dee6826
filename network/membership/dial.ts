/** Connects one member to another, the nearest of its addresses first. */
import type { Credentials } from '../admission/contract.ts'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { protocolVersion } from '../limits.ts'
import type { Log } from '../log.ts'
import { connect } from '../rpc/connect.ts'
import type { Peer, Service } from '../rpc/contract.ts'
import type { RpcTally } from '../rpc/tally.ts'
import type { Transport } from '../transport/contract.ts'
import type { MemberId, MemberRole } from '../wire/view.ts'
import { addressesFor } from './host.ts'
import type { Membership } from './membership.ts'
import { transportFor } from './transport-for.ts'

export interface Dialler {
  readonly env: Env
  readonly transports: readonly Transport[]
  readonly credentials?: Credentials | undefined
  readonly membership: Pick<Membership, 'id' | 'cluster' | 'view'>
  readonly role: MemberRole
  /** Identity of this machine. */
  readonly host: string
  readonly log: Log
  readonly tally?: RpcTally | undefined
}

/**
 * @param service what this side answers to the other.
 * @throws ClusterError UNREACHABLE, with the last address's failure as its cause; REMOVED when this side was removed,
 * which no further attempt would change.
 */
export async function dialMember(
  dialler: Dialler,
  target: MemberId,
  service: Service = {},
): Promise<Peer> {
  const { env, transports, credentials, membership, role, host, log, tally } = dialler
  const member = membership.view?.members.find(({ id }) => id === target)
  if (member === undefined) throw new ClusterError('UNREACHABLE', `${target} is no member now`)
  const { id, cluster } = membership
  const hello = { version: protocolVersion, cluster, role, id }
  const report = (message: string, error?: unknown) => log.warn({ member: target, error }, message)
  let reason: unknown
  for (const address of addressesFor(member, host)) {
    try {
      const transport = transportFor(transports, address)
      const expected = { role: 'server', id: target } as const
      const options = { env, transport, credentials, address, hello, expected, log: report, tally }
      return await connect({ ...options, service })
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'REMOVED') throw error
      reason = error
    }
  }
  const addresses = member.addresses.join(', ') || 'no address'
  const text = `cannot reach ${member.name} at ${addresses}`
  throw new ClusterError('UNREACHABLE', text, { cause: reason })
}
