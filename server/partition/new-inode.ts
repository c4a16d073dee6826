/** How an inode begins its life: what it takes from its parent and what from its creator. */
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Inode } from '../metadata/inode.ts'

const setgid = 0o2000

export interface NewInode {
  readonly ino: Ino
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly target: Uint8Array
  readonly nowNs: bigint
}

/** What a directory hands down to what is made in it. */
export type Inherited = Pick<Attributes, 'ino' | 'mode' | 'gid' | 'blockBytes' | 'inlineBytes'>

/** In a setgid directory the group is the directory's, and subdirectories are setgid too (inode(7)). */
export function newInode(parent: Inherited, init: NewInode): Inode {
  const directory = isDirectory(init.mode)
  const inherits = (parent.mode & setgid) !== 0
  return {
    ino: init.ino,
    mode: inherits && directory ? init.mode | setgid : init.mode,
    nlink: directory ? 2 : 1,
    uid: init.uid,
    gid: inherits ? parent.gid : init.gid,
    rdev: init.rdev,
    size: (init.mode & fileType.mask) === fileType.symlink ? init.target.length : 0,
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
    parent: directory ? parent.ino : 0,
    target: init.target,
  }
}
