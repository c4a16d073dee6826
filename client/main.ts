/** Composes a client: membership, transports, and the calls that find their server. */
import { hostname } from 'node:os'
import type { Env } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { operationDeadlineMs, protocolVersion } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { addressesFor, hostIdentity } from '../network/membership/host.ts'
import { joinCluster, type Membership } from '../network/membership/membership.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import { connect } from '../network/rpc/connect.ts'
import type { Peer } from '../network/rpc/contract.ts'
import type { Transport } from '../network/transport/contract.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import type { MemberId } from '../network/wire/view.ts'
import { ClusterClient } from './cluster/cluster.ts'
import type { Cluster } from './cluster/contract.ts'

export interface ClientOptions {
  readonly env: Env
  /** TCP and Unix sockets unless told. */
  readonly transports?: readonly Transport[]
  /** Addresses of the managers, tried in turn. */
  readonly managers: readonly string[]
  /** For people: what the manager lists this client as. */
  readonly name?: string
  readonly log: Log
  /** Ends the wait for a manager and for a view. */
  readonly signal?: AbortSignal
}

/**
 * Joins the cluster and waits until it has enough servers.
 * @throws ClusterError UNREACHABLE, TIMEOUT, WRONG_CLUSTER, VERSION_MISMATCH, CANCELLED.
 */
export async function connectClient(options: ClientOptions): Promise<Cluster> {
  const { env, managers, log, signal, name = hostname() } = options
  const transports = options.transports ?? [new SocketTransport(env)]
  const host = await hostIdentity()
  const membership = await joinCluster({
    env,
    transports,
    managers,
    role: 'client',
    name,
    addresses: [],
    host: host.id,
    domain: '',
    weight: 0,
    report: null,
    log,
    ...(signal === undefined ? {} : { signal }),
  })
  const leave = () => void membership.close()
  signal?.addEventListener('abort', leave, { once: true })
  try {
    signal?.throwIfAborted()
    if (membership.view === null) await membership.viewNewerThan(0, operationDeadlineMs)
  } catch (error) {
    await membership.close()
    throw error
  } finally {
    signal?.removeEventListener('abort', leave)
  }
  const dial = (server: MemberId) => dialServer(options, transports, membership, host.id, server)
  return new ClusterClient({ env, log, membership, dial })
}

/** Tries the server's addresses, the nearest first. */
async function dialServer(
  { env, log }: ClientOptions,
  transports: readonly Transport[],
  membership: Membership,
  host: string,
  server: MemberId,
): Promise<Peer> {
  const member = membership.view?.members.find(({ id }) => id === server)
  if (member === undefined) throw new ClusterError('UNREACHABLE', `${server} is no member now`)
  const { id, cluster } = membership
  const hello = { version: protocolVersion, cluster, role: 'client' as const, id }
  let reason: unknown
  for (const address of addressesFor(member, host)) {
    try {
      const transport = transportFor(transports, address)
      const report = (message: string, error?: unknown) => log.warn({ server, error }, message)
      return await connect({ env, transport, address, hello, service: {}, log: report })
    } catch (error) {
      reason = error
    }
  }
  const addresses = member.addresses.join(', ') || 'no address'
  const text = `cannot reach server ${member.name} at ${addresses}`
  throw new ClusterError('UNREACHABLE', text, { cause: reason })
}
