/** Reading and changing inodes inside an operation. */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxLinkCount } from '../../network/limits.ts'
import { type Attributes, isDirectory, isRegular } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { WriteLeased } from '../../network/wire/operations.ts'
import { xattrFlag } from '../../network/wire/xattr-names.ts'
import { attributesOf, decodeInode, encodeInode, type Inode } from '../metadata/inode.ts'
import { inlineKey, inodeKey, orphanKey, purgeKey, quotaKey, xattrsKey } from '../metadata/keys.ts'
import type { Batch } from './batch.ts'
import type { OperationContext } from './operation.ts'

const setuid = 0o4000
const setgid = 0o2000
const groupExecute = 0o010

export function findInode(batch: Batch, ino: Ino): Inode | undefined {
  const record = batch.get(inodeKey(partitionOfIno(ino), ino))
  return record === undefined ? undefined : decodeInode(record)
}

/** What the inode says of itself stays so for the caller. @returns for how long, milliseconds. */
export function leaseInode(batch: Batch, ino: Ino): number {
  return batch.lease(inodeKey(partitionOfIno(ino), ino))
}

/**
 * The same with the answer to a change of a file's data, and what it says of who else may write.
 * @param behind the caller wants to write behind.
 */
export function leaseWritten(
  batch: Batch,
  ino: Ino,
  behind: boolean,
): { readonly leaseMs: number } & WriteLeased {
  const key = inodeKey(partitionOfIno(ino), ino)
  const leaseMs = batch.lease(key)
  if (leaseMs > 0)
    return behind && batch.leaseWriting(key) ? { leaseMs, behind: true } : { leaseMs }
  const calmMs = batch.calmMs(key)
  return calmMs > 0 ? { leaseMs, calmMs } : { leaseMs }
}

/**
 * What the inode says of itself, and whether it has no extended attributes.
 * @param hasNoXattrs as is known already.
 */
export function toldAttributes(batch: Batch, inode: Inode, hasNoXattrs = false): Attributes {
  const attributes = attributesOf(inode)
  const hasNone = inode.xattrFlags === 0 && (hasNoXattrs || !hasXattrs(batch, inode.ino))
  return hasNone ? { ...attributes, xattrFlags: xattrFlag.none } : attributes
}

/** Also where the record has decayed: that is for who reads it. */
function hasXattrs(batch: Batch, ino: Ino): boolean {
  try {
    return batch.get(xattrsKey(partitionOfIno(ino), ino)) !== undefined
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'CHECKSUM') return true
    throw error
  }
}

/** @throws PosixError ESTALE when it is gone. */
export function readInode(batch: Batch, ino: Ino): Inode {
  const inode = findInode(batch, ino)
  if (inode === undefined) throw new PosixError('ESTALE', `inode ${ino} does not exist`)
  return inode
}

/** @throws PosixError ESTALE, EISDIR, EINVAL for what holds no data. */
export function readRegular(batch: Batch, ino: Ino): Inode {
  const inode = readInode(batch, ino)
  if (isDirectory(inode.mode)) throw new PosixError('EISDIR')
  if (!isRegular(inode.mode)) throw new PosixError('EINVAL', 'not a regular file')
  return inode
}

export function writeInode(batch: Batch, inode: Inode): Inode {
  batch.put(inodeKey(partitionOfIno(inode.ino), inode.ino), encodeInode(inode))
  return inode
}

/** As `writeInode`, with `change` and ctime moved on. */
export function changeInode(
  context: OperationContext,
  inode: Inode,
  changes: Partial<Inode>,
): Inode {
  return writeInode(context.batch, {
    ...inode,
    change: Math.max(inode.change + 1, context.facts.changeFloor),
    ctimeNs: context.nowNs,
    ...changes,
  })
}

/** As `changeInode`, where neither data nor size change: who has something left to write to the file may go on. */
export function changeAttributes(
  context: OperationContext,
  inode: Inode,
  changes: Partial<Inode>,
): Inode {
  const changed = changeInode(context, inode, changes)
  const key = inodeKey(partitionOfIno(inode.ino), inode.ino)
  context.batch.keepsData(key, inode.change, changed.change)
  return changed
}

/** The mode without what an ordinary user's write or chown takes away (chown(2), write(2)). */
export function withoutPrivileges(mode: number): number {
  if (isDirectory(mode)) return mode
  return mode & ~setuid & ~((mode & groupExecute) === 0 ? 0 : setgid)
}

/** Value of the record of an inode without a name that never had one, and may get one (O_TMPFILE). */
const linkableOrphan = Uint8Array.of(1)
const orphan = new Uint8Array(0)

/** The inode has no name: it goes as soon as nobody has it open. */
export function keepOrphan(batch: Batch, ino: Ino, how: { readonly linkable: boolean }): void {
  batch.put(orphanKey(partitionOfIno(ino), ino), how.linkable ? linkableOrphan : orphan)
}

/** @throws PosixError EMLINK; ENOENT for a file that has lost its last name. */
export function addLink(context: OperationContext, inode: Inode): Inode {
  if (inode.nlink >= maxLinkCount) throw new PosixError('EMLINK')
  if (inode.nlink === 0) {
    const key = orphanKey(partitionOfIno(inode.ino), inode.ino)
    if (context.batch.get(key)?.length !== linkableOrphan.length) {
      throw new PosixError('ENOENT', 'the file was removed')
    }
    context.batch.delete(key)
  }
  return changeAttributes(context, inode, { nlink: inode.nlink + 1 })
}

/** One name fewer; without the last, the inode goes as soon as nobody has it open. */
export function dropLink(context: OperationContext, inode: Inode): void {
  const left = changeAttributes(context, inode, { nlink: inode.nlink - 1 })
  if (left.nlink > 0) return
  if (context.sessions.mayBeOpen(inode.ino)) {
    keepOrphan(context.batch, inode.ino, { linkable: false })
  } else {
    removeInode(context.batch, left)
  }
}

/** Removes an inode that no name and no open file leads to, and has its blocks purged. */
export function removeInode(batch: Batch, inode: Inode): void {
  const partition = partitionOfIno(inode.ino)
  batch.delete(inodeKey(partition, inode.ino))
  if (!isDirectory(inode.mode)) batch.delete(orphanKey(partition, inode.ino))
  for (const key of [inlineKey(partition, inode.ino), xattrsKey(partition, inode.ino)]) {
    if (batch.get(key) !== undefined) batch.delete(key)
  }
  if (inode.volume === inode.ino) batch.delete(quotaKey(partition, inode.ino))
  queuePurge(batch, inode)
  batch.counts.inodes -= 1
}

/** All blocks of this generation are to be deleted, in the background. */
export function queuePurge(batch: Batch, inode: Inode): void {
  if (inode.reserved === 0) return
  const record = Buffer.allocUnsafe(8)
  record.writeDoubleLE(inode.reserved)
  batch.put(purgeKey(partitionOfIno(inode.ino), inode.ino, inode.generation), record)
}
