/**
 * Changes that a client has answered already: refused only where it cannot be helped. There was no quota then, and a full disk
 * has room for them.
 */
import { ClusterError, PosixError } from '../../../network/errors.ts'
import { fileType, isDirectory } from '../../../network/wire/attributes.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import type {
  BehindShown,
  Mutation,
  Name,
  SetattrRequest,
  SetBehindRequest,
} from '../../../network/wire/operations.ts'
import { checkNewName, deleteChild, findChild, leaseChild, readChild } from '../directories.ts'
import { dropLink, findInode, leaseInode, readInode } from '../inodes.ts'
import { noPayload, type Operation, type OperationContext } from '../operation.ts'
import { type Shard, shardOf, touchShard } from '../shards.ts'
import { checkAttributes, setattr } from './attributes.ts'
import { checkUnchanged, writeOver } from './data.ts'
import { addEntry } from './names.ts'

const noTarget = new Uint8Array(0)

export const makeBehind: Operation<'makeBehind'> = (context, request) => {
  const { batch, facts } = context
  const { parent, name, ino } = request
  checkAttributes(request)
  if ((request.mode & fileType.mask) !== fileType.regular) throw new PosixError('EINVAL')
  const shard = wholeOf(context, parent, name)
  if (findChild(batch, shard, name) !== undefined) throw new PosixError('EEXIST')
  checkNewName(name)
  const isFree = facts.isGivenOut(ino) && findInode(batch, ino) === undefined
  if (!isFree) throw new PosixError('EINVAL', `inode number ${ino} is not to be given out`)
  const made = { ...request, umask: 0, rdev: 0, target: noTarget }
  const { volume } = addEntry(context, shard, name, made)
  context.sessions.opened(context.client, ino)
  const leased = { nameMs: leaseChild(batch, shard, name), leaseMs: leaseInode(batch, ino) }
  const ends = endsIf(context.usage.isLimited(volume))
  return { body: { ...leased, ...ends, change: changeOf(context, parent) }, payload: noPayload }
}

export const removeBehind: Operation<'removeBehind'> = (context, request) => {
  const { parent, name, ino, nowNs } = request
  const shard = wholeOf(context, parent, name)
  const child = readChild(context.batch, shard, name)
  // Another took its place meanwhile: what was removed is gone already.
  if (child.ino !== ino) throw new PosixError('ENOENT')
  if (child.type === fileType.directory) throw new PosixError('EISDIR')
  deleteChild(context.batch, shard, name)
  touchShard({ ...context, nowNs }, shard, { entries: -1, subdirectories: 0 })
  dropLink({ ...context, nowNs }, readInode(context.batch, ino))
  return { body: { change: changeOf(context, parent) }, payload: noPayload }
}

export const writeBehind: Operation<'writeBehind'> = (context, request, payload) => {
  const { ino, offset, nowNs, checksum, change } = request
  const what = { ino, offset, checksum, flushes: change, append: false, killPrivileges: false }
  const reply = writeOver({ ...context, nowNs }, what, payload)
  if (!reply.written) throw new PosixError('ESTALE', `file ${ino} is not small any more`)
  const { leaseMs, limited, attributes } = reply
  const body = { leaseMs, ...endsIf(limited === true), change: attributes.change }
  return { body, payload: noPayload }
}

export const setBehind: Operation<'setBehind'> = (context, request, payload) => {
  const { ino, nowNs, change, slot, sequence } = request
  const inode = readInode(context.batch, ino)
  checkUnchanged(inode, change)
  if (isDirectory(inode.mode)) throw new PosixError('EISDIR')
  const set = { ino, slot, sequence, ...changesOf(request) }
  const { attributes, leaseMs } = setattr({ ...context, nowNs }, set, payload).body
  return { body: { leaseMs, change: attributes.change }, payload: noPayload }
}

/** Nothing else is set so. */
function changesOf(request: SetBehindRequest): Omit<SetattrRequest, 'ino' | keyof Mutation> {
  const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs } = request
  return {
    ...(mode !== undefined && { mode }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(atimeNs !== undefined && { atimeNs }),
    ...(mtimeNs !== undefined && { mtimeNs }),
    ...(ctimeNs !== undefined && { ctimeNs }),
  }
}

/** Where a volume has a quota, what is to be made can be refused. */
function endsIf(limited: boolean): BehindShown {
  return limited ? { endsBehind: true } : {}
}

/** @throws as `shardOf`; MISPLACED also where the directory is split: what was answered went by its being whole. */
function wholeOf(context: OperationContext, parent: Ino, name: Name): Shard {
  const shard = shardOf(context, parent, name)
  if (!('held' in shard.counted)) return shard
  throw new ClusterError('MISPLACED', `directory ${parent} is split`)
}

function changeOf({ batch }: OperationContext, directory: Ino): number {
  return readInode(batch, directory).change
}
