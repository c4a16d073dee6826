/** How an inode begins its life: what it takes from its parent and what from its creator. */
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { type Inode, noShards } from '../metadata/inode.ts'
import { inlineKey, inodeKey, xattrsKey } from '../metadata/keys.ts'
import { defaultAclOf, writeInheriting } from './acls.ts'
import type { Batch } from './batch.ts'
import { writeInode } from './inodes.ts'

const setgid = 0o2000

export interface NewInode {
  readonly ino: Ino
  /** Type and permission bits. */
  readonly mode: number
  /** Taken off the mode where the parent has no default ACL. */
  readonly umask: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly target: Uint8Array
  readonly nowNs: bigint
}

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
export function addInode(batch: Batch, parent: Inherited, init: NewInode): Inode {
  batch.counts.inodes += 1
  const partition = partitionOfIno(init.ino)
  for (const key of [inodeKey, xattrsKey, inlineKey]) batch.begins(key(partition, init.ino))
  const inode = newInode(parent, init)
  const inherits = parent.defaultAcl.length > 0 && !isSymlink(init.mode)
  return inherits ? writeInheriting(batch, inode, parent.defaultAcl) : writeInode(batch, inode)
}

/** In a setgid directory the group is the directory's, and subdirectories are setgid too (inode(7)). */
export function newInode(parent: Inherited, init: NewInode): Inode {
  const directory = isDirectory(init.mode)
  const masks = parent.defaultAcl.length === 0 && !isSymlink(init.mode)
  const mode = masks ? init.mode & ~init.umask : init.mode
  const inherits = (parent.mode & setgid) !== 0
  return {
    ino: init.ino,
    mode: inherits && directory ? mode | setgid : mode,
    nlink: directory ? 2 : 1,
    uid: init.uid,
    gid: inherits ? parent.gid : init.gid,
    rdev: init.rdev,
    size: isSymlink(init.mode) ? init.target.length : 0,
    atimeNs: init.nowNs,
    mtimeNs: init.nowNs,
    ctimeNs: init.nowNs,
    change: 1,
    generation: 1,
    cuts: 0,
    reach: 0,
    reserved: 0,
    blockBytes: parent.blockBytes,
    inlineBytes: parent.inlineBytes,
    xattrFlags: 0,
    allocated: 0,
    parent: directory ? parent.ino : 0,
    volume: parent.ino === clusterRootIno ? init.ino : parent.volume,
    target: init.target,
    shards: noShards,
  }
}

function isSymlink(mode: number): boolean {
  return (mode & fileType.mask) === fileType.symlink
}
