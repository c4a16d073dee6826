/**
 * How a large directory is split: by the hashes of its names, into shards that partitions hold. The space of
 * hashes is `shardSlots` slots of equal size; a shard is a run of them, and is named by its first.
 *
 * 1. A shard's partition depends on its first slot alone: when its upper part moves away the rest stays.
 * 2. Results never change: the entries of existing directories lie where these functions said.
 */
import { maxBucketEntries, shardSlots } from '../limits.ts'
import { type Ino, type Partition, partitionOfIno } from '../wire/ids.ts'
import { hash48 } from './hash.ts'

/** First slots of a directory's shards, in order; the first of them is 0. Empty: it is not split. */
export type ShardMap = Uint8Array

const slotHashes = 2 ** 48 / shardSlots
const input = new Uint8Array(16)
const words = new DataView(input.buffer)

/** @param hash 48 bits: `entryHash` of a name; what is behind the last counts as the last. */
export function slotOf(hash: number): number {
  return Math.min(shardSlots - 1, Math.floor(hash / slotHashes))
}

/** The lowest hash in a slot; of `shardSlots`, the one behind all hashes. */
export function firstHashOf(slot: number): number {
  return slot * slotHashes
}

/** The hash of the entry that has this cookie. */
export function hashOfCookie(cookie: number): number {
  return Math.floor(cookie / maxBucketEntries)
}

/** The lowest hash that an entry behind this cookie may have. */
export function hashBehindCookie(cookie: number): number {
  return hashOfCookie(cookie + 1)
}

/** The last cookie that no entry with this hash or a higher one has. */
export function cookieBefore(hash: number): number {
  return hash * maxBucketEntries - 1
}

/** First slot of the shard that has this slot. */
export function shardAt(map: ShardMap, slot: number): number {
  let first = 0
  for (const start of map) if (start <= slot) first = start
  return first
}

/** Which partition holds the shard that begins with slot `first`. */
export function partitionOfShard(directory: Ino, first: number, partitionCount: number): Partition {
  if (first === 0) return partitionOfIno(directory)
  words.setUint32(0, directory, true)
  words.setUint32(4, directory / 2 ** 32, true)
  words.setUint32(8, first, true)
  return hash48(input) % partitionCount
}

/** All partitions that hold a part of the directory, its own among them. */
export function partitionsOf(
  directory: Ino,
  map: ShardMap,
  partitionCount: number,
): ReadonlySet<Partition> {
  const partitions = new Set<Partition>([partitionOfIno(directory)])
  for (const first of map) partitions.add(partitionOfShard(directory, first, partitionCount))
  return partitions
}

/** What comes from the wire or a disk. */
export function isShardMap(value: unknown): value is ShardMap {
  if (!(value instanceof Uint8Array) || value.length > shardSlots || value[0] !== 0) return false
  return value.every(
    (first, index) => first < shardSlots && (index === 0 || first > value[index - 1]!),
  )
}
