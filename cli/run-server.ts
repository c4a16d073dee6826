/** A server, from its start to its orderly end. */
import { stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { type KeptCredentials, readCredentials } from '../network/admission/kept.ts'
import { realEnv } from '../network/env/real.ts'
import { transportsOf } from '../network/transport/transports.ts'
import { startServer } from '../server/main.ts'
import { rememberIn } from './access.ts'
import { Failure } from './failure.ts'
import { finderOf } from './find-managers.ts'
import { blocksHeapRoomBytes, leaveHeapRoom } from './heap-room.ts'
import { openHttp } from './http.ts'
import { hasSupervisor, orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { listeningOn } from './listening.ts'
import { type Logger, openLogger } from './log.ts'
import type { ServerOptions } from './server.ts'
import { readServerSettings, type ServerSettings } from './server-settings.ts'

export async function runServer(options: ServerOptions): Promise<void> {
  leaveHeapRoom(blocksHeapRoomBytes)
  const stop = stopRequest(orphanDelayMs.server)
  const kept = await credentialsOf(options.metaDir)
  const settings = await settingsOf(options)
  const name = options.name ?? settings.name ?? hostname()
  const log = openLogger(name, options.logLevel)
  const env = realEnv()
  const { credentials } = kept
  const managers = options.manager ?? kept.managers
  const domain = options.domain ?? settings.domain ?? hostname()
  const weight = options.weight ?? settings.weight
  const http = await openHttp({ env, log, address: options.http })
  const server = await startServer({
    env,
    transports: transportsOf(env, credentials.identity),
    credentials,
    managers,
    remember: rememberIn(options.metaDir),
    find: finderOf(env, credentials.cluster, managers),
    addresses: settings.listen,
    metaDirectory: options.metaDir,
    dataDirectory: settings.dataDir,
    name,
    domain,
    ...(weight === undefined ? {} : { weight }),
    log,
    tally: http?.tally,
  })
  if (!hasSupervisor()) await noteSharedDisk(options.metaDir, settings.dataDir, log)
  http?.show(() => server.metrics())
  log.info({ id: server.id, addresses: server.addresses }, 'the server is up')
  await tellSupervisor('ready', server.addresses.join(' '))
  const removed = server.removed.then(async () => {
    await tellSupervisor('finished', 'removed from the cluster')
    return 'removed from the cluster'
  })
  const reason = await Promise.race([stop, server.failed, removed])
  if (reason instanceof Error) log.error({ error: reason }, 'the server has failed')
  else log.info({ reason }, 'stopping')
  await http?.close()
  await server.close()
  if (reason instanceof Error) throw reason
}

/** As told now, or as it was when the server joined. @throws Failure when neither says it. */
async function settingsOf(options: ServerOptions): Promise<ServerSettings> {
  const { metaDir, dataDir, listen } = options
  const kept = await readServerSettings(metaDir)
  const where = dataDir ?? kept?.dataDir
  const addresses = listen ?? kept?.listen
  if (where === undefined || addresses === undefined) {
    const missing = where === undefined ? '--data-dir' : '--listen'
    throw new Failure(`${metaDir} does not say with what it was started before: give ${missing}`, {
      usage: true,
    })
  }
  return { ...kept, dataDir: where, listen: listeningOn(addresses, options) }
}

/** @throws Failure when the server was let into no cluster. */
async function credentialsOf(metaDir: string): Promise<KeptCredentials> {
  const kept = await readCredentials(metaDir)
  if (kept === null) {
    throw new Failure(
      `${metaDir} was let into no cluster: 'rookery join TOKEN --meta-dir ${metaDir} --data-dir DIR' first`,
    )
  }
  if (kept.role === 'server') return kept
  throw new Failure(`${metaDir} holds the credentials of a ${kept.role}, not of a server`)
}

async function noteSharedDisk(metaDir: string, dataDir: string, log: Logger): Promise<void> {
  const [meta, data] = await Promise.all([stat(metaDir), stat(dataDir)])
  if (meta.dev !== data.dev) return
  log.warn(
    { metaDir, dataDir },
    'metadata and data are on the same disk: they will wait for each other',
  )
}
