/**
 * The extended attributes of an inode inside an operation.
 *
 * 1. `xattrFlags` of the inode says which of those that the system obeys are in the record: nobody has to
 *    read it to learn that there are none.
 */
import { PosixError } from '../../network/errors.ts'
import { maxXattrListBytes, maxXattrRecordBytes } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { capabilityName, flagOfXattr, xattrFlag } from '../../network/wire/xattr-names.ts'
import type { Inode } from '../metadata/inode.ts'
import { xattrsKey } from '../metadata/keys.ts'
import { decodeXattrs, encodeXattrs, type Xattrs } from '../metadata/xattrs.ts'
import type { Batch } from './batch.ts'

export function readXattrs(batch: Batch, ino: Ino): Xattrs {
  return decodeXattrs(batch.get(xattrsKey(partitionOfIno(ino), ino)))
}

/** @returns the flags that the inode must have now. @throws PosixError ENOSPC beyond what one inode may have. */
export function writeXattrs(batch: Batch, ino: Ino, xattrs: Xattrs): { xattrFlags: number } {
  const key = xattrsKey(partitionOfIno(ino), ino)
  let listBytes = 0
  let xattrFlags = 0
  for (const name of xattrs.keys()) {
    listBytes += name.length + 1
    xattrFlags |= flagOfXattr(name)
  }
  const record = encodeXattrs(xattrs)
  if (listBytes > maxXattrListBytes || record.length > maxXattrRecordBytes) {
    throw new PosixError('ENOSPC', 'too many extended attributes on one inode')
  }
  if (xattrs.size === 0) batch.delete(key)
  else batch.put(key, record)
  return { xattrFlags }
}

/** File capabilities end with a write, a truncation and a change of owner, whoever does it (capabilities(7)). */
export function withoutCapability(batch: Batch, inode: Inode): { xattrFlags?: number } {
  if ((inode.xattrFlags & xattrFlag.capability) === 0) return {}
  const xattrs = readXattrs(batch, inode.ino)
  xattrs.delete(capabilityName)
  return writeXattrs(batch, inode.ino, xattrs)
}
