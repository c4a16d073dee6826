/** What the metadata store keeps of an inode, and its encoding (version 4). */
import { ClusterError } from '../../network/errors.ts'
import { isShardMap, type ShardMap } from '../../network/placement/shards.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'

export interface Inode extends Attributes {
  /** Blocks 0 to reserved - 1 may have been written, though a file may still be inline (reach 0). */
  readonly reserved: number
  /** Of a directory: the directory that holds its entry. Else 0. */
  readonly parent: Ino
  /** The volume that counts it, by its root directory; 0 for what no volume counts. */
  readonly volume: Ino
  /** Of a symbolic link: where it points. Else empty. */
  readonly target: Uint8Array
  /**
   * Of a directory that is split: its shard map (network/placement/shards.ts). What came and went since then
   * is with its shards: `size` is 0 here, and `nlink` 2. Else empty.
   */
  readonly shards: ShardMap
}

export const noShards: ShardMap = new Uint8Array(0)

/**
 * Little-endian: u8 version, u8 log2 of blockBytes, u16 mode, then the fields below, then the target or the
 * shard map.
 */
const recordVersion = 4
const fixedBytes = 129

export function encodeInode(inode: Inode): Uint8Array {
  const tail = isDirectory(inode.mode) ? inode.shards : inode.target
  const record = Buffer.allocUnsafe(fixedBytes + tail.length)
  record[0] = recordVersion
  record[1] = Math.log2(inode.blockBytes)
  record.writeUInt16LE(inode.mode, 2)
  record.writeUInt32LE(inode.nlink, 4)
  record.writeUInt32LE(inode.uid, 8)
  record.writeUInt32LE(inode.gid, 12)
  record.writeUInt32LE(inode.rdev, 16)
  record.writeUInt32LE(inode.inlineBytes, 20)
  record.writeDoubleLE(inode.ino, 24)
  record.writeDoubleLE(inode.size, 32)
  record.writeBigInt64LE(inode.atimeNs, 40)
  record.writeBigInt64LE(inode.mtimeNs, 48)
  record.writeBigInt64LE(inode.ctimeNs, 56)
  record.writeDoubleLE(inode.change, 64)
  record.writeDoubleLE(inode.generation, 72)
  record.writeDoubleLE(inode.cuts, 80)
  record.writeDoubleLE(inode.reach, 88)
  record.writeDoubleLE(inode.reserved, 96)
  record.writeDoubleLE(inode.parent, 104)
  record[112] = inode.xattrFlags
  record.writeDoubleLE(inode.allocated, 113)
  record.writeDoubleLE(inode.volume, 121)
  record.set(tail, fixedBytes)
  return record
}

/** @throws ClusterError NEWER_FORMAT, MALFORMED. */
export function decodeInode(bytes: Uint8Array): Inode {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (record[0] !== recordVersion || record.length < fixedBytes) throw unreadable(record)
  const mode = record.readUInt16LE(2)
  const tail = record.length === fixedBytes ? noShards : record.subarray(fixedBytes)
  const directory = isDirectory(mode)
  if (directory && tail.length > 0 && !isShardMap(tail)) throw unreadable(record)
  return {
    ino: record.readDoubleLE(24),
    mode,
    nlink: record.readUInt32LE(4),
    uid: record.readUInt32LE(8),
    gid: record.readUInt32LE(12),
    rdev: record.readUInt32LE(16),
    size: record.readDoubleLE(32),
    atimeNs: record.readBigInt64LE(40),
    mtimeNs: record.readBigInt64LE(48),
    ctimeNs: record.readBigInt64LE(56),
    change: record.readDoubleLE(64),
    generation: record.readDoubleLE(72),
    cuts: record.readDoubleLE(80),
    reach: record.readDoubleLE(88),
    blockBytes: 2 ** record[1]!,
    inlineBytes: record.readUInt32LE(20),
    xattrFlags: record[112]!,
    reserved: record.readDoubleLE(96),
    parent: record.readDoubleLE(104),
    allocated: record.readDoubleLE(113),
    volume: record.readDoubleLE(121),
    target: directory ? noShards : tail,
    shards: directory ? tail : noShards,
  }
}

/** What an inode counts in its volume. */
export interface InodeShare {
  readonly volume: Ino
  readonly bytes: number
  /** One that has changed since it was made. */
  readonly isOldDirectory: boolean
}

/** @throws ClusterError NEWER_FORMAT, MALFORMED. */
export function shareOf(bytes: Uint8Array): InodeShare {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (record[0] !== recordVersion || record.length < fixedBytes) throw unreadable(record)
  const isOldDirectory = isDirectory(record.readUInt16LE(2)) && record.readDoubleLE(64) > 1
  return { volume: record.readDoubleLE(121), bytes: record.readDoubleLE(113), isOldDirectory }
}

function unreadable(record: Buffer): ClusterError {
  return (record[0] ?? 0) > recordVersion
    ? new ClusterError('NEWER_FORMAT', `an inode record has version ${record[0]}`)
    : new ClusterError('MALFORMED', `an inode record of ${record.length} bytes cannot be read`)
}

/** The part of an inode that travels. */
export function attributesOf(inode: Inode): Attributes {
  return {
    ino: inode.ino,
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size: inode.size,
    atimeNs: inode.atimeNs,
    mtimeNs: inode.mtimeNs,
    ctimeNs: inode.ctimeNs,
    change: inode.change,
    generation: inode.generation,
    cuts: inode.cuts,
    reach: inode.reach,
    blockBytes: inode.blockBytes,
    inlineBytes: inode.inlineBytes,
    xattrFlags: inode.xattrFlags,
    allocated: inode.allocated,
  }
}
