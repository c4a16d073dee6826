/** Extended attributes: getxattr(2), setxattr(2), listxattr(2), removexattr(2). */
import { PosixError } from '../../../network/errors.ts'
import { maxXattrValueBytes } from '../../../network/limits.ts'
import { isDirectory, isRegular } from '../../../network/wire/attributes.ts'
import {
  flagOfXattr,
  isAclName,
  isUserName,
  xattrNameOf,
} from '../../../network/wire/xattr-names.ts'
import type { Inode } from '../../metadata/inode.ts'
import { checkBearer, setAcl } from '../acls.ts'
import { changeAttributes, readInode } from '../inodes.ts'
import { noPayload, type Operation } from '../operation.ts'
import { readXattrs, writeXattrs } from '../xattrs.ts'

const createOnly = 1
const replaceOnly = 2
const nothing = new Uint8Array(0)
const done = { body: {}, payload: noPayload } as const

export const getxattr: Operation<'getxattr'> = ({ batch }, request) => {
  const inode = readInode(batch, request.ino)
  const name = xattrNameOf(request.name)
  if (isAclName(name)) checkBearer(inode)
  const flag = flagOfXattr(name)
  if (flag !== 0 && (inode.xattrFlags & flag) === 0) throw new PosixError('ENODATA')
  const value = readXattrs(batch, request.ino).get(name)
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
  const { flags, value, killSetgid = false } = request
  const name = xattrNameOf(request.name)
  if (value.length > maxXattrValueBytes) throw new PosixError('E2BIG')
  const inode = readInode(batch, request.ino)
  if (isAclName(name)) {
    setAcl(context, inode, name, value, { killSetgid })
    return done
  }
  checkUserAttribute(inode, name)
  const xattrs = readXattrs(batch, request.ino)
  if ((flags & createOnly) !== 0 && xattrs.has(name)) throw new PosixError('EEXIST')
  if ((flags & replaceOnly) !== 0 && !xattrs.has(name)) throw new PosixError('ENODATA')
  xattrs.set(name, value)
  changeAttributes(context, inode, writeXattrs(batch, request.ino, xattrs))
  return done
}

export const removexattr: Operation<'removexattr'> = (context, request) => {
  const name = xattrNameOf(request.name)
  const inode = readInode(context.batch, request.ino)
  if (isAclName(name)) {
    // To remove an ACL that is not there is no error, unlike with other attributes.
    setAcl(context, inode, name, nothing, { killSetgid: false })
    return done
  }
  checkUserAttribute(inode, name)
  const xattrs = readXattrs(context.batch, request.ino)
  if (!xattrs.delete(name)) throw new PosixError('ENODATA')
  changeAttributes(context, inode, writeXattrs(context.batch, request.ino, xattrs))
  return done
}

/** Anybody may write to a symbolic link or a device, so users' attributes would be nobody's (xattr(7)). */
function checkUserAttribute(inode: Inode, name: string): void {
  if (!isUserName(name) || isRegular(inode.mode) || isDirectory(inode.mode)) return
  throw new PosixError('EPERM', 'only files and directories have user attributes')
}
