/** Names of extended attributes: the namespaces of xattr(7), and those that the system itself obeys. */
import { PosixError } from '../errors.ts'
import { maxXattrNameBytes } from '../limits.ts'
import type { Name } from './message.ts'

export const accessAclName = 'system.posix_acl_access'
export const defaultAclName = 'system.posix_acl_default'
export const capabilityName = 'security.capability'

/** Bits of `Attributes.xattrFlags`: the inode has the attribute of this name; or `none` at all, which not all replies say. */
export const xattrFlag = { accessAcl: 1, defaultAcl: 2, capability: 4, none: 8 } as const

const flagByName: ReadonlyMap<string, number> = new Map([
  [accessAclName, xattrFlag.accessAcl],
  [defaultAclName, xattrFlag.defaultAcl],
  [capabilityName, xattrFlag.capability],
])

/** Whether an inode with these flags is known not to have the attribute. */
export function lacksXattr(flags: number, name: string): boolean {
  const flag = flagOfXattr(name)
  return (flags & xattrFlag.none) !== 0 || (flag !== 0 && (flags & flag) === 0)
}

/** The bit of this name, or 0. */
export function flagOfXattr(name: string): number {
  return flagByName.get(name) ?? 0
}

export function isAclName(name: string): boolean {
  return name === accessAclName || name === defaultAclName
}

const namespaces = ['user.', 'trusted.', 'security.']

export const isUserName = (name: string): boolean => name.startsWith('user.')

/**
 * The name as a string of its bytes (latin1).
 * @throws PosixError ERANGE for one that is empty or too long, EOPNOTSUPP outside of the namespaces, EINVAL
 * for a namespace and no name: as the kernel and its file systems have it.
 */
export function xattrNameOf(name: Name): string {
  if (name.length === 0 || name.length > maxXattrNameBytes) {
    throw new PosixError('ERANGE', `the name of an extended attribute has ${name.length} bytes`)
  }
  const text = Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1')
  if (isAclName(text)) return text
  const namespace = namespaces.find(prefix => text.startsWith(prefix))
  if (namespace === undefined) {
    throw new PosixError('EOPNOTSUPP', `no extended attributes are called ${text.slice(0, 40)}`)
  }
  if (text === namespace) throw new PosixError('EINVAL', `${namespace} and no name`)
  return text
}
