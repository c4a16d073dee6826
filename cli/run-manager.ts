/** A manager, from its start to its orderly end. */
import { hostname } from 'node:os'
import { startCandidate } from '../manager/candidate.ts'
import { EtcdGateway } from '../manager/etcd/gateway.ts'
import { managerPages } from '../manager/http/pages.ts'
import type { ManagerInit, RunningManager } from '../manager/main.ts'
import { startManager } from '../manager/main.ts'
import { realEnv } from '../network/env/real.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import { Failure } from './failure.ts'
import { type MemberHttp, openHttp } from './http.ts'
import { orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { openLogger } from './log.ts'
import type { ManagerOptions } from './manager.ts'

interface Manager
  extends Pick<RunningManager, 'addresses' | 'status' | 'metrics' | 'announce' | 'close'> {
  /** Resolves when it cannot go on. */
  readonly failed?: Promise<Error>
}

export async function runManager(options: ManagerOptions): Promise<void> {
  const stop = stopRequest(orphanDelayMs.manager)
  const log = openLogger('manager', options.logLevel)
  const env = realEnv()
  const http = await openHttp({ env, log, address: options.http })
  const manager = await start(options, {
    env,
    transports: [new SocketTransport(env)],
    addresses: options.listen,
    serversWanted: options.servers,
    partitionCount: options.partitions,
    replicaCount: options.replicas,
    log,
    tally: http?.tally,
  })
  if (http !== null) show(http, manager)
  await tellSupervisor(
    'ready',
    [...manager.addresses, ...(http === null ? [] : [http.url])].join(' '),
  )
  const { failed } = manager
  const reason = await (failed === undefined ? stop : Promise.race([stop, failed]))
  if (reason instanceof Error) log.error({ error: reason }, 'the manager has failed')
  else log.info({ reason }, 'stopping')
  await http?.close()
  await manager.close()
  if (reason instanceof Error) throw reason
}

function start(
  { dir, store }: ManagerOptions,
  init: Omit<ManagerInit, 'directory'>,
): Promise<Manager> {
  if (store !== undefined) {
    const { name, endpoints } = store
    const etcd = new EtcdGateway({ env: init.env, endpoints })
    return startCandidate({ ...init, etcd, name, host: hostname() })
  }
  if (dir !== undefined) return startManager({ ...init, directory: dir })
  throw new Failure('where is the state? Give --dir, or --store for several managers', {
    usage: true,
  })
}

function show(http: MemberHttp, manager: Manager): void {
  http.show(
    async () => manager.metrics(),
    managerPages(() => manager.status()),
  )
  manager.announce(http.url)
}
