/**
 * Rookery for Node programs: a volume without a mount, shaped like node:fs/promises.
 *
 * ```ts
 * const files = await connect({ managers: ['tcp://10.0.0.1:7400'], volume: 'default' })
 * await files.writeFile('/hello.txt', 'hello')
 * await files.close()
 * ```
 */

import type { Env } from '../network/env/env.ts'
import { realEnv } from '../network/env/real.ts'
import { type Log, silentLog } from '../network/log.ts'
import type { Transport } from '../network/transport/contract.ts'
import type { Cluster } from './cluster/contract.ts'
import type { FileSystem } from './fs/contract.ts'
import { openVolume } from './fs/volume.ts'
import { type FilesInit, VolumeFiles } from './library/volume-files.ts'
import { connectClient } from './main.ts'

export type { Data } from './library/data.ts'
export type { DirectoryHandle } from './library/directory-handle.ts'
export type { FileHandle } from './library/file-handle.ts'
export type { FileError } from './library/node-error.ts'
export type { Path } from './library/paths.ts'
export type { BigIntStats, Dirent, Stats } from './library/stats.ts'
export type { StatFs } from './library/volume-files.ts'

export interface ConnectOptions {
  /** Addresses of the managers, such as `tcp://host:7400`. */
  readonly managers: readonly string[]
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
  const { env = realEnv(), log = silentLog, managers, volume, ...rest } = options
  const { uid = process.getuid?.() ?? 0, gid = process.getgid?.() ?? 0 } = rest
  const cluster = await connectClient({ env, log, managers, ...clientOptions(rest) })
  try {
    const fileSystem = await openVolume(cluster, volume)
    const umask = rest.umask ?? process.umask()
    return new Connection(cluster, { fileSystem, caller: { uid, gid }, umask })
  } catch (error) {
    await cluster.close()
    throw error
  }
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
