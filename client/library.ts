/**
 * Rookery for Node programs: a volume without a mount, shaped like node:fs/promises.
 *
 * ```ts
 * const files = await connect({ credentials: '/home/me/.rookery/client', volume: 'default' })
 * await files.writeFile('/hello.txt', 'hello')
 * await files.close()
 * ```
 */

import type { MemberCredentials } from '../network/admission/credentials.ts'
import { readCredentials } from '../network/admission/kept.ts'
import type { Env } from '../network/env/env.ts'
import { realEnv } from '../network/env/real.ts'
import { ClusterError } from '../network/errors.ts'
import { type Log, silentLog } from '../network/log.ts'
import type { Transport } from '../network/transport/contract.ts'
import type { Cluster } from './cluster/contract.ts'
import type { FileSystem } from './fs/contract.ts'
import { openVolume } from './fs/volume.ts'
import { type FilesInit, VolumeFiles } from './library/volume-files.ts'
import { type ClientOptions, connectClient } from './main.ts'

export type { Data } from './library/data.ts'
export type { DirectoryHandle } from './library/directory-handle.ts'
export type { FileHandle } from './library/file-handle.ts'
export type { FileError } from './library/node-error.ts'
export type { Path } from './library/paths.ts'
export type { BigIntStats, Dirent, Stats } from './library/stats.ts'
export type { StatFs } from './library/volume-files.ts'

export interface ConnectOptions {
  /**
   * What this program is let in by: the directory that `rookery join` left it in (`client` or `admin` of a home).
   * Nothing only where the managers ask nobody.
   */
  readonly credentials?: string | MemberCredentials | undefined
  /** Addresses of the managers; those that the credentials name unless told. */
  readonly managers?: readonly string[]
  readonly volume: string
  /** Whom new files belong to; this process's user and group unless told. */
  readonly uid?: number
  readonly gid?: number
  /** Permission bits that new files do not get; this process's own unless told. */
  readonly umask?: number
  /** What the manager lists this client as; the host's name unless told. */
  readonly name?: string
  readonly log?: Log
  readonly env?: Env
  readonly transports?: readonly Transport[]
  /** As in ClientOptions. */
  readonly remember?: ClientOptions['remember']
  readonly find?: ClientOptions['find']
  /** Ends the wait for the cluster. */
  readonly signal?: AbortSignal
}

/** A volume for as long as this connection lasts. */
export class Connection extends VolumeFiles {
  readonly #cluster: Cluster
  readonly #fileSystem: FileSystem

  constructor(cluster: Cluster, init: FilesInit) {
    super(init)
    this.#cluster = cluster
    this.#fileSystem = init.fileSystem
  }

  /** Closes what is still open and leaves the cluster. */
  async close(): Promise<void> {
    await this.#fileSystem.close()
    await this.#cluster.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * @throws ClusterError when the cluster cannot be reached, PosixError ENOENT when it has no such volume.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { env = realEnv(), log = silentLog, volume, ...rest } = options
  const { uid = process.getuid?.() ?? 0, gid = process.getgid?.() ?? 0 } = rest
  const { credentials, managers } = await accessOf(options)
  const { remember, find } = options
  const access = { credentials, managers, remember, find }
  const cluster = await connectClient({ env, log, ...access, ...clientOptions(rest) })
  try {
    const fileSystem = await openVolume(cluster, volume)
    const umask = rest.umask ?? process.umask()
    return new Connection(cluster, { fileSystem, caller: { uid, gid }, umask })
  } catch (error) {
    await cluster.close()
    throw error
  }
}

async function accessOf({ credentials, managers }: ConnectOptions) {
  if (typeof credentials !== 'string') return { credentials, managers: managers ?? [] }
  const kept = await readCredentials(credentials)
  if (kept !== null) return { credentials: kept.credentials, managers: managers ?? kept.managers }
  const text = `${credentials} holds no credentials: 'rookery join TOKEN' gets some`
  throw new ClusterError('UNREACHABLE', text)
}

type Rest = Pick<ConnectOptions, 'name' | 'transports' | 'signal'>

/** What was given of them, and nothing for what was not. */
function clientOptions({ name, transports, signal }: Rest): Rest {
  return {
    ...(name === undefined ? {} : { name }),
    ...(transports === undefined ? {} : { transports }),
    ...(signal === undefined ? {} : { signal }),
  }
}
