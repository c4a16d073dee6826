/** Calls of the file system by inode number, and their answers, as the model and all that is compared with it speak them. */

/** Inode number. Of what was made by a call whose answer never came it is negative until somebody sees it. */
export type ModelIno = number

interface InDirectory {
  readonly parent: ModelIno
  readonly entry: string
}

interface OfInode {
  readonly ino: ModelIno
}

export type Call =
  | ({ readonly name: 'lookup' } & InDirectory)
  | ({ readonly name: 'getattr' } & OfInode)
  | ({ readonly name: 'readdir' } & OfInode)
  | ({ readonly name: 'readlink' } & OfInode)
  | ({ readonly name: 'create'; readonly mode: number; readonly exclusive: boolean } & InDirectory)
  | ({ readonly name: 'symlink'; readonly target: string } & InDirectory)
  | ({ readonly name: 'link' } & OfInode & InDirectory)
  | ({ readonly name: 'mkdir'; readonly mode: number } & InDirectory)
  | ({ readonly name: 'unlink' } & InDirectory)
  | ({ readonly name: 'rmdir' } & InDirectory)
  | RenameCall
  | ({ readonly name: 'open'; readonly truncate: boolean } & OfInode)
  | ({ readonly name: 'release' } & OfInode)
  | ({ readonly name: 'read' } & OfInode)
  | WriteCall
  | SetattrCall
  | ({ readonly name: 'setxattr'; readonly key: string; readonly value: string } & OfInode)
  | ({ readonly name: 'getxattr'; readonly key: string } & OfInode)
  | ({ readonly name: 'removexattr'; readonly key: string } & OfInode)

export interface RenameCall extends InDirectory {
  readonly name: 'rename'
  readonly newParent: ModelIno
  readonly newEntry: string
  /** Of renameat2(2). */
  readonly flags: number
}

export interface WriteCall extends OfInode {
  readonly name: 'write'
  readonly offset: number
  readonly data: string
  readonly append: boolean
}

export interface SetattrCall extends OfInode {
  readonly name: 'setattr'
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
}

export const renameFlags = { noReplace: 1, exchange: 2 } as const

export interface SeenAttributes {
  readonly ino: ModelIno
  /** With the type. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  /** Of a directory 0: what it has for a size is nobody's business. */
  readonly size: number
}

/** What the caller was told; fields of nobody's interest are absent. */
export interface Answer {
  readonly error?: string
  readonly ino?: ModelIno
  readonly attributes?: SeenAttributes
  /** Entries as `name:ino`, sorted. */
  readonly entries?: readonly string[]
  /** Latin-1. */
  readonly data?: string
}
