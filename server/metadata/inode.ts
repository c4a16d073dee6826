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
export function decodeInode(record: Uint8Array): Inode {
  if (record[0] !== recordVersion || record.length < fixedBytes) throw unreadable(record)
  const view = viewOf(record)
  const mode = view.getUint16(2, true)
  const tail = record.length === fixedBytes ? noShards : record.subarray(fixedBytes)
  const directory = isDirectory(mode)
  if (directory && tail.length > 0 && !isShardMap(tail)) throw unreadable(record)
  return {
    ino: view.getFloat64(24, true),
    mode,
    nlink: view.getUint32(4, true),
    uid: view.getUint32(8, true),
    gid: view.getUint32(12, true),
    rdev: view.getUint32(16, true),
    size: view.getFloat64(32, true),
    atimeNs: view.getBigInt64(40, true),
    mtimeNs: view.getBigInt64(48, true),
    ctimeNs: view.getBigInt64(56, true),
    change: view.getFloat64(64, true),
    generation: view.getFloat64(72, true),
    cuts: view.getFloat64(80, true),
    reach: view.getFloat64(88, true),
    blockBytes: 2 ** record[1]!,
    inlineBytes: view.getUint32(20, true),
    xattrFlags: record[112]!,
    reserved: view.getFloat64(96, true),
    parent: view.getFloat64(104, true),
    allocated: view.getFloat64(113, true),
    volume: view.getFloat64(121, true),
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
export function shareOf(record: Uint8Array): InodeShare {
  if (record[0] !== recordVersion || record.length < fixedBytes) throw unreadable(record)
  const view = viewOf(record)
  const isOldDirectory = isDirectory(view.getUint16(2, true)) && view.getFloat64(64, true) > 1
  return { volume: view.getFloat64(121, true), bytes: view.getFloat64(113, true), isOldDirectory }
}

/** Gives numbers in a fraction of the time that a Buffer takes, which is for writing: that refuses what does not fit. */
function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

function unreadable(record: Uint8Array): ClusterError {
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
    reach: isDirectory(inode.mode) ? inode.shards.length : inode.reach,
    blockBytes: inode.blockBytes,
    inlineBytes: inode.inlineBytes,
    xattrFlags: inode.xattrFlags,
    allocated: inode.allocated,
  }
}
