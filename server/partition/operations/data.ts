/** Opening files, inline data, and the two metadata steps around a write of blocks. */
import { ClusterError, PosixError } from '../../../network/errors.ts'
import { maxFileBytes } from '../../../network/limits.ts'
import type { Reply } from '../../../network/rpc/contract.ts'
import { partitionOfIno } from '../../../network/wire/ids.ts'
import type {
  CommitWriteRequest,
  Mutation,
  QuotaShown,
  ReserveRequest,
  WriteInlineRequest,
  WriteReply,
} from '../../../network/wire/operations.ts'
import { attributesOf, type Inode } from '../../metadata/inode.ts'
import { inodeKey } from '../../metadata/keys.ts'
import {
  isChecksumOf,
  readInlineData,
  readVerifiedInlineData,
  writeInlineData,
} from '../inline-data.ts'
import {
  changeInode,
  leaseWritten,
  readRegular,
  toldAttributes,
  withoutPrivileges,
  writeInode,
} from '../inodes.ts'
import { noPayload, type Operation, type OperationContext } from '../operation.ts'
import { hasPendingCut, resize, withoutBlocks } from '../resize.ts'
import type { Amount } from '../usage.ts'
import { withoutCapability } from '../xattrs.ts'

const noChecksum = new Uint8Array(0)

export const open: Operation<'open'> = (context, request) => {
  let inode = readRegular(context.batch, request.ino)
  if (request.truncate)
    inode = changeInode(context, inode, {
      ...resize(context, inode, 0),
      ...withoutCapability(context.batch, inode),
    })
  context.sessions.opened(context.client, inode.ino)
  const attributes = attributesOf(inode)
  const told = {
    attributes,
    ...quotaShown(context, inode),
    ...leaseWritten(context.batch, inode.ino, false),
  }
  if (inode.reach > 0 || !request.wantData) {
    return { body: { ...told, inline: false, checksum: noChecksum }, payload: noPayload }
  }
  const { checksum, data } = readInlineData(context.batch, inode.ino)
  return { body: { ...told, inline: true, checksum }, payload: [data] }
}

export const readInline: Operation<'readInline'> = ({ batch }, request) => {
  const inode = readRegular(batch, request.ino)
  const attributes = attributesOf(inode)
  if (inode.reach > 0) {
    return { body: { attributes, inline: false, checksum: noChecksum }, payload: noPayload }
  }
  const { checksum, data } = readInlineData(batch, inode.ino)
  return { body: { attributes, inline: true, checksum }, payload: [data] }
}

export const writeInline: Operation<'writeInline'> = (context, request, payload) => {
  const admit = ({ volume, allocated }: Inode, bytes: number): void =>
    context.usage.admit(context.batch, volume, bytesOf(bytes - allocated))
  return { body: writeOver(context, request, payload, admit), payload: noPayload }
}

/** @param admit whether the file may take so many bytes. */
export function writeOver(
  context: OperationContext,
  request: Omit<WriteInlineRequest, keyof Mutation>,
  payload: readonly Uint8Array[],
  admit: (inode: Inode, bytes: number) => void = () => undefined,
): WriteReply {
  checkCount(request.offset)
  const inode = readRegular(context.batch, request.ino)
  checkUnchanged(inode, request.flushes)
  const length = payload.reduce((sum, piece) => sum + piece.length, 0)
  const offset = request.append ? inode.size : request.offset
  const end = offset + length
  if (inode.reach > 0 || end > inode.inlineBytes) return notWritten(inode, offset)
  if (!isChecksumOf(request.checksum, payload)) {
    throw new ClusterError('CHECKSUM', `data for inode ${inode.ino} was damaged on its way`)
  }
  const old = readVerifiedInlineData(context.batch, inode.ino)
  const data = Buffer.alloc(Math.max(old.length, end))
  data.set(old)
  let at = offset
  for (const piece of payload) {
    data.set(piece, at)
    at += piece.length
  }
  admit(inode, data.length)
  writeInlineData(context.batch, inode.ino, data)
  const size = Math.max(inode.size, end)
  return written(context, { ...inode, allocated: data.length }, offset, size, request)
}

export const punchInline: Operation<'punchInline'> = (context, request) => {
  const { offset, length } = request
  checkCount(offset)
  checkCount(length)
  const inode = readRegular(context.batch, request.ino)
  if (inode.reach > 0) return { body: notWritten(inode, offset), payload: noPayload }
  const data = Buffer.from(readVerifiedInlineData(context.batch, inode.ino))
  const end = offset + length
  const left = end >= data.length ? data.subarray(0, offset) : data.fill(0, offset, end)
  writeInlineData(context.batch, inode.ino, left)
  const stored = { ...inode, allocated: left.length }
  return { body: written(context, stored, offset, inode.size, request), payload: noPayload }
}

/** Blocks up to `reach` may exist from now on. Has its effect once however often it is repeated. */
export const reserve: Operation<'reserve'> = (context, request) => {
  const { batch, client, grants } = context
  const found = readRegular(batch, request.ino)
  checkReach(found, request.reach)
  if (request.resumes === true) return resumed(context, found, request.flushes)
  checkUnchanged(found, request.flushes)
  if (!request.exclusive) grants.release(batch, found.ino, client)
  checkCut(context, found)
  const space = spaceFor(context, found, request)
  const inline = found.reach === 0
  // Two clients that both move the inline data to block 0 would put it over what the other has written.
  const exclusive = request.exclusive || (inline && request.reach > 0)
  if (exclusive) grants.grant(batch, found.ino, client, request.slot)
  // Blocks of an attempt that came to nothing must not show: where that was an append, it is made elsewhere now.
  const inode = inline && exclusive ? { ...found, ...withoutBlocks(context, found) } : found
  const reserved = Math.max(inode.reserved, request.reach)
  const changed = { ...inode, reserved, reach: inline ? 0 : reserved }
  if (reserved > inode.reserved) writeInode(batch, changed)
  const attributes = attributesOf(changed)
  const told = { attributes, inline, ...space, ...leaseWritten(batch, inode.ino, false) }
  if (!inline) return { body: { ...told, checksum: noChecksum }, payload: noPayload }
  const { checksum, data } = readInlineData(batch, inode.ino)
  return { body: { ...told, checksum }, payload: [data] }
}

/**
 * The client has something to write that it was the only one to write, until its lease ended unheard. Who has begun to write
 * since then may have been told that nobody does so: it is to do it again, over what comes now.
 * @param left the change at which it was that.
 * @throws ClusterError STALE_WRITE when others may have changed more than attributes.
 */
function resumed(context: OperationContext, inode: Inode, left?: number): Reply<'reserve'> {
  const { batch, client, grants } = context
  const { ino, ctimeNs, change } = inode
  const key = inodeKey(partitionOfIno(ino), ino)
  if (left === undefined || !batch.isDataKept(key, left, change)) checkUnchanged(inode, left)
  const none = { inline: false, checksum: noChecksum }
  const mayBe = !grants.excludes(ino, client)
  const leaseMs = mayBe ? batch.resumeWriting(key) : 0
  if (leaseMs === 0) {
    return { body: { attributes: attributesOf(inode), leaseMs, ...none }, payload: noPayload }
  }
  const attributes = attributesOf(changeInode(context, inode, { ctimeNs, cuts: inode.cuts + 1 }))
  return { body: { attributes, leaseMs, behind: true, ...none }, payload: noPayload }
}

export const commitWrite: Operation<'commitWrite'> = (context, request) => {
  const { batch, client, grants } = context
  checkCount(request.end)
  checkDelta(request.allocated)
  const inode = readRegular(batch, request.ino)
  checkReach(inode, request.reach)
  checkUnchanged(inode, request.flushes)
  const appends = grants.holds(inode.ino, client)
  if (appends) grants.release(batch, inode.ino, client)
  else if (request.end > inode.size) grants.assertAllKnown()
  checkCut(context, inode)
  checkUndisturbed(context, inode, request)
  if (request.hold !== undefined) context.usage.release(holderOf(client, request.hold))
  if (request.spilled > 0) writeInlineData(batch, inode.ino, new Uint8Array(0))
  const before = inode.reach > 0 ? inode.allocated : 0
  const reserved = Math.max(inode.reserved, request.reach)
  const changed = {
    ...inode,
    reserved,
    reach: reserved,
    cuts: appends && inode.reach > 0 ? inode.cuts + 1 : inode.cuts,
    allocated: Math.max(0, before + request.allocated),
  }
  const size = Math.max(inode.size, request.end)
  return { body: written(context, changed, request.end, size, request), payload: noPayload }
}

/**
 * In a volume with a quota, space is held for a write from before its blocks are written until they are
 * committed. @throws AwaitsGrant
 */
function spaceFor(
  { usage, client }: OperationContext,
  { volume }: Inode,
  { hold }: ReserveRequest,
): QuotaShown {
  if (!usage.isLimited(volume)) return {}
  if (hold === undefined) return { limited: true }
  checkCount(hold.bytes)
  checkCount(hold.id)
  const held = usage.holdBytes(volume, holderOf(client, hold.id), hold.bytes, hold.most)
  return { limited: true, held }
}

/** For clients, which ask for space ahead where there is a quota. */
function quotaShown({ usage }: OperationContext, { volume }: Inode): QuotaShown {
  return usage.isLimited(volume) ? { limited: true } : {}
}

function holderOf(client: string, id: number): string {
  return `${client}:${id}`
}

function bytesOf(bytes: number): Amount {
  return { bytes, files: 0 }
}

/** What comes from outside and becomes a part of the inode. @throws ClusterError MALFORMED */
function checkCount(value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return
  throw new ClusterError('MALFORMED', `${value} is no count of blocks or bytes`)
}

/** @throws ClusterError MALFORMED; PosixError EFBIG beyond the blocks that any file can have. */
function checkReach({ blockBytes }: Inode, reach: number): void {
  checkCount(reach)
  if (reach > Math.ceil(maxFileBytes / blockBytes)) throw new PosixError('EFBIG')
}

/** @throws ClusterError STALE_WRITE when another may have changed what is written behind over it. */
export function checkUnchanged({ ino, change }: Inode, expected: number | undefined): void {
  if (expected === undefined || expected === change) return
  throw new ClusterError('STALE_WRITE', `inode ${ino} was changed since it was written behind`)
}

/** @throws ClusterError MALFORMED */
function checkDelta(bytes: number): void {
  if (Number.isSafeInteger(bytes)) return
  throw new ClusterError('MALFORMED', `${bytes} is no change of a file's space`)
}

/** @throws PosixError EIO while blocks wait to be cut: a cut made up for later would take the write away. */
function checkCut({ batch }: OperationContext, inode: Inode): void {
  if (!hasPendingCut(batch, inode.ino)) return
  throw new PosixError('EIO', `a truncation of inode ${inode.ino} could not be finished`)
}

/** @throws ClusterError STALE_WRITE when the blocks written may not be what the file should hold. */
function checkUndisturbed(
  context: OperationContext,
  inode: Inode,
  request: CommitWriteRequest,
): void {
  const same =
    request.generation === inode.generation &&
    request.cuts === inode.cuts &&
    (request.expectedSize < 0 || request.expectedSize === inode.size) &&
    (request.spilled === 0 ? inode.reach > 0 : request.spilled === inode.change)
  const raises = request.end > inode.size
  if (same && !(raises && context.grants.excludes(inode.ino, context.client))) return
  throw new ClusterError('STALE_WRITE', `inode ${inode.ino} was changed meanwhile: write again`)
}

function written(
  context: OperationContext,
  inode: Inode,
  offset: number,
  size: number,
  request: { readonly killPrivileges: boolean; readonly behind?: true },
): WriteReply {
  const changed = changeInode(context, inode, {
    size,
    mtimeNs: context.nowNs,
    mode: request.killPrivileges ? withoutPrivileges(inode.mode) : inode.mode,
    ...withoutCapability(context.batch, inode),
  })
  const attributes = toldAttributes(context.batch, changed)
  const quota = quotaShown(context, inode)
  const isFree = quota.limited !== true && !context.grants.excludes(inode.ino, context.client)
  const lease = leaseWritten(context.batch, inode.ino, request.behind === true && isFree)
  return { written: true, offset, attributes, previousChange: inode.change, ...lease, ...quota }
}

function notWritten(inode: Inode, offset: number): WriteReply {
  const attributes = attributesOf(inode)
  return { written: false, offset, attributes, previousChange: inode.change, leaseMs: 0 }
}
