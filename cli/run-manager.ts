/** A manager, from its start to its orderly end. */
import { hostname } from 'node:os'
import { startCandidate } from '../manager/candidate.ts'
import { EtcdGateway } from '../manager/etcd/gateway.ts'
import { managerPages } from '../manager/http/pages.ts'
import type { ManagerInit, RunningManager } from '../manager/main.ts'
import { startManager } from '../manager/main.ts'
import { keyIn } from '../network/admission/kept.ts'
import type { Announcement } from '../network/discovery/lan.ts'
import { realEnv } from '../network/env/real.ts'
import type { Identity } from '../network/identity/identity.ts'
import { reachable } from '../network/membership/reachable.ts'
import { claimDirectory } from '../network/membership/stamp.ts'
import { transportsOf } from '../network/transport/transports.ts'
import { type MemberHttp, openHttp } from './http.ts'
import { orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { type Logger, openLogger } from './log.ts'
import type { ManagerOptions } from './manager.ts'

interface Manager
  extends Pick<RunningManager, 'addresses' | 'status' | 'metrics' | 'announce' | 'close'> {
  /** Of several managers each knows it when one has led. */
  readonly cluster: string | Promise<string>
  /** Resolves when it cannot go on. */
  readonly failed?: Promise<Error>
}

export async function runManager(options: ManagerOptions): Promise<void> {
  const stop = stopRequest(orphanDelayMs.manager)
  const log = openLogger('manager', options.logLevel)
  const env = realEnv()
  await claimDirectory(options.dir, { role: 'manager' })
  const identity = await keyIn(options.dir)
  const http = await openHttp({ env, log, address: options.http })
  const manager = await start(options, {
    env,
    identity,
    transports: transportsOf(env, identity),
    addresses: options.listen,
    serversWanted: options.servers,
    partitionCount: options.partitions,
    replicaCount: options.replicas,
    log,
    tally: http?.tally,
  })
  if (http !== null) show(http, manager)
  const announcement = options.mdns ? announce(identity, manager, log) : null
  await tellSupervisor(
    'ready',
    [...manager.addresses, ...(http === null ? [] : [http.url])].join(' '),
  )
  const { failed } = manager
  const reason = await (failed === undefined ? stop : Promise.race([stop, failed]))
  if (reason instanceof Error) log.error({ error: reason }, 'the manager has failed')
  else log.info({ reason }, 'stopping')
  await Promise.all([http?.close(), announcement?.close()])
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
    return startCandidate({ ...init, directory: dir, etcd, name, host: hostname() })
  }
  return startManager({ ...init, directory: dir })
}

/** A loopback address would lead each machine to itself. */
function isOfNetwork(address: string): boolean {
  return /^libp2p:\/\/(?!127\.|localhost|\[::1\])/.test(address)
}

/** To machines of this network that look for the cluster; where that fails, they need an address. */
function announce(identity: Identity, manager: Manager, log: Logger): Announcement | null {
  const addresses = reachable(manager.addresses).filter(isOfNetwork)
  if (addresses.length === 0) return null
  const stop = new AbortController()
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true })
  })
  stopped.catch(() => undefined)
  const announced = (async () => {
    const { announceManager } = await import('../network/discovery/lan.ts')
    // Where no manager has led yet it may never be known.
    const cluster = await Promise.race([manager.cluster, stopped])
    return await announceManager({ identity, cluster, addresses, signal: stop.signal })
  })()
  announced.catch((error: unknown) => {
    if (!stop.signal.aborted) log.warn({ error }, 'this network is not told of the manager')
  })
  return {
    async close() {
      stop.abort()
      await announced.then(
        announcement => announcement.close(),
        () => undefined,
      )
    },
  }
}

function show(http: MemberHttp, manager: Manager): void {
  http.show(
    async () => manager.metrics(),
    managerPages(() => manager.status()),
  )
  manager.announce(http.url)
}
