/**
 * Changing a file's size. To zero, the data gets a new generation and the old blocks are purged behind;
 * otherwise, the blocks behind the new end have to be cut before anyone may write there again, so that a
 * later extension shows zeros: the cut is recorded in the same batch and carried out by truncation.ts.
 */
import { PosixError } from '../../network/errors.ts'
import { maxFileBytes } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { Inode } from '../metadata/inode.ts'
import { cutKey } from '../metadata/keys.ts'
import { readVerifiedInlineData, writeInlineData } from './inline-data.ts'
import { queuePurge } from './inodes.ts'
import type { OperationContext } from './operation.ts'

/** @returns what changes in the inode. @throws PosixError EFBIG. */
export function resize(context: OperationContext, inode: Inode, size: number): Partial<Inode> {
  if (size > maxFileBytes) throw new PosixError('EFBIG')
  const times = { mtimeNs: context.nowNs }
  if (size >= inode.size) return { ...times, size }
  const cuts = inode.cuts + 1
  if (inode.reach === 0) {
    const data = readVerifiedInlineData(context.batch, inode.ino)
    if (size < data.length) writeInlineData(context.batch, inode.ino, data.subarray(0, size))
  }
  if (size === 0 || inode.reach === 0)
    return { ...times, size, cuts, ...withoutBlocks(context, inode) }
  const record = Buffer.allocUnsafe(8)
  record.writeDoubleLE(size)
  context.batch.put(cutKey(partitionOfIno(inode.ino), inode.ino), record)
  return { ...times, size, cuts }
}

function withoutBlocks(context: OperationContext, inode: Inode): Partial<Inode> {
  if (inode.reserved === 0) return {}
  queuePurge(context.batch, inode)
  return { reach: 0, reserved: 0, generation: inode.generation + 1 }
}
