/**
 * Access control lists inside an operation (acl(5)).
 *
 * 1. The mode and the access ACL of an inode agree, and change in one batch: each shows the other's.
 * 2. An access ACL that says no more than the mode is not kept.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import {
  type Acl,
  decodeAcl,
  encodeAcl,
  inheritedAcl,
  isMinimal,
  permissionBitsOf,
  withMode,
} from '../../network/wire/posix-acl.ts'
import { accessAclName, defaultAclName, xattrFlag } from '../../network/wire/xattr-names.ts'
import type { Inode } from '../metadata/inode.ts'
import type { Xattrs } from '../metadata/xattrs.ts'
import type { Batch } from './batch.ts'
import { changeAttributes, writeInode } from './inodes.ts'
import type { OperationContext } from './operation.ts'
import { readXattrs, writeXattrs } from './xattrs.ts'

const setgid = 0o2000
const permissionBits = 0o777
const noAcl = new Uint8Array(0)

/**
 * Sets an ACL, or removes it when the value holds none.
 * @throws PosixError EOPNOTSUPP for symbolic links, EACCES for a default ACL of no directory, EINVAL.
 */
export function setAcl(
  context: OperationContext,
  inode: Inode,
  name: string,
  value: Uint8Array,
  options: { readonly killSetgid: boolean },
): void {
  const acl = decodeAcl(value)
  checkBearer(inode)
  if (name === defaultAclName && !isDirectory(inode.mode)) {
    if (acl === null) return
    throw new PosixError('EACCES', 'only a directory has a default ACL')
  }
  const xattrs = readXattrs(context.batch, inode.ino)
  const changes = writeAcl(xattrs, inode, name, acl)
  if (changes === null) return
  const mode = options.killSetgid ? changes.mode & ~setgid : changes.mode
  const bits = acl !== null && name === accessAclName ? { mode } : {}
  changeAttributes(context, inode, { ...bits, ...writeXattrs(context.batch, inode.ino, xattrs) })
}

/** Symbolic links have no permissions to control. @throws PosixError EOPNOTSUPP */
export function checkBearer(inode: Inode): void {
  if ((inode.mode & fileType.mask) === fileType.symlink) throw new PosixError('EOPNOTSUPP')
}

/** @returns the mode that goes with it; null when nothing changes. */
function writeAcl(
  xattrs: Xattrs,
  inode: Inode,
  name: string,
  acl: Acl | null,
): { readonly mode: number } | null {
  if (acl === null) return xattrs.delete(name) ? inode : null
  if (name === defaultAclName) {
    xattrs.set(name, encodeAcl(acl))
    return inode
  }
  if (isMinimal(acl)) xattrs.delete(name)
  else xattrs.set(name, encodeAcl(acl))
  return { mode: withPermissionBits(inode.mode, permissionBitsOf(acl)) }
}

function withPermissionBits(mode: number, bits: number): number {
  return (mode & ~permissionBits) | bits
}

/** chmod(2) of an inode with an access ACL: its owner, mask and other follow the mode. */
export function chmodAcl(batch: Batch, inode: Inode, mode: number): void {
  if ((inode.xattrFlags & xattrFlag.accessAcl) === 0) return
  const xattrs = readXattrs(batch, inode.ino)
  const acl = storedAcl(xattrs.get(accessAclName) ?? noAcl)
  xattrs.set(accessAclName, encodeAcl(withMode(acl, mode)))
  writeXattrs(batch, inode.ino, xattrs)
}

/** What a directory hands down; empty when it has no default ACL. */
export function defaultAclOf(batch: Batch, directory: Inode): Uint8Array {
  if ((directory.xattrFlags & xattrFlag.defaultAcl) === 0) return noAcl
  return readXattrs(batch, directory.ino).get(defaultAclName) ?? noAcl
}

/** Stages a new inode, whose mode has no umask taken off, with what it has from its directory's default ACL. */
export function writeInheriting(batch: Batch, inode: Inode, defaultAcl: Uint8Array): Inode {
  const inherited = storedAcl(defaultAcl)
  const acl = inheritedAcl(inherited, inode.mode)
  const xattrs: Xattrs = new Map()
  if (!isMinimal(acl)) xattrs.set(accessAclName, encodeAcl(acl))
  if (isDirectory(inode.mode)) xattrs.set(defaultAclName, encodeAcl(inherited))
  const mode = withPermissionBits(inode.mode, permissionBitsOf(acl))
  return writeInode(batch, { ...inode, mode, ...writeXattrs(batch, inode.ino, xattrs) })
}

/** @throws ClusterError MALFORMED for what cannot have been stored by `setAcl`. */
function storedAcl(value: Uint8Array): Acl {
  try {
    const acl = decodeAcl(value)
    if (acl !== null) return acl
  } catch (cause) {
    throw new ClusterError('MALFORMED', 'a stored ACL cannot be read', { cause })
  }
  throw new ClusterError('MALFORMED', 'a stored ACL is empty')
}
