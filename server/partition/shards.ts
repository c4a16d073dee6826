/**
 * Where the entries of a directory are: in shards, each of which one partition holds. An operation on a name
 * works on the shard of that name, and takes from it what there is to know of the directory.
 */
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { Inode } from '../metadata/inode.ts'
import { readDirectory } from './directories.ts'
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
  readonly inode: Inode
}

/** The shard of a name. @throws PosixError ENOENT when the directory was removed, ENOTDIR. */
export function shardOf({ batch }: OperationContext, directory: Ino, _name: Name): Shard {
  const inode = readDirectory(batch, directory)
  const partition = partitionOfIno(directory)
  return {
    directory,
    partition,
    inode,
    // Only a create wants it.
    get inherited() {
      return inheritedOf(batch, inode)
    },
  }
}

/** Records that entries came or went: size counts entries, nlink counts subdirectories and 2. */
export function touchShard(
  context: OperationContext,
  { inode }: Shard,
  delta: { readonly entries: number; readonly subdirectories: number },
): void {
  changeInode(context, inode, {
    size: inode.size + delta.entries,
    nlink: inode.nlink + delta.subdirectories,
    mtimeNs: context.nowNs,
  })
}
