/** The volumes of a cluster: entries of its root directory. */
import { PosixError } from '../../network/errors.ts'
import {
  defaultBlockBytes,
  defaultInlineBytes,
  maxBlockBytes,
  maxInlineBytes,
  minBlockBytes,
} from '../../network/limits.ts'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, partitionOfIno } from '../../network/wire/ids.ts'
import type { QuotaReply } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import { contextOf } from './context.ts'
import { readdirplus } from './directory.ts'
import { checkName } from './name-rules.ts'
import { lookup, markBoth, rmdir } from './names.ts'
import { fsync } from './sync.ts'

export interface VolumeSettings {
  /** A power of two from 64 KiB to 8 MiB. */
  readonly blockBytes?: number
  /** Longest file that is kept beside its inode. */
  readonly inlineBytes?: number
}

/** null: as much as there is. */
export interface VolumeQuota {
  /** What its files may take of the disks, bytes. */
  readonly bytes: number | null
  /** How many files, directories and links there may be; its root is one. */
  readonly files: number | null
}

export interface Volume {
  readonly name: string
  readonly attributes: Attributes
}

const rootPartition = partitionOfIno(clusterRootIno)
const pageBytes = 64 * 1024

/** @throws PosixError EEXIST, EINVAL. On the servers' disks when it returns. */
export async function createVolume(
  cluster: Cluster,
  name: string,
  settings: VolumeSettings = {},
): Promise<Attributes> {
  const bytes = Buffer.from(name)
  checkName(bytes)
  const { blockBytes = defaultBlockBytes, inlineBytes = defaultInlineBytes } = settings
  checkSettings(blockBytes, inlineBytes)
  const request = {
    parent: clusterRootIno,
    name: bytes,
    mode: fileType.directory | 0o755,
    uid: 0,
    gid: 0,
    blockBytes,
    inlineBytes,
  }
  const { body, boot } = await cluster.mutate('mkdir', rootPartition, request)
  const { attributes } = body
  const context = contextOf(cluster)
  markBoth(context, rootPartition, clusterRootIno, attributes.ino, boot)
  await fsync(context, clusterRootIno)
  return attributes
}

export async function listVolumes(cluster: Cluster): Promise<readonly Volume[]> {
  const context = contextOf(cluster)
  const volumes: Volume[] = []
  let cookie = 0
  for (;;) {
    const options = { limitBytes: pageBytes }
    const page = await readdirplus(context, clusterRootIno, cookie, options)
    for (const { name, attributes } of page.entries) {
      if (attributes !== null) volumes.push({ name: Buffer.from(name).toString(), attributes })
    }
    if (page.end) return volumes
    cookie = page.next
  }
}

/**
 * Sets what the volume may take; what is left out stays as it is. Less than is used: nothing more may be taken.
 * @throws PosixError ENOENT, EINVAL; EIO when not every server could be told, which is to be repeated.
 */
export async function setQuota(
  cluster: Cluster,
  name: string,
  changes: Partial<VolumeQuota>,
): Promise<void> {
  const { ino } = await volumeNamed(cluster, name)
  const home = partitionOfIno(ino)
  const { bytes, files } = (await cluster.query('quota', home, { ino })).body
  await cluster.query('setQuota', home, { ino, bytes, files, ...changes })
}

/** With what is used, where there is a quota; otherwise that is 0. */
export async function quotaOf(cluster: Cluster, { attributes }: Volume): Promise<QuotaReply> {
  const { ino } = attributes
  return (await cluster.query('quota', partitionOfIno(ino), { ino })).body
}

async function volumeNamed(cluster: Cluster, name: string): Promise<Attributes> {
  try {
    return await lookup(contextOf(cluster), clusterRootIno, Buffer.from(name))
  } catch (error) {
    if (!(error instanceof PosixError && error.code === 'ENOENT')) throw error
    throw new PosixError('ENOENT', `there is no volume '${name}'`, { cause: error })
  }
}

/** @throws PosixError ENOTEMPTY while anything is in it, ENOENT. */
export async function deleteVolume(cluster: Cluster, name: string): Promise<void> {
  const context = contextOf(cluster)
  try {
    await rmdir(context, clusterRootIno, Buffer.from(name))
    await fsync(context, clusterRootIno)
  } catch (error) {
    if (!(error instanceof PosixError)) throw error
    if (error.code === 'ENOENT') {
      throw new PosixError('ENOENT', `there is no volume '${name}'`, { cause: error })
    }
    if (error.code !== 'ENOTEMPTY') throw error
    throw new PosixError('ENOTEMPTY', `volume '${name}' has files in it`, { cause: error })
  }
}

function checkSettings(blockBytes: number, inlineBytes: number): void {
  const power = Number.isInteger(Math.log2(blockBytes))
  if (!power || blockBytes < minBlockBytes || blockBytes > maxBlockBytes) {
    const range = `${minBlockBytes} to ${maxBlockBytes}`
    throw new PosixError('EINVAL', `blocks of ${blockBytes} bytes: a power of two from ${range}`)
  }
  if (!Number.isInteger(inlineBytes) || inlineBytes < 0 || inlineBytes > maxInlineBytes) {
    throw new PosixError('EINVAL', `inline limit ${inlineBytes}: 0 to ${maxInlineBytes} bytes`)
  }
}
