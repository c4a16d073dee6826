/** A server's two directories: claimed for it, and opened. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { claimDirectory, type Stamp } from '../network/membership/stamp.ts'
import type { KeyValueStore } from './metadata/contract.ts'
import { openLevelStore } from './metadata/level.ts'
import { gapsInLogs, type LogGap } from './metadata/log-gaps.ts'
import { RecordCache } from './metadata/record-cache.ts'

export interface Directories {
  readonly metaDirectory: string
  readonly dataDirectory: string
}

export interface ServerIdentity {
  /** Empty for a server that never joined. */
  readonly id: string
  readonly cluster: string
}

const levelDirectory = 'level'

/** Behind the keys of all partitions. */
const markKey = '\xff\xff\xfemark'

/**
 * What tells this store from any other: made with it, and lost with it. The manager is told it with each join, and so
 * knows an empty store for what it is.
 * @returns 32 hexadecimal digits, which are on the disk.
 * @throws ClusterError DISK, CHECKSUM.
 */
export async function markOf(store: KeyValueStore, random: Random): Promise<string> {
  const known = store.get(markKey)
  if (known !== undefined) return Buffer.from(known).toString('latin1')
  const mark = random.id()
  await store.batch([{ key: markKey, value: Buffer.from(mark, 'latin1') }], { sync: true })
  return mark
}

/**
 * Claims both directories, or finds that they belong together and to a server.
 * @throws ClusterError FOREIGN_DIRECTORY, WRONG_CLUSTER, NEWER_FORMAT, DISK.
 */
export async function claimDirectories(
  { metaDirectory, dataDirectory }: Directories,
  identity: ServerIdentity = { id: '', cluster: '' },
): Promise<ServerIdentity> {
  const meta = await claimDirectory(metaDirectory, { role: 'server', kind: 'meta', ...identity })
  const known = { id: meta.id, cluster: meta.cluster }
  const data = await claimDirectory(dataDirectory, { role: 'server', kind: 'data', ...known })
  assertPair(meta, metaDirectory, data, dataDirectory)
  return known
}

/** The data of one server with the index of another would be noise. */
function assertPair(meta: Stamp, metaDirectory: string, data: Stamp, dataDirectory: string): void {
  if (meta.id === data.id) return
  const text =
    `${metaDirectory} belongs to ${meta.id === '' ? 'no server yet' : `server ${meta.id}`}, ` +
    `${dataDirectory} to server ${data.id}: give the two directories of one server`
  throw new ClusterError('FOREIGN_DIRECTORY', text)
}

/**
 * To be told of, as Level says nothing of it: changes are missing that later ones may rest on.
 * @throws ClusterError DISK.
 */
export async function metadataGaps(metaDirectory: string): Promise<readonly LogGap[]> {
  const directory = join(metaDirectory, levelDirectory)
  if (!existsSync(directory)) return []
  try {
    return await gapsInLogs(directory)
  } catch (cause) {
    const text = `cannot read the logs of the metadata in ${directory}: ${String(cause)}`
    throw new ClusterError('DISK', text, { cause })
  }
}

/**
 * A server that has joined had a store: without it, an empty one would be served as all there ever was, and
 * the blocks be taken for free space.
 * @throws ClusterError IN_USE, DISK.
 */
export async function openMetadata(
  metaDirectory: string,
  { id }: Pick<ServerIdentity, 'id'>,
): Promise<KeyValueStore> {
  const directory = join(metaDirectory, levelDirectory)
  if (id !== '' && !existsSync(directory)) {
    const text = `the metadata of server ${id} is not in ${metaDirectory}: restore it from a backup`
    throw new ClusterError('DISK', text)
  }
  return new RecordCache(await openLevelStore(directory, id === ''))
}
