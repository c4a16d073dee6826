/** getattr and setattr: chmod(2), chown(2), truncate(2), utimensat(2). */

import { PosixError } from '../../../network/errors.ts'
import { fileType, isDirectory } from '../../../network/wire/attributes.ts'
import type { Mutation, SetattrRequest } from '../../../network/wire/operations.ts'
import type { Inode } from '../../metadata/inode.ts'
import { chmodAcl } from '../acls.ts'
import {
  changeAttributes,
  changeInode,
  leaseInode,
  readInode,
  readRegular,
  toldAttributes,
  withoutPrivileges,
} from '../inodes.ts'
import { noPayload, type Operation, type OperationContext } from '../operation.ts'
import { resize } from '../resize.ts'
import { withoutCapability } from '../xattrs.ts'

const maxMode = 0xffff
const maxUmask = 0o777
const maxOwner = 2 ** 32 - 2

export const getattr: Operation<'getattr'> = ({ batch, totals }, request) => {
  const inode = readInode(batch, request.ino)
  const isWhole = inode.shards.length === 0
  const attributes = toldAttributes(batch, isWhole ? inode : totals.merged(batch, inode))
  return { body: { attributes, leaseMs: leaseInode(batch, inode.ino) }, payload: noPayload }
}

export const setattr: Operation<'setattr'> = (context, request) => {
  checkAttributes(request)
  const { size } = request
  const inode =
    size === undefined
      ? readInode(context.batch, request.ino)
      : readRegular(context.batch, request.ino)
  const changes: Partial<Inode> = {
    ...capability(context, inode, request),
    ...(size === undefined ? {} : resize(context, inode, size)),
    ...ownership(inode, request),
    ...times(context, request),
  }
  if (request.mode !== undefined) chmodAcl(context.batch, inode, request.mode)
  const change = size === undefined ? changeAttributes : changeInode
  const attributes = toldAttributes(context.batch, change(context, inode, changes))
  // What blocks give back is added when they are cut; and a directory that is split counts more than its inode.
  const isWhole = size === undefined && inode.shards.length === 0
  const leaseMs = isWhole ? leaseInode(context.batch, inode.ino) : 0
  return { body: { attributes, leaseMs }, payload: noPayload }
}

/** Peers are not trusted: a record that cannot be written, or read again, is refused. */
export function checkAttributes(
  attributes: Omit<SetattrRequest, 'ino' | keyof Mutation> & { readonly umask?: number },
): void {
  const { mode, umask, uid, gid, size, atimeNs, mtimeNs, ctimeNs } = attributes
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) refuse('size', size)
  if (mode !== undefined && !isUpTo(maxMode, mode)) refuse('mode', mode)
  if (umask !== undefined && !isUpTo(maxUmask, umask)) refuse('umask', umask)
  // The highest number stands for "as it was" (chown(2)), and never gets here.
  if (uid !== undefined && !isUpTo(maxOwner, uid)) refuse('uid', uid)
  if (gid !== undefined && !isUpTo(maxOwner, gid)) refuse('gid', gid)
  if (atimeNs !== undefined && atimeNs !== 'now' && !isTime(atimeNs)) refuse('atime', atimeNs)
  if (mtimeNs !== undefined && mtimeNs !== 'now' && !isTime(mtimeNs)) refuse('mtime', mtimeNs)
  if (ctimeNs !== undefined && !isTime(ctimeNs)) refuse('ctime', ctimeNs)
}

function isUpTo(limit: number, value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= limit
}

function isTime(value: unknown): boolean {
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value
}

function refuse(field: string, value: unknown): never {
  throw new PosixError('EINVAL', `a ${field} that is ${typeof value} ${String(value).slice(0, 40)}`)
}

/** A change of owner takes setuid and setgid away from all but directories, as Linux has it (chown(2)). */
function ownership(inode: Inode, request: SetattrRequest): Partial<Inode> {
  const { mode, uid, gid } = request
  const permissions = mode === undefined ? inode.mode : withPermissions(inode.mode, mode)
  const chown = (uid !== undefined || gid !== undefined) && mode === undefined
  const kill = request.killPrivileges === true || chown
  return {
    mode: kill ? withoutPrivileges(permissions) : permissions,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }
}

function capability(
  { batch }: OperationContext,
  inode: Inode,
  { size, uid, gid, killPrivileges }: SetattrRequest,
): Partial<Inode> {
  const ends =
    size !== undefined || uid !== undefined || gid !== undefined || killPrivileges === true
  return ends && !isDirectory(inode.mode) ? withoutCapability(batch, inode) : {}
}

function withPermissions(old: number, mode: number): number {
  return (old & fileType.mask) | (mode & ~fileType.mask)
}

function times(context: OperationContext, request: SetattrRequest): Partial<Inode> {
  const { atimeNs, mtimeNs, ctimeNs } = request
  return {
    ...(atimeNs === undefined ? {} : { atimeNs: atimeNs === 'now' ? context.nowNs : atimeNs }),
    ...(mtimeNs === undefined ? {} : { mtimeNs: mtimeNs === 'now' ? context.nowNs : mtimeNs }),
    ...(ctimeNs === undefined ? {} : { ctimeNs }),
  }
}
