/** lookup, create, readlink: names and the inodes that live beside them. */
import { PosixError } from '../../../network/errors.ts'
import { maxSymlinkBytes } from '../../../network/limits.ts'
import { fileType, type Made } from '../../../network/wire/attributes.ts'
import { partitionOfIno } from '../../../network/wire/ids.ts'
import type { CreateReply, CreateRequest, Name } from '../../../network/wire/operations.ts'
import type { Entry } from '../../metadata/entries.ts'
import type { Inode } from '../../metadata/inode.ts'
import { checkNewName, findChild, leaseChild, putChild } from '../directories.ts'
import { findInode, leaseInode, readInode, toldAttributes } from '../inodes.ts'
import { addInode } from '../new-inode.ts'
import { noPayload, type Operation, type OperationContext } from '../operation.ts'
import { type Shard, shardOf, touchShard } from '../shards.ts'
import { oneFile } from '../usage.ts'
import { checkAttributes } from './attributes.ts'

export const lookup: Operation<'lookup'> = (context, request) => {
  const { batch } = context
  const shard = shardOf(context, request.parent, request.name)
  const child = findChild(batch, shard, request.name)
  const nameMs = leaseChild(batch, shard, request.name)
  if (child === undefined) {
    return { body: { ino: 0, attributes: null, nameMs, leaseMs: 0 }, payload: noPayload }
  }
  const { ino } = child
  const inode = partitionOfIno(ino) === shard.partition ? findInode(batch, ino) : undefined
  // What a split directory says of itself takes all its shards: to be asked for by its number.
  const known = inode !== undefined && inode.shards.length === 0
  const attributes = known ? toldAttributes(batch, inode) : null
  const leaseMs = known ? leaseInode(batch, ino) : 0
  return { body: { ino, attributes, nameMs, leaseMs }, payload: noPayload }
}

/** open(2) with O_CREAT, mknod(2), symlink(2). */
export const create: Operation<'create'> = (context, request) => {
  const { batch, facts } = context
  checkAttributes(request)
  if (!(request.rdev >>> 0 === request.rdev)) throw new PosixError('EINVAL', 'no device number')
  const type = request.mode & fileType.mask
  if (type === fileType.directory || type === 0) throw new PosixError('EINVAL', 'no file type')
  if (request.target.length > maxSymlinkBytes) throw new PosixError('ENAMETOOLONG')
  const shard = shardOf(context, request.parent, request.name)
  const existing = findChild(batch, shard, request.name)
  if (existing !== undefined)
    return { body: openExisting(context, request, existing), payload: noPayload }
  checkNewName(request.name)

  context.usage.admit(batch, shard.inherited.volume, oneFile)
  const { mode, umask = 0, uid, gid, rdev, target } = request
  const ino = facts.allocateIno()
  const made = { ino, mode, umask, uid, gid, rdev, target, nowNs: context.nowNs }
  const inode = addEntry(context, shard, request.name, made)
  if (request.open) context.sessions.opened(context.client, ino)
  const quota = context.usage.isLimited(inode.volume) ? ({ limited: true } as const) : {}
  const attributes = toldAttributes(batch, inode)
  const nameMs = leaseChild(batch, shard, request.name)
  const leaseMs = leaseInode(batch, ino)
  const body = { attributes, created: true, nameMs, leaseMs, parent: null, ...quota }
  return { body, payload: noPayload }
}

/** A new inode, and its name. */
export function addEntry(context: OperationContext, shard: Shard, name: Name, made: Made): Inode {
  const inode = addInode(context.batch, shard.inherited, made)
  putChild(context.batch, shard, name, inode)
  touchShard({ ...context, nowNs: made.nowNs }, shard, { entries: 1, subdirectories: 0 })
  return inode
}

/**
 * Without O_EXCL an existing regular file is the answer. One that lives in another partition cannot be
 * opened here: the caller opens it by its number, as it does any other.
 */
function openExisting(
  context: OperationContext,
  request: CreateRequest,
  entry: Entry,
): CreateReply {
  if (request.exclusive) throw new PosixError('EEXIST')
  if (entry.type === fileType.directory) throw new PosixError('EISDIR')
  const local = partitionOfIno(entry.ino) === context.facts.partition
  if (entry.type !== fileType.regular || !local) throw new PosixError('EEXIST')
  const inode = readInode(context.batch, entry.ino)
  if (request.open) context.sessions.opened(context.client, inode.ino)
  return {
    attributes: toldAttributes(context.batch, inode),
    created: false,
    ...unleased,
    parent: null,
  }
}

const unleased = { nameMs: 0, leaseMs: 0 }

export const readlink: Operation<'readlink'> = ({ batch }, request) => {
  const inode = readInode(batch, request.ino)
  if ((inode.mode & fileType.mask) !== fileType.symlink) {
    throw new PosixError('EINVAL', 'not a symbolic link')
  }
  return { body: { target: inode.target }, payload: noPayload }
}
