/** mkdir, rmdir, unlink and link: operations whose entry and inode may live in different partitions. */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxBlockBytes, maxInlineBytes, minBlockBytes } from '../../network/limits.ts'
import { partitionOfDirectory } from '../../network/placement/locate.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, partitionOfIno } from '../../network/wire/ids.ts'
import type { MkdirRequest, RequestOf } from '../../network/wire/operations.ts'
import type { Entry } from '../metadata/entries.ts'
import {
  checkNewName,
  deleteChild,
  findChild,
  putChild,
  readChild,
} from '../partition/directories.ts'
import type { Inherited } from '../partition/new-inode.ts'
import { noPayload, type OperationContext } from '../partition/operation.ts'
import { checkAttributes } from '../partition/operations/attributes.ts'
import { shardOf, touchShard } from '../partition/shards.ts'
import type { Script } from './coordinator.ts'
import { checkMeant, runLeg } from './legs.ts'
import { removeDirectory } from './wide.ts'

export const mkdir: Script<'mkdir'> = async (transaction, request) => {
  const { name, mode, umask = 0, uid, gid } = request
  checkAttributes({ mode, umask, uid, gid })
  const parent = transaction.local(context => {
    const shard = shardOf(context, request.parent, name)
    if (findChild(context.batch, shard, name) !== undefined) throw new PosixError('EEXIST')
    checkNewName(name)
    return shard.inherited
  })
  const partition = partitionOfDirectory(parent.ino, name, transaction.partitionCount)
  const attributes = await transaction.run(partition, 'makeDirectory', {
    parent: { ...parent, ...settings(parent, request) },
    mode: (mode & ~fileType.mask) | fileType.directory,
    umask,
    uid,
    gid,
  })
  transaction.local(context => {
    const shard = shardOf(context, parent.ino, name)
    putChild(context.batch, shard, name, attributes)
    touchShard(context, shard, { entries: 1, subdirectories: 1 })
  })
  return { body: { attributes, parent: null }, payload: noPayload }
}

/** A directory has its parent's settings; a volume may bring its own. */
function settings(
  parent: Inherited,
  request: MkdirRequest,
): { blockBytes: number; inlineBytes: number } {
  const blockBytes = request.blockBytes ?? parent.blockBytes
  const inlineBytes = request.inlineBytes ?? parent.inlineBytes
  const own = request.blockBytes !== undefined || request.inlineBytes !== undefined
  if (own && parent.ino !== clusterRootIno) {
    throw new ClusterError('MALFORMED', 'only a volume has settings of its own')
  }
  if (blockBytes < minBlockBytes || blockBytes > maxBlockBytes || !isPowerOfTwo(blockBytes)) {
    throw new PosixError('EINVAL', `a block of ${blockBytes} bytes`)
  }
  if (!Number.isSafeInteger(inlineBytes) || inlineBytes < 0 || inlineBytes > maxInlineBytes) {
    throw new PosixError('EINVAL', `an inline limit of ${inlineBytes} bytes`)
  }
  return { blockBytes, inlineBytes }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(Math.log2(value))
}

export const rmdir: Script<'rmdir'> = async (transaction, request) => {
  const entry = transaction.local(context => {
    const shard = shardOf(context, request.parent, request.name)
    const child = readChild(context.batch, shard, request.name)
    if (child.type !== fileType.directory) throw new PosixError('ENOTDIR')
    checkMeant(request.meant, child)
    deleteChild(context.batch, shard, request.name)
    touchShard(context, shard, { entries: -1, subdirectories: -1 })
    return child
  })
  await removeDirectory(transaction, entry.ino, entry.ino === request.known)
  return { body: { ino: entry.ino, parent: null }, payload: noPayload }
}

export const unlink: Script<'unlink'> = async (transaction, request) => {
  const { ino } = transaction.local(context => takeName(context, request))
  await transaction.run(partitionOfIno(ino), 'dropLink', { ino, known: ino === request.known })
  return { body: { ino, parent: null }, payload: noPayload }
}

/** The same of an inode that lies beside its entry: one batch. null where it does not. */
export function unlinkHere(
  context: OperationContext,
  request: RequestOf<'unlink'>,
): Reply<'unlink'> | null {
  const { ino } = takeName(context, request)
  if (partitionOfIno(ino) !== context.facts.partition) return null
  runLeg('dropLink', context, { ino, known: ino === request.known })
  return { body: { ino, parent: null }, payload: noPayload }
}

/** @returns what had the name. @throws PosixError ENOENT, EISDIR */
function takeName(context: OperationContext, request: RequestOf<'unlink'>): Entry {
  const { parent, name } = request
  const shard = shardOf(context, parent, name)
  const child = readChild(context.batch, shard, name)
  if (child.type === fileType.directory) throw new PosixError('EISDIR')
  deleteChild(context.batch, shard, name)
  touchShard(context, shard, { entries: -1, subdirectories: 0 })
  return child
}

export const link: Script<'link'> = async (transaction, request) => {
  transaction.local(context => {
    const shard = shardOf(context, request.parent, request.name)
    if (findChild(context.batch, shard, request.name) !== undefined) throw new PosixError('EEXIST')
    checkNewName(request.name)
  })
  const partition = partitionOfIno(request.ino)
  const attributes = await transaction.run(partition, 'addLink', { ino: request.ino })
  transaction.local(context => {
    const shard = shardOf(context, request.parent, request.name)
    putChild(context.batch, shard, request.name, attributes)
    touchShard(context, shard, { entries: 1, subdirectories: 0 })
  })
  return { body: { attributes, parent: null }, payload: noPayload }
}
