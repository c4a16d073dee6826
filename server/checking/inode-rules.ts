/** What the values of one inode have to be, whatever else there is, and how those are mended that are not. */
import {
  inoSequenceLimit,
  maxBlockBytes,
  maxFileBytes,
  maxInlineBytes,
  minBlockBytes,
} from '../../network/limits.ts'
import { fileType, isDirectory, isRegular } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { decodeAcl, permissionBitsOf } from '../../network/wire/posix-acl.ts'
import { accessAclName, flagOfXattr } from '../../network/wire/xattr-names.ts'
import { decodeInode, type Inode } from '../metadata/inode.ts'
import type { Xattrs } from '../metadata/xattrs.ts'

const types: ReadonlySet<number> = new Set([
  fileType.fifo,
  fileType.character,
  fileType.directory,
  fileType.block,
  fileType.regular,
  fileType.symlink,
  fileType.socket,
])

export function isFileType(type: number): boolean {
  return types.has(type)
}

/** What lies beside an inode and has to fit it. */
export interface Beside {
  readonly inlineBytes: number
  readonly xattrs: Xattrs
  /** First sequence of its partition that was never given out. */
  readonly nextSequence: number
  /** What a file gets that has lost its own. */
  readonly blockBytes: number
  readonly inlineLimit: number
}

/** @returns undefined when the record is none, or another inode's, or of no type. */
export function readableInode(record: Uint8Array | undefined, ino: Ino): Inode | undefined {
  if (record === undefined) return undefined
  try {
    const inode = decodeInode(record)
    return inode.ino === ino && isFileType(inode.mode & fileType.mask) ? inode : undefined
  } catch {
    // The caller finds out what is left of it.
    return undefined
  }
}

/** @returns what is wrong, or '' for a sound inode. */
export function inodeProblem(inode: Inode, beside: Beside): string {
  const mended = mendInode(inode, beside)
  const wrong: string[] = []
  for (const [field, value] of Object.entries(inode)) {
    if (!Object.is(mended[field as keyof Inode], value)) wrong.push(`${field} ${value}`)
  }
  if (inode.ino % inoSequenceLimit >= beside.nextSequence) wrong.push('a number not given out yet')
  return wrong.join(', ')
}

/** The nearest values that an inode can have. Data is never made shorter. */
export function mendInode(
  inode: Inode,
  { inlineBytes, xattrs, blockBytes, inlineLimit }: Beside,
): Inode {
  const power = Number.isInteger(Math.log2(inode.blockBytes))
  const soundBlock = power && inode.blockBytes >= minBlockBytes && inode.blockBytes <= maxBlockBytes
  const reserved = countOr(inode.reserved, 2 ** 40, 0)
  const reach = countOr(inode.reach, 2 ** 40, reserved)
  return {
    ...inode,
    mode: mendedMode(inode.mode, xattrs),
    nlink: isDirectory(inode.mode) ? Math.max(2, inode.nlink) : inode.nlink,
    size: mendedSize(inode, reach === 0 ? inlineBytes : 0),
    change: countOr(inode.change, Number.MAX_SAFE_INTEGER, 1),
    generation: Math.max(1, countOr(inode.generation, 2 ** 32 - 1, 1)),
    cuts: countOr(inode.cuts, Number.MAX_SAFE_INTEGER, 0),
    reserved: Math.max(reserved, reach),
    reach,
    parent: isDirectory(inode.mode) ? countOr(inode.parent, Number.MAX_SAFE_INTEGER, 0) : 0,
    allocated: countOr(inode.allocated, maxFileBytes, 0),
    blockBytes: soundBlock ? inode.blockBytes : blockBytes,
    inlineBytes: countOr(inode.inlineBytes, maxInlineBytes, inlineLimit),
    xattrFlags: [...xattrs.keys()].reduce((flags, name) => flags | flagOfXattr(name), 0),
  }
}

/** The permission bits are those of the access control list, where there is one. */
function mendedMode(mode: number, xattrs: Xattrs): number {
  const acl = decodeAcl(xattrs.get(accessAclName) ?? new Uint8Array(0))
  return acl === null ? mode : (mode & ~permissionBits) | permissionBitsOf(acl)
}

const permissionBits = 0o777

function mendedSize(inode: Inode, inlineBytes: number): number {
  if ((inode.mode & fileType.mask) === fileType.symlink) return inode.target.length
  const size = countOr(inode.size, maxFileBytes, 0)
  return isRegular(inode.mode) ? Math.max(size, inlineBytes) : size
}

function countOr(value: number, most: number, otherwise: number): number {
  const sound = Number.isSafeInteger(value) && value >= 0 && value <= most
  return sound ? value : otherwise
}
