/** A manager, from its start to its orderly end. */
import { startManager } from '../manager/main.ts'
import { realEnv } from '../network/env/real.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import { orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { openLogger } from './log.ts'
import type { ManagerOptions } from './manager.ts'

export async function runManager(options: ManagerOptions): Promise<void> {
  const stop = stopRequest(orphanDelayMs.manager)
  const log = openLogger('manager', options.logLevel)
  const env = realEnv()
  const manager = await startManager({
    env,
    transports: [new SocketTransport(env)],
    addresses: options.listen,
    directory: options.dir,
    serversWanted: options.servers,
    partitionCount: options.partitions,
    replicaCount: options.replicas,
    log,
  })
  await tellSupervisor('ready', manager.addresses.join(' '))
  log.info({ reason: await stop }, 'stopping')
  await manager.close()
}
