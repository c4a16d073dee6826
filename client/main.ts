/** Composes a client: membership, transports, and the calls that find their server. */
import { hostname } from 'node:os'
import type { MemberCredentials } from '../network/admission/credentials.ts'
import type { Env } from '../network/env/env.ts'
import type { ClusterError } from '../network/errors.ts'
import { operationDeadlineMs } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { dialMember } from '../network/membership/dial.ts'
import { firstView } from '../network/membership/first-view.ts'
import { bootIdentity, hostIdentity } from '../network/membership/host.ts'
import { joinCluster } from '../network/membership/membership.ts'
import type { Service } from '../network/rpc/contract.ts'
import type { RpcTally } from '../network/rpc/tally.ts'
import type { Transport } from '../network/transport/contract.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import { transportsOf } from '../network/transport/transports.ts'
import type { MemberId } from '../network/wire/view.ts'
import { ClusterClient } from './cluster/cluster.ts'
import type { Cluster } from './cluster/contract.ts'

export interface ClientOptions {
  readonly env: Env
  /** All that there are unless told; sockets alone without credentials. */
  readonly transports?: readonly Transport[]
  /** What this client proves itself with; nobody is asked for a proof without. */
  readonly credentials?: MemberCredentials | undefined
  /** Where the managers can be dialled, as one of them told. */
  readonly remember?: ((managers: readonly string[]) => void) | undefined
  /** Looks for managers elsewhere, when none of those known answers. */
  readonly find?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined
  /** Addresses of the managers, tried in turn. */
  readonly managers: readonly string[]
  /** For people: what the manager lists this client as. */
  readonly name?: string
  readonly log: Log
  /** Identity of this boot of the machine, for tests; read from the machine unless told. */
  readonly boot?: string
  /** Called when this client was removed from the cluster: whatever it asks for fails from then on. */
  readonly removed?: ((error: ClusterError) => void) | undefined
  /** Ends the wait for a manager and for a view. */
  readonly signal?: AbortSignal
  /** Counts calls, where somebody asked for it. */
  readonly tally?: RpcTally | undefined
}

function defaultTransports({ env, credentials }: ClientOptions): readonly Transport[] {
  if (credentials === undefined) return [new SocketTransport(env)]
  return transportsOf(env, credentials.identity)
}

/**
 * Joins the cluster and waits until it has enough servers.
 * @throws ClusterError UNREACHABLE, NOT_READY, TIMEOUT, WRONG_CLUSTER, VERSION_MISMATCH, CANCELLED.
 */
export async function connectClient(options: ClientOptions): Promise<Cluster> {
  const { env, managers, log, signal, credentials, name = hostname() } = options
  const transports = options.transports ?? defaultTransports(options)
  const host = await hostIdentity()
  const membership = await joinCluster({
    env,
    transports,
    managers,
    credentials,
    remember: options.remember,
    find: options.find,
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
    await firstView(membership, operationDeadlineMs)
  } catch (error) {
    await membership.close()
    throw error
  } finally {
    signal?.removeEventListener('abort', leave)
  }
  const { tally, removed } = options
  if (removed !== undefined) void membership.removed.then(removed)
  const dialler = {
    env,
    transports,
    credentials,
    membership,
    role: 'client' as const,
    host: host.id,
    log,
    tally,
  }
  const dial = (server: MemberId, service: Service) => dialMember(dialler, server, service)
  const { boot = await bootIdentity(env.random) } = options
  return new ClusterClient({ env, log, membership, boot, dial })
}
