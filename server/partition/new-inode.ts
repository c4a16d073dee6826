/** How an inode begins its life: what it takes from its parent and what from its creator. */
import {
  type Attributes,
  isDirectory,
  isSymlink,
  type Made,
  newAttributes,
} from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { type Inode, noShards } from '../metadata/inode.ts'
import { inlineKey, inodeKey, xattrsKey } from '../metadata/keys.ts'
import { defaultAclOf, writeInheriting } from './acls.ts'
import type { Batch } from './batch.ts'
import { writeInode } from './inodes.ts'

/** All that a create needs to know of its directory: a small record that can be sent to where it is made. */
export interface Inherited
  extends Pick<Attributes, 'ino' | 'mode' | 'gid' | 'blockBytes' | 'inlineBytes'> {
  /** The volume that counts what is made in it; 0 for what no volume counts. */
  readonly volume: Ino
  /** As in the extended attribute; empty when there is none. */
  readonly defaultAcl: Uint8Array
}

/** What a directory hands down to what is made in it. */
export function inheritedOf(batch: Batch, directory: Inode): Inherited {
  const { ino, mode, gid, blockBytes, inlineBytes, volume } = directory
  return {
    ino,
    mode,
    gid,
    blockBytes,
    inlineBytes,
    volume,
    defaultAcl: defaultAclOf(batch, directory),
  }
}

/** Stages a new inode with everything it inherits. */
export function addInode(batch: Batch, parent: Inherited, made: Made): Inode {
  batch.counts.inodes += 1
  const partition = partitionOfIno(made.ino)
  for (const key of [inodeKey, xattrsKey, inlineKey]) batch.begins(key(partition, made.ino))
  const inode = newInode(parent, made)
  const inherits = parent.defaultAcl.length > 0 && !isSymlink(made.mode)
  return inherits ? writeInheriting(batch, inode, parent.defaultAcl) : writeInode(batch, inode)
}

export function newInode(parent: Inherited, made: Made): Inode {
  return {
    ...newAttributes(parent, made, parent.defaultAcl.length > 0),
    reserved: 0,
    parent: isDirectory(made.mode) ? parent.ino : 0,
    volume: parent.ino === clusterRootIno ? made.ino : parent.volume,
    target: made.target,
    shards: noShards,
  }
}
