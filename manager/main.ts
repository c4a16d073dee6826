/**
 * A manager: keeps who is in the cluster and publishes the view. It is never on the path of a file
 * operation: members keep the last view and go on without it.
 */
import type { Env } from '../network/env/env.ts'
import { heartbeatIntervalMs, protocolVersion } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import type { Metric } from '../network/metrics/metric.ts'
import type { Serving } from '../network/rpc/serve.ts'
import { serve } from '../network/rpc/serve.ts'
import type { RpcTally } from '../network/rpc/tally.ts'
import type { Transport } from '../network/transport/contract.ts'
import type { HelloRequest, ManagerStatusReply } from '../network/wire/operations.ts'
import type { OpenDirectory } from './directory.ts'
import { openDirectory } from './directory.ts'
import { type Connections, managerMetrics } from './http/metrics.ts'
import { summarize } from './http/summary.ts'
import { Roster } from './membership/roster.ts'
import { MemberService } from './membership/service.ts'

export interface RunInit {
  readonly env: Env
  readonly transports: readonly Transport[]
  /** Where to listen: one or more addresses, each for one of the transports. */
  readonly addresses: readonly string[]
  /** Servers that must be up before partitions are placed. Means nothing once they are. */
  readonly serversWanted: number
  readonly log: Log
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
  status(): ManagerStatusReply
  metrics(): readonly Metric[]
  /** Whoever asks for the status learns that there is a page of it at this URL. */
  announce(page: string): void
  close(): Promise<void>
}

/**
 * @throws ClusterError FOREIGN_DIRECTORY, NEWER_FORMAT, IN_USE (directory or address), UNREACHABLE (an
 * address cannot be listened on) or DISK.
 */
export async function startManager(init: ManagerInit): Promise<RunningManager> {
  const opened = await openDirectory(init)
  warnOfSettings(init, opened)
  try {
    return await runManager(init, opened)
  } catch (error) {
    await opened.store.close()
    throw error
  }
}

/** A manager over a state that is open already; it closes the store when it is closed itself. */
export async function runManager(init: RunInit, opened: OpenDirectory): Promise<RunningManager> {
  const { env, log, serversWanted } = init
  const { id, store, state } = opened
  const roster = new Roster({
    env,
    log,
    store,
    state,
    serversWanted,
    published: view => members.push(view),
  })
  const members = new MemberService({ roster, log })
  const hello = {
    version: protocolVersion,
    cluster: state.cluster,
    role: 'manager',
    id,
  } as const
  const servings = await serveAll(init, hello, members)
  const watch = env.timers.every(heartbeatIntervalMs, () => roster.expire())
  const addresses = servings.map(({ address }) => address)
  log.info({ cluster: state.cluster, addresses, epoch: state.view?.epoch ?? 0 }, 'manager is up')
  let closing: Promise<void> | undefined
  return {
    id,
    cluster: state.cluster,
    addresses,
    status: () => roster.status(),
    metrics: () => managerMetrics(summarize(roster.status()), connectionsOf(servings)),
    announce(page) {
      roster.page = page
    },
    close() {
      closing ??= (async () => {
        watch.cancel()
        await Promise.all(servings.map(serving => serving.close()))
        await roster.settled()
        await store.close()
      })()
      return closing
    },
  }
}

async function serveAll(
  { env, transports, addresses, log, tally }: RunInit,
  hello: HelloRequest,
  { service }: MemberService,
): Promise<Serving[]> {
  const servings: Serving[] = []
  try {
    for (const address of addresses) {
      const transport = transportFor(transports, address)
      servings.push(
        await serve({
          env,
          transport,
          address,
          hello,
          service,
          log: (message, error) => log.warn({ error }, message),
          tally,
        }),
      )
    }
    return servings
  } catch (error) {
    await Promise.all(servings.map(serving => serving.close()))
    throw error
  }
}

function connectionsOf(servings: readonly Serving[]): Connections {
  return {
    open: servings.reduce((total, { peers }) => total + peers.size, 0),
    refused: servings.reduce((total, { refusedCount }) => total + refusedCount, 0),
  }
}

/** What a cluster was made with stays; whoever asks for something else should know. */
function warnOfSettings(init: ManagerInit, { state }: OpenDirectory): void {
  for (const setting of ['partitionCount', 'replicaCount'] as const) {
    if (state[setting] === init[setting]) continue
    init.log.warn(
      { asked: init[setting], kept: state[setting] },
      `the cluster exists already and keeps its ${setting}`,
    )
  }
}
