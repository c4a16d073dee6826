/** One attempt to join the cluster at one manager. */
import type { Credentials } from '../admission/contract.ts'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { maxManagerAddresses, protocolVersion } from '../limits.ts'
import type { Log } from '../log.ts'
import { connect } from '../rpc/connect.ts'
import type { Peer, Service } from '../rpc/contract.ts'
import type { Transport } from '../transport/contract.ts'
import type { JoinReply, JoinRequest } from '../wire/operations.ts'
import { transportFor } from './transport-for.ts'

export interface LinkInit {
  readonly env: Env
  readonly transports: readonly Transport[]
  readonly credentials?: Credentials | undefined
  readonly address: string
  /** Empty when it is not known yet. */
  readonly cluster: string
  readonly request: JoinRequest
  /** What this member answers to. */
  readonly service: Service
  readonly log: Log
  readonly signal: AbortSignal
}

export interface ManagerLink {
  readonly peer: Peer
  readonly joined: JoinReply
}

/** @throws ClusterError as `connect` does, or what the manager refuses the member with. */
export async function linkToManager(init: LinkInit): Promise<ManagerLink> {
  const { env, transports, credentials, address, cluster, request, service, log, signal } = init
  const { role, id } = request
  const peer = await connect({
    env,
    transport: transportFor(transports, address),
    address,
    hello: { version: protocolVersion, cluster, role, id },
    expected: { role: 'manager' },
    service,
    credentials,
    signal,
    log: (message, error) => log.warn({ error }, message),
  })
  try {
    return { peer, joined: await joinOver(peer, request, cluster, signal) }
  } catch (error) {
    await peer.close()
    throw error
  }
}

/** Joins over a connection that there is already. */
export async function joinOver(
  peer: Peer,
  request: JoinRequest,
  cluster: string,
  signal: AbortSignal,
): Promise<JoinReply> {
  const joined = (await peer.call('join', request, { signal })).body
  if (cluster !== '' && joined.cluster !== cluster) {
    const text = `the manager is of cluster ${joined.cluster}, this member of ${cluster}`
    throw new ClusterError('WRONG_CLUSTER', text)
  }
  const { managers } = joined
  const isList = Array.isArray(managers) && managers.every(one => typeof one === 'string')
  if (!isList || managers.length > maxManagerAddresses) throw nonsense(peer)
  if (!(joined.heartbeatIntervalMs > 0) || !(joined.partitionCount > 0) || joined.id === '') {
    throw nonsense(peer)
  }
  return joined
}

function nonsense({ remote }: Peer): ClusterError {
  return new ClusterError('MALFORMED', `${remote} answered a join with nonsense`)
}
