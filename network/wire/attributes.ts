/** What an inode says of itself: the fields of stat(2) and what Rookery needs beside them. */
import type { Ino } from './ids.ts'

/** File types as in the upper bits of st_mode (inode(7)). */
export const fileType = {
  mask: 0o170000,
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const

export interface Attributes {
  readonly ino: Ino
  /** Type and permission bits, as st_mode. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  /** Device number of a device node, as the kernel encodes it on the FUSE wire; else 0. */
  readonly rdev: number
  /** Bytes. Of a symbolic link, the length of its target; of a directory, the count of its entries. */
  readonly size: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Rises with every change of the inode or its data: what is cached under an older one is stale. */
  readonly change: number
  /** Names the file's blocks; rises when the file is truncated to zero. */
  readonly generation: number
  /** Rises with every truncation: tells a writer that its blocks may have been cut meanwhile. */
  readonly cuts: number
  /**
   * Blocks 0 to reach - 1 may exist. 0: the data, if any, lies inline beside the inode. Of a directory, how many shards it is
   * split into; 0: it is whole.
   */
  readonly reach: number
  /** Bytes in a block of this file; of a directory, what its new files get. */
  readonly blockBytes: number
  /** Longest file that is kept inline; of a directory, what its new files get. */
  readonly inlineBytes: number
  /** Which extended attributes that the system obeys are there, or that there are none: bits of `xattrFlag` (xattr-names.ts). */
  readonly xattrFlags: number
  /**
   * Of a regular file: bytes of data disks that its blocks take, as their servers told when they were
   * changed; or of its inline data. Else 0.
   */
  readonly allocated: number
}

/** st_blocks counts these, whatever the block size (stat(2)). */
export const statBlockBytes = 512

/** st_blocks. Of a file that may hold blocks not 0, which archivers (tar -S) take for one hole, and read nothing. */
export function statBlocksOf({ mode, size, reach, allocated }: Attributes): number {
  if (!isRegular(mode)) return Math.ceil(size / statBlockBytes)
  const least = size > 0 && reach > 0 ? 1 : 0
  return Math.max(least, Math.ceil(allocated / statBlockBytes))
}

export function isDirectory(mode: number): boolean {
  return (mode & fileType.mask) === fileType.directory
}

export function isRegular(mode: number): boolean {
  return (mode & fileType.mask) === fileType.regular
}

/** What makes a new inode. */
export interface Made {
  readonly ino: Ino
  /** Type and permission bits. */
  readonly mode: number
  /** Taken off the mode where the directory has no default ACL. */
  readonly umask: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Of a symbolic link; else empty. */
  readonly target: Uint8Array
  readonly nowNs: bigint
}

type Above = Pick<Attributes, 'mode' | 'gid' | 'blockBytes' | 'inlineBytes'>

/** In a setgid directory the group is the directory's, and subdirectories are setgid too (inode(7)). */
export function newAttributes(directory: Above, made: Made, hasDefaultAcl: boolean): Attributes {
  const { ino, uid, rdev, nowNs } = made
  const isLink = isSymlink(made.mode)
  const isBelow = isDirectory(made.mode)
  const mode = hasDefaultAcl || isLink ? made.mode : made.mode & ~made.umask
  const inherits = (directory.mode & setgid) !== 0
  return {
    ino,
    mode: inherits && isBelow ? mode | setgid : mode,
    nlink: isBelow ? 2 : 1,
    uid,
    gid: inherits ? directory.gid : made.gid,
    rdev,
    size: isLink ? made.target.length : 0,
    atimeNs: nowNs,
    mtimeNs: nowNs,
    ctimeNs: nowNs,
    change: 1,
    generation: 1,
    cuts: 0,
    reach: 0,
    blockBytes: directory.blockBytes,
    inlineBytes: directory.inlineBytes,
    xattrFlags: 0,
    allocated: 0,
  }
}

/** Names came to the directory, or went, at that time. @param change that it has since. */
export function withNames(
  directory: Attributes,
  more: number,
  { nowNs, change }: { readonly nowNs: bigint; readonly change: number },
): Attributes {
  const size = directory.size + more
  return { ...directory, size, change, mtimeNs: nowNs, ctimeNs: nowNs }
}

const setgid = 0o2000

export function isSymlink(mode: number): boolean {
  return (mode & fileType.mask) === fileType.symlink
}
