/**
 * Changing a file's size. To zero, the data gets a new generation and the old blocks are purged behind;
 * otherwise, the blocks behind the new end have to be cut before anyone may write there again, so that a
 * later extension shows zeros: the cut is recorded in the same batch and carried out by truncation.ts.
 */
import { PosixError } from '../../network/errors.ts'
import { maxFileBytes } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Inode } from '../metadata/inode.ts'
import { cutKey } from '../metadata/keys.ts'
import type { Batch } from './batch.ts'
import { readVerifiedInlineData, writeInlineData } from './inline-data.ts'
import { queuePurge } from './inodes.ts'
import type { OperationContext } from './operation.ts'

/**
 * @returns what changes in the inode.
 * @throws PosixError EFBIG; EIO where old data would show again; ClusterError CONFLICT, NOT_READY while
 * somebody else appends.
 */
export function resize(context: OperationContext, inode: Inode, size: number): Partial<Inode> {
  if (size > maxFileBytes) throw new PosixError('EFBIG')
  if (size > 0 && inode.reach > 0) context.grants.assertMayResize(inode, context.client, size)
  const times = { mtimeNs: context.nowNs }
  if (size > inode.size && hasPendingCut(context.batch, inode.ino)) {
    throw new PosixError('EIO', `a truncation of inode ${inode.ino} could not be finished`)
  }
  // To the size that it has: what was allocated behind the end goes (as in ext4_setattr).
  if (size > inode.size || (size === inode.size && inode.reach === 0)) return { ...times, size }
  const cuts = inode.cuts + 1
  if (inode.reach === 0) {
    const data = readVerifiedInlineData(context.batch, inode.ino)
    if (size < data.length) writeInlineData(context.batch, inode.ino, data.subarray(0, size))
    const allocated = Math.min(size, data.length)
    return { ...times, size, cuts, allocated, ...withoutBlocks(context, inode) }
  }
  if (size === 0) return { ...times, size, cuts, allocated: 0, ...withoutBlocks(context, inode) }
  recordCut(context.batch, inode.ino, size)
  return { ...times, size, cuts }
}

/** Whatever blocks there are, or may be, go; those that come have a generation of their own. */
export function withoutBlocks({ batch, facts }: OperationContext, inode: Inode): Partial<Inode> {
  if (inode.reserved === 0) return {}
  if (hasPendingCut(batch, inode.ino)) batch.delete(cutKey(partitionOfIno(inode.ino), inode.ino))
  queuePurge(batch, inode)
  const generation = Math.max(inode.generation + 1, facts.generationFloor)
  return { reach: 0, reserved: 0, generation }
}

/** Where an earlier cut could not be carried out, both are done at the lower end. */
function recordCut(batch: Batch, ino: Ino, size: number): void {
  const key = cutKey(partitionOfIno(ino), ino)
  const pending = batch.get(key)
  const record = Buffer.allocUnsafe(8)
  record.writeDoubleLE(pending === undefined ? size : Math.min(size, endOfCut(pending)))
  batch.put(key, record)
}

/** Offset of the first byte that a recorded cut takes away. */
export function endOfCut(record: Uint8Array): number {
  return Buffer.from(record.buffer, record.byteOffset, record.byteLength).readDoubleLE(0)
}

/** Whether blocks behind the end may still hold what a truncation was to take away. */
export function hasPendingCut(batch: Batch, ino: Ino): boolean {
  return batch.get(cutKey(partitionOfIno(ino), ino)) !== undefined
}
