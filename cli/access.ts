/** Whom this machine is to a cluster: the credentials that a command goes by, and where the managers are. */
import { join } from 'node:path'
import type { AdmissionRole } from '../network/admission/contract.ts'
import type { MemberCredentials } from '../network/admission/credentials.ts'
import { type KeptCredentials, keepManagers, readCredentials } from '../network/admission/kept.ts'
import type { Env } from '../network/env/env.ts'
import type { Transport } from '../network/transport/contract.ts'
import { transportsOf } from '../network/transport/transports.ts'
import { Failure } from './failure.ts'
import { finderOf } from './find-managers.ts'
import { type Home, locateHome } from './home.ts'
import { liveState } from './home-lock.ts'
import type { ClusterOptions } from './options.ts'

export interface Access {
  readonly credentials: MemberCredentials
  readonly role: AdmissionRole
  readonly managers: readonly string[]
  readonly directory: string
}

/** A command acts as an administrator where it can; a mount needs no more than a client's key. */
export type Purpose = 'command' | 'mount'

/** @throws Failure when this machine was let into no cluster, or that of its home is not running. */
export async function accessFor(
  options: ClusterOptions,
  purpose: Purpose = 'command',
): Promise<Access> {
  const home = await locateHome(options.home)
  const kept = await keptIn(home, options.credentials, purpose)
  if (options.manager === undefined && options.credentials === undefined) await assertRuns(home)
  if (kept === null) throw noCredentials(home, options.credentials)
  const running = options.credentials === undefined ? await liveState(home) : null
  const { credentials, role, directory } = kept
  const managers = options.manager ?? running?.managers ?? kept.managers
  return { credentials, role, directory, managers }
}

/** @throws Failure for whoever's key will not do: a server would cut it off. */
export function assertAdministrates({ role, directory }: Access): void {
  if (role === 'admin') return
  throw new Failure(
    `${directory} has a ${role}'s key, and this takes an administrator's: ask one for a token ('rookery token create ` +
      "--role admin'), then 'rookery join TOKEN'",
  )
}

/** What a client is made with, for whoever has access. */
export interface ClientAccess {
  readonly credentials: MemberCredentials
  readonly managers: readonly string[]
  readonly transports: readonly Transport[]
  readonly remember: (managers: readonly string[]) => void
  readonly find: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined
}

export function clientAccess(env: Env, { credentials, managers, directory }: Access): ClientAccess {
  return {
    credentials,
    managers,
    transports: transportsOf(env, credentials.identity),
    find: finderOf(env, credentials.cluster, managers),
    remember: rememberIn(directory),
  }
}

/** Writes down where the managers are; a directory that cannot be written to is left as it is. */
export function rememberIn(directory: string): (managers: readonly string[]) => void {
  return managers => {
    keepManagers(directory, managers).catch((error: unknown) => {
      process.emitWarning(`where the managers are is not remembered in ${directory}: ${error}`)
    })
  }
}

export function adminDirectory(home: Home): string {
  return join(home.directory, 'admin')
}

export function clientDirectory(home: Home): string {
  return join(home.directory, 'client')
}

async function keptIn(
  home: Home,
  named: string | undefined,
  purpose: Purpose,
): Promise<KeptCredentials | null> {
  const top = named ?? home.directory
  const admin = [join(top, 'admin'), join(top, 'manager', 'admin')]
  const client = [join(top, 'client')]
  const places = purpose === 'mount' ? [...client, ...admin] : [...admin, ...client]
  for (const place of named === undefined ? places : [named, ...places]) {
    const kept = await readCredentials(place)
    if (kept !== null) return kept
  }
  return null
}

/** In a home of `up` the cluster is this machine's own, and asking elsewhere makes no sense. */
async function assertRuns(home: Home): Promise<void> {
  if ((await home.readSettings()) === null || (await liveState(home)) !== null) return
  throw new Failure(
    `no cluster is running in ${home.directory}: start it with 'rookery up', or name another with --credentials`,
  )
}

function noCredentials(home: Home, named: string | undefined): Failure {
  if (named !== undefined) {
    return new Failure(`${named} holds no credentials: 'rookery join TOKEN' gets some`)
  }
  return new Failure(
    `this machine was let into no cluster (nothing in ${home.directory}): ask an administrator for a token, then ` +
      "'rookery join TOKEN'; or start a cluster with 'rookery up'",
  )
}
