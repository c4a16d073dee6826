/**
 * Where the entries of a directory are: in shards, each of which one partition holds. An operation on a name
 * works on the shard of that name, and takes from it what there is to know of the directory.
 *
 * 1. The entries of a directory that is not split are one shard, in the directory's own partition, counted in
 *    its inode. Those of one that is split are counted where they are, in the partition's holding.
 * 2. Every operation on a name reads what counts its shard: who locks that has the shard to itself.
 */
import { ClusterError } from '../../network/errors.ts'
import { shardSlots } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { slotOf } from '../../network/placement/shards.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import {
  decodeHolding,
  encodeHolding,
  type HeldShard,
  type Holding,
  shardWith,
  withShard,
} from '../metadata/holding.ts'
import type { Inode } from '../metadata/inode.ts'
import { holdingKey } from '../metadata/keys.ts'
import type { Batch } from './batch.ts'
import { checkIsName, readDirectory } from './directories.ts'
import type { PartitionFacts } from './facts.ts'
import { changeInode } from './inodes.ts'
import { type Inherited, inheritedOf } from './new-inode.ts'
import type { OperationContext } from './operation.ts'

/** Whose entries, and which partition holds them. */
export interface ShardPlace {
  readonly directory: Ino
  readonly partition: number
}

export interface Shard extends ShardPlace {
  /** What the directory hands down to what is made in it. */
  readonly inherited: Inherited
  /** What counts its entries: the directory's inode, or one of the shards that are held here. */
  readonly counted: Inode | HeldShardOf
}

interface HeldShardOf {
  readonly holding: Holding
  readonly held: HeldShard
}

/**
 * The shard of a name.
 * @throws PosixError ENOENT when the directory was removed, ENOTDIR; ClusterError MISPLACED when another
 * partition has it: the directory's own knows which.
 */
export function shardOf(context: OperationContext, directory: Ino, name: Name): Shard {
  const { batch, facts } = context
  const { partition } = facts
  checkIsName(name)
  if (partitionOfIno(directory) === partition) {
    const inode = readDirectory(batch, directory)
    if (inode.shards.length === 0) return wholeShard(batch, partition, inode)
  }
  const held = heldShard(batch, { directory, partition }, slotOf(entryHash(name)))
  return { directory, partition, inherited: held.holding, counted: held }
}

function wholeShard(batch: Batch, partition: number, inode: Inode): Shard {
  return {
    directory: inode.ino,
    partition,
    counted: inode,
    // Only a create wants it.
    get inherited() {
      return inheritedOf(batch, inode)
    },
  }
}

/** @throws ClusterError MISPLACED */
export function heldShard(
  batch: Batch,
  { directory, partition }: ShardPlace,
  slot: number,
): HeldShardOf {
  const holding = findHolding(batch, partition, directory)
  const held = holding === undefined ? undefined : shardWith(holding, slot)
  if (holding !== undefined && held !== undefined) return { holding, held }
  const text = `partition ${partition} does not hold slot ${slot} of directory ${directory}`
  throw new ClusterError('MISPLACED', text)
}

export function findHolding(batch: Batch, partition: number, directory: Ino): Holding | undefined {
  const record = batch.get(holdingKey(partition, directory))
  return record === undefined ? undefined : decodeHolding(directory, record)
}

export function writeHolding(batch: Batch, partition: number, holding: Holding): void {
  batch.put(holdingKey(partition, holding.ino), encodeHolding(holding))
}

/** As an inode's `change`, it does not come again after a loss of power; all holdings share one's room. */
export function nextChange({ changeFloor }: PartitionFacts, { change }: Holding): number {
  return Math.max(change + 1, Math.floor(changeFloor / shardSlots))
}

interface Delta {
  readonly entries: number
  readonly subdirectories: number
}

/** Records that entries came or went: size counts entries, nlink counts subdirectories and 2. */
export function touchShard(context: OperationContext, shard: Shard, delta: Delta): void {
  const { counted } = shard
  const entries =
    'held' in counted ? touchHeld(context, counted, delta) : touchWhole(context, counted, delta)
  if (delta.entries > 0) context.grew(shard.directory, entries, context.client)
}

function touchWhole(context: OperationContext, inode: Inode, delta: Delta): number {
  const size = inode.size + delta.entries
  const nlink = inode.nlink + delta.subdirectories
  changeInode(context, inode, { size, nlink, mtimeNs: context.nowNs })
  return size
}

function touchHeld(
  { batch, facts, nowNs }: OperationContext,
  { holding, held }: HeldShardOf,
  delta: Delta,
): number {
  const entries = held.entries + delta.entries
  writeHolding(batch, facts.partition, {
    ...holding,
    change: nextChange(facts, holding),
    mtimeNs: nowNs,
    ctimeNs: nowNs,
    subdirectories: holding.subdirectories + delta.subdirectories,
    shards: withShard(holding, held, { ...held, entries }),
  })
  return entries
}
