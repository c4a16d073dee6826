/** A manager, from its start to its orderly end. */
import { managerPages } from '../manager/http/pages.ts'
import { startManager } from '../manager/main.ts'
import { realEnv } from '../network/env/real.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import { openHttp } from './http.ts'
import { orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { openLogger } from './log.ts'
import type { ManagerOptions } from './manager.ts'

export async function runManager(options: ManagerOptions): Promise<void> {
  const stop = stopRequest(orphanDelayMs.manager)
  const log = openLogger('manager', options.logLevel)
  const env = realEnv()
  const http = await openHttp({ env, log, address: options.http })
  const manager = await startManager({
    env,
    transports: [new SocketTransport(env)],
    addresses: options.listen,
    directory: options.dir,
    serversWanted: options.servers,
    partitionCount: options.partitions,
    replicaCount: options.replicas,
    log,
    tally: http?.tally,
  })
  if (http !== null) {
    http.show(
      async () => manager.metrics(),
      managerPages(() => manager.status()),
    )
    manager.announce(http.url)
  }
  await tellSupervisor(
    'ready',
    [...manager.addresses, ...(http === null ? [] : [http.url])].join(' '),
  )
  log.info({ reason: await stop }, 'stopping')
  await http?.close()
  await manager.close()
}
