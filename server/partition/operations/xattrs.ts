/** Extended attributes: getxattr(2), setxattr(2), listxattr(2), removexattr(2). */
import { PosixError } from '../../../network/errors.ts'
import {
  maxXattrListBytes,
  maxXattrNameBytes,
  maxXattrRecordBytes,
  maxXattrValueBytes,
} from '../../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../../network/wire/ids.ts'
import { xattrsKey } from '../../metadata/keys.ts'
import { decodeXattrs, encodeXattrs, type Xattrs } from '../../metadata/xattrs.ts'
import type { Batch } from '../batch.ts'
import { changeInode, readInode } from '../inodes.ts'
import { noPayload, type Operation } from '../operation.ts'

const createOnly = 1
const replaceOnly = 2

export const getxattr: Operation<'getxattr'> = ({ batch }, request) => {
  readInode(batch, request.ino)
  const value = readXattrs(batch, request.ino).get(nameOf(request.name))
  if (value === undefined) throw new PosixError('ENODATA')
  return { body: { value }, payload: noPayload }
}

export const listxattr: Operation<'listxattr'> = ({ batch }, request) => {
  readInode(batch, request.ino)
  const names = [...readXattrs(batch, request.ino).keys()]
  const value = Buffer.from(names.map(name => `${name}\0`).join(''), 'latin1')
  return { body: { value }, payload: noPayload }
}

export const setxattr: Operation<'setxattr'> = (context, request) => {
  const { batch } = context
  if (request.name.length === 0 || request.name.length > maxXattrNameBytes) {
    throw new PosixError('ERANGE', 'an attribute name has 1 to 255 bytes')
  }
  if (request.value.length > maxXattrValueBytes) throw new PosixError('E2BIG')
  const inode = readInode(batch, request.ino)
  const xattrs = readXattrs(batch, request.ino)
  const name = nameOf(request.name)
  if (request.flags === createOnly && xattrs.has(name)) throw new PosixError('EEXIST')
  if (request.flags === replaceOnly && !xattrs.has(name)) throw new PosixError('ENODATA')
  xattrs.set(name, request.value)
  writeXattrs(batch, request.ino, xattrs)
  changeInode(context, inode, {})
  return { body: {}, payload: noPayload }
}

export const removexattr: Operation<'removexattr'> = (context, request) => {
  const inode = readInode(context.batch, request.ino)
  const xattrs = readXattrs(context.batch, request.ino)
  if (!xattrs.delete(nameOf(request.name))) throw new PosixError('ENODATA')
  writeXattrs(context.batch, request.ino, xattrs)
  changeInode(context, inode, {})
  return { body: {}, payload: noPayload }
}

function nameOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1')
}

function readXattrs(batch: Batch, ino: Ino): Xattrs {
  return decodeXattrs(batch.get(xattrsKey(partitionOfIno(ino), ino)))
}

/** @throws PosixError ENOSPC when they are more than one inode may have. */
function writeXattrs(batch: Batch, ino: Ino, xattrs: Xattrs): void {
  let listBytes = 0
  for (const name of xattrs.keys()) listBytes += name.length + 1
  const record = encodeXattrs(xattrs)
  if (listBytes > maxXattrListBytes || record.length > maxXattrRecordBytes) {
    throw new PosixError('ENOSPC', 'too many extended attributes on one inode')
  }
  const key = xattrsKey(partitionOfIno(ino), ino)
  if (xattrs.size === 0) batch.delete(key)
  else batch.put(key, record)
}
