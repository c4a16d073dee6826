/** A mount, from its start to its orderly end. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { openVolume } from '../client/fs/volume.ts'
import type { Mount, Mounted } from '../client/fuse/contract.ts'
import { mountChannel, unmountStale } from '../client/fuse/mount.ts'
import { mountFuseNative } from '../client/fuse/native.ts'
import { FuseTally } from '../client/fuse/tally.ts'
import { connectClient } from '../client/main.ts'
import { realEnv } from '../network/env/real.ts'
import type { ClusterError } from '../network/errors.ts'
import type { Log } from '../network/log.ts'
import { sparingLog } from '../network/sparing-log.ts'
import { accessFor, clientAccess } from './access.ts'
import { codeOf, Failure } from './failure.ts'
import { blocksHeapRoomBytes, leaveHeapRoom } from './heap-room.ts'
import { prepareGuestHome } from './home.ts'
import { openHttp } from './http.ts'
import { hasSupervisor, orphanDelayMs, stopRequest, tellSupervisor } from './lifeline.ts'
import { type Logger, openLogger } from './log.ts'
import type { MountCommandOptions } from './mount.ts'
import { checkMountpoint, locate, mountName } from './mountpoint.ts'
import type { FuseBackend } from './options.ts'
import { announce } from './output.ts'
import { tokenFrom } from './token-source.ts'
import { checkTrusting } from './trusting.ts'

const backends: { readonly [B in FuseBackend]: (log: Log, tally?: FuseTally) => Mount } = {
  direct: (log, tally) => (fileSystem, options) =>
    mountChannel(fileSystem, { ...options, log, tally }),
  'fuse-native': () => mountFuseNative,
}

export async function runMount(path: string, options: MountCommandOptions): Promise<void> {
  leaveHeapRoom(blocksHeapRoomBytes)
  checkTrusting(options)
  const stop = stopRequest(orphanDelayMs.mount)
  const mountpoint = await locate(path)
  const log = openLogger('mount', options.logLevel)
  if ((await checkMountpoint(mountpoint, { create: false })) === 'stale') {
    log.warn({ mountpoint }, 'unmounting what a mount that died has left')
    await unmountStale(mountpoint)
  }
  const env = realEnv()
  const token = await tokenFrom(options)
  if (token !== undefined) await letIn(token, options)
  const access = clientAccess(env, await accessFor(options, 'mount'))
  const http = await openHttp({ env, log, address: options.http })
  const requests = http === null ? undefined : new FuseTally(env)
  const removal = Promise.withResolvers<ClusterError>()
  const cluster = await connectClient({
    ...access,
    env,
    name: mountName(mountpoint),
    log,
    tally: http?.tally,
    removed: removal.resolve,
  })
  const noAtime = options.noatime ?? false
  const fileSystem = await openVolume(cluster, options.volume, { noAtime, isSole: true })
  const mounted = await backends[options.fuse](sparingLog(env, log), requests)(fileSystem, {
    mountpoint,
    source: `rookery:${options.volume}`,
    allowOther: options.allowOther ?? (options.private !== true && process.getuid?.() === 0),
    readOnly: options.readOnly ?? false,
    suid: options.suid ?? false,
    dev: options.dev ?? false,
    noAtime,
  })
  log.info({ mountpoint, volume: options.volume, fuse: options.fuse }, 'mounted')
  http?.show(async () => requests?.metrics() ?? [])
  await tellSupervisor('ready', mountpoint)
  if (!hasSupervisor()) {
    announce(`${mountpoint} is mounted: volume ${options.volume}. Ctrl-C unmounts it.`)
  }
  const removed = removal.promise.then(async error => {
    log.error({ error }, 'nothing can be read or written here any more')
    // Started again it would be no better.
    await tellSupervisor('finished', 'removed from the cluster')
    return error
  })
  const reason = await untilUnmounted(mounted, Promise.race([stop, removed]), log)
  const close = async () => {
    await http?.close()
    await fileSystem.close()
    await cluster.close()
  }
  if (!(reason instanceof Error)) return await close()
  await close().catch((error: unknown) => log.warn({ error }, 'this mount did not end in order'))
  throw reason
}

/** Where this machine is in the cluster already, the token is not spent. */
async function letIn(text: string, options: MountCommandOptions): Promise<void> {
  const { admit, readToken } = await import('./admission.ts')
  const token = readToken(text)
  if (token.role === 'server') {
    throw new Failure("the token makes a server: create one with 'token create --role client'")
  }
  const home = await prepareGuestHome(options.home)
  const directory = join(home.directory, token.role)
  const say = (line: string): void => void process.stderr.write(`rookery: ${line}\n`)
  await admit({ env: realEnv(), token, directory, name: hostname(), say })
}

/** @returns why, as `stop` told; null when it was unmounted from outside. */
async function untilUnmounted(
  mounted: Mounted,
  stop: Promise<string | Error>,
  log: Logger,
): Promise<string | Error | null> {
  const reason = await Promise.race([stop, mounted.ended.then(() => null)])
  log.info({ reason: reason ?? 'unmounted from outside' }, 'stopping')
  if (reason !== null) await unmount(mounted, log)
  return reason
}

async function unmount(mounted: Mounted, log: Logger): Promise<void> {
  try {
    await mounted.unmount()
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error
    log.warn({}, 'programs use the mount: their open files give errors from now on')
    await mounted.unmount({ force: true })
  }
}
