/**
 * A manager: keeps who is in the cluster and publishes the view. It is never on the path of a file
 * operation: members keep the last view and go on without it.
 */
import type { MemberCredentials } from '../network/admission/credentials.ts'
import type { ManagerPlace } from '../network/admission/token.ts'
import type { Env } from '../network/env/env.ts'
import type { Identity } from '../network/identity/identity.ts'
import { protocolVersion } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { reachable } from '../network/membership/reachable.ts'
import type { Metric } from '../network/metrics/metric.ts'
import type { ServeOptions, Serving } from '../network/rpc/serve.ts'
import type { RpcTally } from '../network/rpc/tally.ts'
import type { Transport } from '../network/transport/contract.ts'
import type { ManagerStatusReply } from '../network/wire/operations.ts'
import { keepAdministrator, managerCredentials } from './admission/credentials.ts'
import type { OpenDirectory } from './directory.ts'
import { openDirectory } from './directory.ts'
import { managerMetrics } from './http/metrics.ts'
import { summarize } from './http/summary.ts'
import type { Lead } from './lead.ts'
import { takeLead } from './lead.ts'
import { connectionsOf, serveAll } from './listen.ts'
import type { ClusterState } from './membership/state.ts'
import { placeOf } from './places.ts'

export interface RunInit {
  readonly env: Env
  readonly transports: readonly Transport[]
  /** Where to listen: one or more addresses, each for one of the transports. */
  readonly addresses: readonly string[]
  /** Servers that must be up before partitions are placed. Means nothing once they are. */
  readonly serversWanted: number
  /** How long a silent server is waited for before others get copies of what it held; the limits' unless told. */
  readonly replaceAfterMs?: number | undefined
  readonly log: Log
  /** What this manager proves itself with; without it nobody is asked for a proof. */
  readonly identity?: Identity | undefined
  /** Counts calls, where somebody asked for it. */
  readonly tally?: RpcTally | undefined
}

export interface ManagerInit extends RunInit {
  /** Holds the manager's state; claimed when it is empty or absent. */
  readonly directory: string
  /** Of a new cluster; an existing one keeps what it was made with. */
  readonly partitionCount: number
  readonly replicaCount: number
}

export interface RunningManager {
  readonly id: string
  readonly cluster: string
  /** With real ports. */
  readonly addresses: readonly string[]
  /** undefined where nobody is asked for a proof. */
  readonly credentials: MemberCredentials | undefined
  status(): ManagerStatusReply
  metrics(): readonly Metric[]
  /** Whoever asks for the status learns that there is a page of it at this URL. */
  announce(page: string): void
  close(): Promise<void>
}

/**
 * @throws ClusterError FOREIGN_DIRECTORY, NEWER_FORMAT, IN_USE (directory or address), BAD_ADDRESS (an
 * address cannot be listened on) or DISK.
 */
export async function startManager(init: ManagerInit): Promise<RunningManager> {
  const opened = await openDirectory(init)
  warnOfSettings(init, opened.state)
  try {
    const manager = await runManager(init, opened)
    const { directory, identity } = init
    if (identity !== undefined) {
      await keepAdministrator(directory, opened.state, localAddresses(manager.addresses))
    }
    return manager
  } catch (error) {
    await opened.store.close()
    throw error
  }
}

/** A manager over a state that is open already; it closes the store when it is closed itself. */
export async function runManager(init: RunInit, opened: OpenDirectory): Promise<RunningManager> {
  const { env, log, serversWanted, replaceAfterMs } = init
  const { id, store, state } = opened
  const { identity } = init
  const credentials = identity === undefined ? undefined : managerCredentials(identity, state)
  let places: readonly ManagerPlace[] = []
  const managers = async () => places
  const waits = { serversWanted, replaceAfterMs }
  const refused = init.tally?.refused
  const lead = takeLead({ env, log, ...waits, store, state, credentials, managers, refused })
  const hello = {
    version: protocolVersion,
    cluster: state.cluster,
    role: 'manager',
    id,
  } as const
  const servings = await listening(init, { hello, credentials }, lead)
  const addresses = servings.map(({ address }) => address)
  if (identity !== undefined) places = [placeOf(identity.peerId, addresses)]
  log.info({ cluster: state.cluster, addresses, epoch: state.view?.epoch ?? 0 }, 'manager is up')
  let closing: Promise<void> | undefined
  return {
    id,
    cluster: state.cluster,
    addresses,
    credentials,
    status: () => lead.status(),
    metrics: () => managerMetrics(summarize(lead.status()), connectionsOf(servings)),
    announce: page => lead.announce(page),
    close() {
      closing ??= (async () => {
        await Promise.all(servings.map(serving => serving.close()))
        await lead.stop()
        await store.close()
      })()
      return closing
    },
  }
}

async function listening(
  { env, transports, addresses, log, tally }: RunInit,
  self: Pick<ServeOptions, 'hello' | 'credentials'>,
  lead: Lead,
): Promise<readonly Serving[]> {
  try {
    return await serveAll({
      env,
      transports,
      addresses,
      log,
      tally,
      ...self,
      service: lead.service,
    })
  } catch (error) {
    await lead.stop()
    throw error
  }
}

/** In the order to dial them from this machine. */
export function localAddresses(addresses: readonly string[]): string[] {
  const all = reachable(addresses)
  const isUnix = (address: string) => address.startsWith('unix:')
  return [...all.filter(isUnix), ...all.filter(address => !isUnix(address))]
}

/** What a cluster was made with stays; whoever asks for something else should know. */
export function warnOfSettings(
  init: Pick<ManagerInit, 'partitionCount' | 'replicaCount' | 'log'>,
  state: ClusterState,
): void {
  for (const setting of ['partitionCount', 'replicaCount'] as const) {
    if (state[setting] === init[setting]) continue
    init.log.warn(
      { asked: init[setting], kept: state[setting] },
      `the cluster exists already and keeps its ${setting}`,
    )
  }
}
