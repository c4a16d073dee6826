/** Requests and replies about names, inodes and small files: what a partition's primary answers. */
import type { Attributes } from './attributes.ts'
import type { AsksBehind, BehindShown } from './behind-messages.ts'
import type { Ino, Partition } from './ids.ts'
import type { Flushing, WriteLeased } from './lease-messages.ts'
import type { Mutation, Name } from './message.ts'

export interface LookupRequest {
  readonly parent: Ino
  readonly name: Name
}
/**
 * Leased: from when it asked, the client may say what the reply says for `leaseMs` without asking again, as long as its
 * term at the server is renewed and it is not called back; 0 for not at all.
 */
export interface Leased {
  readonly leaseMs: number
}
/** The same of a name, for `nameMs`, and of what it leads to, for `leaseMs`. */
export interface LeasedEntry extends Leased {
  readonly nameMs: number
}
/** `ino` 0: there is no such name. Without attributes when the inode lives in another partition: ask there with `getattr`. */
export interface EntryReply extends LeasedEntry {
  readonly ino: Ino
  readonly attributes: Attributes | null
}
export interface InoRequest {
  readonly ino: Ino
}
/** Server to server: which directory holds this directory's entry? The asker's own locks do not count. */
export interface ParentRequest {
  readonly ino: Ino
  readonly transaction: string
}
export interface ParentReply {
  readonly parent: Ino
}
export interface AttributesReply {
  readonly attributes: Attributes
}
export interface GetattrReply extends AttributesReply, Leased {}
/** Files of one partition that were read, each so many milliseconds ago. */
export interface AccessedRequest {
  readonly accesses: readonly { readonly ino: Ino; readonly agoMs: number }[]
}
/** Of those that are there still. */
export interface AccessedReply {
  readonly shown: readonly GetattrReply[]
}
/** What the directory that was changed says of itself by now; null where whoever answers would have to wait for it. */
export interface ParentShown {
  readonly parent: GetattrReply | null
}
export interface MadeReply extends AttributesReply, ParentShown {}
/** Absent fields stay as they are. Times: nanoseconds since 1970, or 'now' for the server's clock. */
export interface SetattrRequest extends Mutation {
  readonly ino: Ino
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly atimeNs?: bigint | 'now'
  readonly mtimeNs?: bigint | 'now'
  readonly ctimeNs?: bigint
  /** Clear setuid and setgid as a write or chown by an ordinary user does (FATTR_KILL_SUIDGID). */
  readonly killPrivileges?: boolean
}
/** open(O_CREAT), mknod(2), symlink(2): everything that gets its inode beside its entry. */
export interface CreateRequest extends Mutation, AsksBehind {
  readonly parent: Ino
  readonly name: Name
  /** Type and permission bits. */
  readonly mode: number
  /** Taken off the mode where the directory has no default ACL (umask(2)); none when absent. */
  readonly umask?: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Target of a symbolic link, else empty. */
  readonly target: Uint8Array
  /** Fail with EEXIST when the name exists; otherwise an existing regular file is the answer. */
  readonly exclusive: boolean
  /** Count the file as open by this client, as `open` does. */
  readonly open: boolean
}
/** The lease is on the new inode alone. */
export interface CreateReply extends QuotaShown, LeasedEntry, ParentShown, BehindShown {
  readonly attributes: Attributes
  readonly created: boolean
}
/** open(O_TMPFILE): a regular file without a name, open for this client. */
export interface CreateTemporaryRequest extends Mutation {
  /** The directory that it takes its settings, group and default ACL from. */
  readonly parent: Ino
  readonly mode: number
  readonly umask: number
  readonly uid: number
  readonly gid: number
  /** Whether linkat(2) may give it a name: not with O_EXCL. */
  readonly linkable: boolean
}
export interface MkdirRequest extends Mutation {
  readonly parent: Ino
  readonly name: Name
  readonly mode: number
  /** As in CreateRequest. */
  readonly umask?: number
  readonly uid: number
  readonly gid: number
  /** Settings of a new volume; a directory inherits its parent's. */
  readonly blockBytes?: number
  readonly inlineBytes?: number
}
export interface RemoveRequest extends Mutation, AsksBehind {
  readonly parent: Ino
  readonly name: Name
  /** rmdir: the directory that is to be removed and no other one, ESTALE. */
  readonly meant?: Ino
  /** The inode that the caller takes it for, of which it keeps nothing meanwhile; 0 when it knows of none. */
  readonly known?: Ino
}
export interface RemoveReply extends ParentShown, BehindShown {
  /** Of the removed name's inode. */
  readonly ino: Ino
}
export interface LinkRequest extends Mutation {
  readonly parent: Ino
  readonly name: Name
  readonly ino: Ino
}
/** Flags of renameat2(2): 1 RENAME_NOREPLACE, 2 RENAME_EXCHANGE. */
export interface RenameRequest extends Mutation {
  readonly parent: Ino
  readonly name: Name
  readonly newParent: Ino
  readonly newName: Name
  readonly flags: number
  /** Leave a whiteout of this owner at the old name (RENAME_WHITEOUT); not together with EXCHANGE. */
  readonly whiteout?: { readonly uid: number; readonly gid: number }
  /** The directory that is to be replaced and no other one, nor none: ESTALE. */
  readonly meant?: Ino
  /** As in RemoveRequest: what moves, and what has the new name. */
  readonly known?: Ino
  readonly knownNew?: Ino
}
/** `parent` is of the directory that had the name. */
export interface RenameReply extends ParentShown {
  readonly ino: Ino
  /** That holds the new name. */
  readonly partition: Partition
}
export interface ReadlinkRequest extends InoRequest {
  /** As in ReaddirRequest. */
  readonly quiet?: boolean
}
export interface ReadlinkReply {
  readonly target: Uint8Array
}
export interface ReaddirRequest {
  readonly ino: Ino
  /** Cookie of the last entry seen; 0 from the start. */
  readonly cookie: number
  /** Rough bound on the reply: entries stop when their names and records pass it. */
  readonly limitBytes: number
  /** Leave the directory's access time alone (O_NOATIME). */
  readonly quiet?: boolean
}
/** The names go as payload: directory-records.ts; with attributes listed-records.ts. */
export interface ReaddirReply {
  readonly end: boolean
  /** The directory that holds this one, for `..`: with the page from the start, else 0. */
  readonly parent: Ino
  /** Cookie to go on from: further entries of a split directory may be in another partition. */
  readonly next: number
}
export interface NamedEntry {
  readonly name: Name
  readonly ino: Ino
  /** File type bits, as `fileType`. */
  readonly type: number
  /** 1 to 2^52: position after this entry, stable while it exists. */
  readonly cookie: number
}
export interface DirectoryEntry extends NamedEntry {
  /** null where the inode lives in another partition. */
  readonly attributes: Attributes | null
}
/** Leased: what it leads to, and the attributes, if any. */
export interface ListedEntry extends DirectoryEntry, LeasedEntry {}
export interface OpenRequest extends Mutation {
  readonly ino: Ino
  /** O_TRUNC in the same step. */
  readonly truncate: boolean
  /** Send the data along when the file is inline. */
  readonly wantData: boolean
}
/** Payload: the inline data, when wanted and `inline`, checksummed by `checksum`. */
export interface OpenReply extends QuotaShown, Leased, WriteLeased {
  readonly attributes: Attributes
  readonly inline: boolean
  readonly checksum: Uint8Array
}
/** Handles of this client that were closed: a notice, or a call where it must be known to be done. */
export interface ReleaseRequest {
  readonly inos: readonly Ino[]
}
export interface ReadInlineRequest {
  readonly ino: Ino
}
/** Payload: the data of the whole file when `inline`, else none. */
export interface ReadInlineReply {
  readonly attributes: Attributes
  readonly inline: boolean
  readonly checksum: Uint8Array
}
/**
 * Payload: the data, its xxHash64 in `checksum`. Written when the file is still inline and stays within
 * its inline limit; `written: false` tells the client to take the way of blocks.
 */
export interface WriteInlineRequest extends Mutation, Flushing {
  readonly ino: Ino
  readonly offset: number
  /** Write at the end instead (O_APPEND). */
  readonly append: boolean
  readonly checksum: Uint8Array
  readonly killPrivileges: boolean
  /** Lease the inode for writing, if that may be. */
  readonly behind?: true
}
/** Makes bytes of an inline file zeros, its size unchanged; `written: false` when it is in blocks. */
export interface PunchInlineRequest extends Mutation {
  readonly ino: Ino
  readonly offset: number
  readonly length: number
  readonly killPrivileges: boolean
}
/** Of replies about a file of a volume that has a quota: writes of blocks have to ask for space ahead. */
export interface QuotaShown {
  readonly limited?: true
  /** Of the bytes that were asked for: so many are held. */
  readonly held?: number
}
export interface WriteReply extends QuotaShown, Leased, WriteLeased {
  readonly written: boolean
  /** Where an append began. */
  readonly offset: number
  readonly attributes: Attributes
  /** `change` before this write: a cache that was valid under it is valid under the new one. */
  readonly previousChange: number
}
/**
 * "Blocks up to `reach` may be written": recorded before the first of them is, so that a purge finds
 * them all. The payload of the reply is the inline data that the client has to put into block 0.
 */
export interface ReserveRequest extends Mutation, Flushing {
  readonly ino: Ino
  readonly reach: number
  /**
   * For an append, whose blocks are written where nobody else may commit meanwhile. Granted to one
   * client at a time (others: CONFLICT) until its next `commitWrite` of this inode, whatever comes of
   * it, its next `reserve` without this, the end of its session, or `appendGrantMs`. As long as
   * it holds, a `commitWrite` of anyone else that would raise the size is refused with STALE_WRITE, and a
   * `setattr` of the size with CONFLICT, but for 0.
   * Granted likewise to who moves inline data to blocks, asked for or not, unless `reach` is 0.
   */
  readonly exclusive: boolean
  /**
   * Space of the volume's quota that the write may take, until the commit with this `id`, another `reserve`
   * with it, or `quotaHoldMs`. `most`: as much of it as there is; otherwise EDQUOT when there is less.
   */
  readonly hold?: { readonly id: number; readonly bytes: number; readonly most: boolean }
  /** Nothing but to lease the inode for writing again: also at another `change` than `flushes`, where its data is known to be as it was. */
  readonly resumes?: true
}
export interface ReserveReply extends QuotaShown, Leased, WriteLeased {
  readonly attributes: Attributes
  readonly inline: boolean
  readonly checksum: Uint8Array
}
/**
 * The blocks of a write are in place: make it visible. Refused with STALE_WRITE when the file was
 * truncated since (`generation`, `cuts`), when `spilled` and the inline data changed since, or when
 * `expectedSize` is given and no longer true: the client then writes again on the newer attributes.
 */
export interface CommitWriteRequest extends Mutation, Flushing {
  readonly ino: Ino
  /** Offset behind the last byte written. */
  readonly end: number
  readonly generation: number
  readonly cuts: number
  /** `change` under which the inline data was moved to block 0; 0 when nothing was moved. */
  readonly spilled: number
  /** The size on which the offset was chosen (append, and a write that leaves a hole); -1 if any. */
  readonly expectedSize: number
  /** Reserve up to here as well, ahead of the next write; 0 for no more than there is. */
  readonly reach: number
  readonly killPrivileges: boolean
  /** What the blocks' servers said that they took for it, or gave back: added to the inode's `allocated`. */
  readonly allocated: number
  /** Ends this hold of space. */
  readonly hold?: number
  /** Lease the inode for writing, if that may be. */
  readonly behind?: true
}
/** One server's share, in bytes of its data disk. */
export interface StatfsReply {
  /** Names the disk: servers that share one share its free space too. */
  readonly disk: string
  readonly usedBytes: number
  readonly freeBytes: number
  /** Of these, what it has for itself: free in its data file. */
  readonly ownFreeBytes: number
  readonly files: number
  /** Names the disk of its metadata, and the inodes that this has room for, by their usual size. */
  readonly metaDisk: string
  readonly freeFiles: number
}
export interface GetxattrRequest {
  readonly ino: Ino
  readonly name: Name
}
export interface XattrReply {
  readonly value: Uint8Array
}
/** Flags of setxattr(2): 1 XATTR_CREATE, 2 XATTR_REPLACE. */
export interface SetxattrRequest extends Mutation {
  readonly ino: Ino
  readonly name: Name
  readonly value: Uint8Array
  readonly flags: number
  /** With an access ACL: clear setgid, as its setter is no member of the group (chmod(2)). */
  readonly killSetgid?: boolean
}
/** Value: the names, each closed by a NUL, as listxattr(2) gives them. */
export interface RemovexattrRequest extends Mutation {
  readonly ino: Ino
  readonly name: Name
}
