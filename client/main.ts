/** Composes a client: membership, transports, and the calls that find their server. */
import { hostname } from 'node:os'
import type { Env } from '../network/env/env.ts'
import { operationDeadlineMs } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { dialMember } from '../network/membership/dial.ts'
import { hostIdentity } from '../network/membership/host.ts'
import { joinCluster } from '../network/membership/membership.ts'
import type { RpcTally } from '../network/rpc/tally.ts'
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
  /** Counts calls, where somebody asked for it. */
  readonly tally?: RpcTally | undefined
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
  const { tally } = options
  const dialler = {
    env,
    transports,
    membership,
    role: 'client' as const,
    host: host.id,
    log,
    tally,
  }
  const dial = (server: MemberId) => dialMember(dialler, server)
  return new ClusterClient({ env, log, membership, dial })
}
