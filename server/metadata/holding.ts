/**
 * What one partition holds of a directory that is split: its shards there, what they count, and a copy of
 * what the directory hands down to what is made in it. The record is there exactly as long as the partition
 * holds a shard; the directory's inode says which partitions do (`shards`).
 *
 * 1. An entry belongs to the directory only in the partition whose record has the slot of its hash; at any
 *    moment that is one.
 * 2. What all holdings and the inode count, added up, is what the directory counts; its times are the latest
 *    of all.
 */
import { ClusterError } from '../../network/errors.ts'
import { shardSlots } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'

/** One shard: the slots from `first` up to, but not with, `end`. */
export interface HeldShard {
  readonly first: number
  readonly end: number
  readonly entries: number
}

export interface Holding {
  /** The directory. */
  readonly ino: Ino
  /** As in the directory's inode. */
  readonly mode: number
  readonly gid: number
  readonly blockBytes: number
  readonly inlineBytes: number
  readonly volume: Ino
  readonly defaultAcl: Uint8Array
  /** Rises with every change of the record; adds to the directory's. */
  readonly change: number
  /** Since the directory's own were last brought up to date; `never` when nothing changed here. */
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly subdirectories: number
  /** In order, without overlap. */
  readonly shards: readonly HeldShard[]
}

/** Earlier than any time stamp. */
export const never = -(2n ** 63n)

/**
 * Little-endian: u8 version, u8 count of shards, u16 mode, u32 gid, u32 blockBytes, u32 inlineBytes,
 * f64 change, i64 mtime, i64 ctime, f64 subdirectories, f64 volume; for each shard u8 first, u8 end, f64 entries; then the
 * default ACL.
 */
const recordVersion = 2
const fixedBytes = 56
const shardBytes = 10

export function encodeHolding(holding: Holding): Uint8Array {
  const { shards, defaultAcl } = holding
  const aclAt = fixedBytes + shardBytes * shards.length
  const record = Buffer.allocUnsafe(aclAt + defaultAcl.length)
  record[0] = recordVersion
  record[1] = shards.length
  record.writeUInt16LE(holding.mode, 2)
  record.writeUInt32LE(holding.gid, 4)
  record.writeUInt32LE(holding.blockBytes, 8)
  record.writeUInt32LE(holding.inlineBytes, 12)
  record.writeDoubleLE(holding.change, 16)
  record.writeBigInt64LE(holding.mtimeNs, 24)
  record.writeBigInt64LE(holding.ctimeNs, 32)
  record.writeDoubleLE(holding.subdirectories, 40)
  record.writeDoubleLE(holding.volume, 48)
  let at = fixedBytes
  for (const { first, end, entries } of shards) {
    record[at] = first
    record[at + 1] = end
    record.writeDoubleLE(entries, at + 2)
    at += shardBytes
  }
  record.set(defaultAcl, aclAt)
  return record
}

/** @throws ClusterError NEWER_FORMAT, MALFORMED. */
export function decodeHolding(ino: Ino, bytes: Uint8Array): Holding {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (record[0] !== recordVersion || record.length < fixedBytes) throw unreadable(record)
  const aclAt = fixedBytes + shardBytes * record[1]!
  if (record.length < aclAt) throw unreadable(record)
  const shards: HeldShard[] = []
  for (let at = fixedBytes; at < aclAt; at += shardBytes) {
    const shard = { first: record[at]!, end: record[at + 1]!, entries: record.readDoubleLE(at + 2) }
    const from = shards.at(-1)?.end ?? 0
    if (shard.first < from || shard.end <= shard.first || shard.end > shardSlots)
      throw unreadable(record)
    shards.push(shard)
  }
  return {
    ino,
    mode: record.readUInt16LE(2),
    gid: record.readUInt32LE(4),
    blockBytes: record.readUInt32LE(8),
    inlineBytes: record.readUInt32LE(12),
    defaultAcl: record.subarray(aclAt),
    change: record.readDoubleLE(16),
    mtimeNs: record.readBigInt64LE(24),
    ctimeNs: record.readBigInt64LE(32),
    subdirectories: record.readDoubleLE(40),
    volume: record.readDoubleLE(48),
    shards,
  }
}

function unreadable(record: Buffer): ClusterError {
  return (record[0] ?? 0) > recordVersion
    ? new ClusterError('NEWER_FORMAT', `a record of held shards has version ${record[0]}`)
    : new ClusterError('MALFORMED', `a record of held shards of ${record.length} bytes`)
}

export function shardWith(holding: Holding, slot: number): HeldShard | undefined {
  for (const shard of holding.shards) if (shard.first <= slot && slot < shard.end) return shard
  return undefined
}

/** Puts `changed` where `shard` was. */
export function withShard(holding: Holding, shard: HeldShard, changed: HeldShard): HeldShard[] {
  return holding.shards.map(each => (each === shard ? changed : each))
}
