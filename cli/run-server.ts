/** A server, from its start to its orderly end. */
import { mkdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { realEnv } from '../network/env/real.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import { startServer } from '../server/main.ts'
import { openHttp } from './http.ts'
import { hasSupervisor, orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { type Logger, openLogger } from './log.ts'
import type { ServerOptions } from './server.ts'

/**
 * A server keeps little in memory and passes much through: its heap may grow to nine times what a collection
 * leaves (some 250 MiB) before the next. Of the CPU that reading took, more than a third was collecting.
 */
const heapGrowth = '--heap-growing-percent=800'

export async function runServer(options: ServerOptions): Promise<void> {
  setFlagsFromString(heapGrowth)
  const stop = stopRequest(orphanDelayMs.server)
  const name = options.name ?? hostname()
  const log = openLogger(name, options.logLevel)
  await mkdir(options.metaDir, { recursive: true, mode: 0o700 })
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 })
  if (!hasSupervisor()) await noteSharedDisk(options, log)
  const env = realEnv()
  const http = await openHttp({ env, log, address: options.http })
  const server = await startServer({
    env,
    transports: [new SocketTransport(env)],
    managers: options.manager,
    addresses: options.listen,
    metaDirectory: options.metaDir,
    dataDirectory: options.dataDir,
    name,
    domain: options.domain ?? hostname(),
    ...(options.weight === undefined ? {} : { weight: options.weight }),
    log,
    tally: http?.tally,
  })
  http?.show(() => server.metrics())
  log.info({ id: server.id, addresses: server.addresses }, 'the server is up')
  await tellSupervisor('ready', server.addresses.join(' '))
  const removed = server.removed.then(() => 'removed from the cluster')
  const reason = await Promise.race([stop, server.failed, removed])
  if (reason instanceof Error) log.error({ error: reason }, 'the server has failed')
  else log.info({ reason }, 'stopping')
  await http?.close()
  await server.close()
  if (reason instanceof Error) throw reason
}

async function noteSharedDisk(options: ServerOptions, log: Logger): Promise<void> {
  const [meta, data] = await Promise.all([stat(options.metaDir), stat(options.dataDir)])
  if (meta.dev !== data.dev) return
  log.warn(
    { metaDir: options.metaDir, dataDir: options.dataDir },
    'metadata and data are on the same disk: they will wait for each other',
  )
}
