/**
 * POSIX access control lists (acl(5)) in the form in which they travel as extended attributes
 * (linux/posix_acl_xattr.h), and what Linux does with them: which are valid (posix_acl_valid), how they
 * and the mode follow each other (posix_acl_equiv_mode, posix_acl_chmod), and what a new file inherits
 * (posix_acl_create).
 */
import { PosixError } from '../errors.ts'
import { maxAclBytes } from '../limits.ts'

export const aclTag = {
  userObject: 0x01,
  user: 0x02,
  groupObject: 0x04,
  group: 0x08,
  mask: 0x10,
  other: 0x20,
} as const

export interface AclEntry {
  /** One of `aclTag`. */
  readonly tag: number
  /** 4 read, 2 write, 1 execute. */
  readonly permissions: number
  /** Of a named user or group its number; else `noId`. */
  readonly id: number
}

export type Acl = readonly AclEntry[]

/** ACL_UNDEFINED_ID, and no user or group at all. */
export const noId = 0xffffffff

/** Little-endian: u32 version; for each entry u16 tag, u16 permissions, u32 id. */
const version = 2
const headBytes = 4
const entryBytes = 8

export function encodeAcl(acl: Acl): Uint8Array {
  const bytes = Buffer.allocUnsafe(headBytes + acl.length * entryBytes)
  bytes.writeUInt32LE(version, 0)
  for (const [index, entry] of acl.entries()) {
    const at = headBytes + index * entryBytes
    bytes.writeUInt16LE(entry.tag, at)
    bytes.writeUInt16LE(entry.permissions, at + 2)
    bytes.writeUInt32LE(entry.id, at + 4)
  }
  return bytes
}

/**
 * A valid list; null where there is no entry, which stands for no list.
 * @throws PosixError EINVAL, EOPNOTSUPP for another version, E2BIG for more than the kernel reads.
 */
export function decodeAcl(value: Uint8Array): Acl | null {
  if (value.length === 0) return null
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (bytes.length < headBytes) throw invalid('is cut short')
  if (bytes.readUInt32LE(0) !== version) throw new PosixError('EOPNOTSUPP', 'another kind of ACL')
  if ((bytes.length - headBytes) % entryBytes !== 0) throw invalid('has an entry that is cut short')
  if (bytes.length > maxAclBytes) throw new PosixError('E2BIG', 'too many entries in an ACL')
  const acl: AclEntry[] = []
  for (let at = headBytes; at < bytes.length; at += entryBytes) {
    const tag = bytes.readUInt16LE(at)
    const id = isNamed(tag) ? bytes.readUInt32LE(at + 4) : noId
    acl.push({ tag, permissions: bytes.readUInt16LE(at + 2), id })
  }
  if (acl.length === 0) return null
  checkAcl(acl)
  return acl
}

function isNamed(tag: number): boolean {
  return tag === aclTag.user || tag === aclTag.group
}

/** Which tags may follow a tag; as in Linux, the order among named users, or groups, is free. */
const mayFollow: Readonly<Record<number, readonly number[]>> = {
  [aclTag.userObject]: [aclTag.user, aclTag.groupObject],
  [aclTag.user]: [aclTag.user, aclTag.groupObject],
  [aclTag.groupObject]: [aclTag.group, aclTag.mask, aclTag.other],
  [aclTag.group]: [aclTag.group, aclTag.mask, aclTag.other],
  [aclTag.mask]: [aclTag.other],
  [aclTag.other]: [],
}

/** @throws PosixError EINVAL */
function checkAcl(acl: Acl): void {
  let expected: readonly number[] = [aclTag.userObject]
  let named = false
  let masked = false
  for (const { tag, permissions, id } of acl) {
    if (!expected.includes(tag)) throw invalid('has its entries in another order')
    if ((permissions & ~7) !== 0) throw invalid('has permissions that do not exist')
    if (isNamed(tag) && id === noId) throw invalid('names nobody')
    named ||= isNamed(tag)
    masked ||= tag === aclTag.mask
    expected = mayFollow[tag] ?? []
  }
  if (expected.length > 0) throw invalid('lacks entries')
  if (named && !masked) throw invalid('has named entries and no mask')
}

function invalid(fault: string): PosixError {
  return new PosixError('EINVAL', `an access control list ${fault}`)
}

/** It says no more than the permission bits of a mode do. */
export function isMinimal(acl: Acl): boolean {
  return acl.length === 3
}

function permissionsOf(acl: Acl, tag: number): number | undefined {
  return acl.find(entry => entry.tag === tag)?.permissions
}

/** The nine permission bits that show an access ACL: the group's are the mask's where there is one. */
export function permissionBitsOf(acl: Acl): number {
  const owner = permissionsOf(acl, aclTag.userObject) ?? 0
  const group = permissionsOf(acl, aclTag.mask) ?? permissionsOf(acl, aclTag.groupObject) ?? 0
  return (owner << 6) | (group << 3) | (permissionsOf(acl, aclTag.other) ?? 0)
}

/** The list with the classes' permissions passed through `change`: 6 owner, 3 group, 0 other. */
function withClasses(acl: Acl, change: (permissions: number, shift: 6 | 3 | 0) => number): Acl {
  const masked = permissionsOf(acl, aclTag.mask) !== undefined
  const groupClass = masked ? aclTag.mask : aclTag.groupObject
  const shifts = new Map([
    [aclTag.userObject as number, 6 as const],
    [groupClass, 3 as const],
    [aclTag.other, 0 as const],
  ])
  return acl.map(entry => {
    const shift = shifts.get(entry.tag)
    if (shift === undefined) return entry
    return { ...entry, permissions: change(entry.permissions, shift) }
  })
}

/** An access ACL after chmod(2). */
export function withMode(acl: Acl, mode: number): Acl {
  return withClasses(acl, (_, shift) => (mode >> shift) & 7)
}

/** The access ACL of a file made in a directory with this default ACL: no more than `mode` allows. */
export function inheritedAcl(defaultAcl: Acl, mode: number): Acl {
  return withClasses(defaultAcl, (permissions, shift) => permissions & (mode >> shift))
}
