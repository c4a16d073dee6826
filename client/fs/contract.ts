/**
 * The file system as its surfaces (FUSE, library, command line) see it: POSIX semantics on inode
 * numbers. Every function throws PosixError.
 */

import type { HeldRange, RangeChange } from '../../network/locks/ranges.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { DirectoryEntry, Name, ReaddirReply } from '../../network/wire/operations.ts'
import type { RecallListener, UnleasedListener } from '../cluster/read-leases.ts'

/** On whose behalf: new inodes belong to them. */
export interface Caller {
  readonly uid: number
  readonly gid: number
  /** Taken off the mode of what they make, unless its directory has a default ACL (umask(2)); none if absent. */
  readonly umask?: number
}

export interface SetAttributes {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly atimeNs?: bigint | 'now'
  readonly mtimeNs?: bigint | 'now'
  readonly ctimeNs?: bigint
  readonly killPrivileges?: boolean
}

/** An open file; opaque to the surfaces but for these. */
export interface OpenFile {
  readonly ino: Ino
  /** As of the open. */
  readonly attributes: Attributes
  /** As far as is known now, bytes. */
  readonly size: number
  /** Pages that the kernel (or anyone) cached for this inode earlier are still true. */
  readonly keepPages: boolean
  /** The first read will move the access time. */
  readonly accessDue: boolean
}

export interface ReadOptions {
  /** Leave the access time alone (O_NOATIME). */
  readonly quiet?: boolean
  /** Somebody has asked for the attributes since the program called, or goes by leased ones: they need not be asked for again. */
  readonly asked?: boolean
}

export interface WriteOptions {
  /** Write at the end, wherever it is now (O_APPEND); `offset` is ignored. */
  readonly append?: boolean
  /** Clear setuid and setgid bits. */
  readonly killPrivileges?: boolean
  /**
   * Has the data stay as it is, and the file system's own, also when this has resolved, until what it returns is called; null where
   * that is not possible. Who calls it need not copy what gets to the servers later.
   */
  readonly lend?: Lend
}

export type Lend = () => (() => void) | null

export interface SetXattrOptions {
  /** With an access ACL: clear the setgid bit. */
  readonly killSetgid: boolean
}

/** What fallocate(2) makes of a range: space for it, a hole, or zeros with space. */
export type AllocateMode = 'allocate' | 'punch' | 'zero'

export interface AllocateOptions {
  /** The size of the file stays (FALLOC_FL_KEEP_SIZE); of a punched one it always does. */
  readonly keepSize: boolean
  readonly killPrivileges?: boolean
}

export interface CopyOptions {
  readonly killPrivileges?: boolean
}

/** Of the whole volume, in bytes. */
export interface SpaceReport {
  readonly totalBytes: number
  readonly freeBytes: number
  readonly availableBytes: number
  /** Inodes that there are, and that there is room for. */
  readonly files: number
  readonly freeFiles: number
}

/** Of a name. */
export interface Place {
  readonly parent: Ino
  readonly name: Name
}

/** What comes next follows the cookie `next`. */
export interface NamesPage extends ReaddirReply {
  /** As network/wire/directory-records.ts has them. */
  readonly records: Uint8Array
}

export interface DirectoryPage extends ReaddirReply {
  readonly entries: readonly DirectoryEntry[]
}

export interface ListOptions extends ReadOptions {
  readonly limitBytes: number
}

/** A lock on bytes of a file, or what one process asks for: as `struct flock` of fcntl(2), or flock(2). */
export interface FileLock extends RangeChange {
  /** Number of the process, or of the open file, that it belongs to. */
  readonly owner: bigint
  /** Of flock(2), which knows nothing of the others. */
  readonly flock: boolean
  /** The file is changed here in memory that programs map. */
  readonly mapped?: boolean
}

/** Locks that hold for all that use the volume, wherever they are. */
export interface FileLocks {
  /** @returns a lock of another owner that is in the way of this one; pid 0 when it is held elsewhere. */
  test(file: OpenFile, lock: FileLock): Promise<HeldRange | null>
  /**
   * Locks or unlocks.
   * @param signal ends the wait with EINTR, unless it was granted by then; null: fails with EAGAIN instead.
   * @throws PosixError EAGAIN, EINTR, EDEADLK, ENOLCK; EIO when the owner's locks were lost.
   */
  set(file: OpenFile, lock: FileLock, signal: AbortSignal | null): Promise<void>
  /** Whether what is asked for gives up an exclusive lock that begins before byte `below`. */
  givesUpExclusive(file: OpenFile, lock: FileLock, below: bigint): boolean
  /** The process closed the file once: its record locks end. null when it had none. */
  closed(file: OpenFile, owner: bigint): Promise<void> | null
}

export interface FileSystem {
  /** The directory at the top of the volume. */
  readonly root: Ino
  /** How long may a surface keep what it was told? See cache/contract.ts. */
  readonly cache: CacheAuthority
  /** What is left when a file is closed is told by `settle`: surfaces need not call `flush`, as fsync has its errors to report, too. */
  readonly writesThrough?: boolean
  /**
   * Access control lists are kept in step with modes and handed down to what is made, and file capabilities
   * end with a write: the kernel has only to obey them.
   */
  readonly keepsAcls?: boolean
  /** Without them each surface has locks of its own. Those of an open file end with `release`. */
  readonly locks?: FileLocks

  /** `.` and `..` are not entries: the kernel and the surfaces resolve them. */
  lookup(parent: Ino, name: Name): Promise<Attributes>
  getattr(ino: Ino): Promise<Attributes>
  setattr(ino: Ino, changes: SetAttributes): Promise<Attributes>
  readlink(ino: Ino): Promise<Uint8Array>

  /**
   * Creates a regular file and opens it; opens the one that is there unless `exclusive`.
   * @param mode type and permission bits.
   */
  create(
    parent: Ino,
    name: Name,
    mode: number,
    caller: Caller,
    options: { readonly exclusive: boolean; readonly truncate: boolean },
  ): Promise<{ readonly file: OpenFile; readonly attributes: Attributes }>
  /**
   * Opens a new regular file that has no name (O_TMPFILE).
   * @param options.linkable whether `link` may give it one, once.
   */
  createTemporary(
    parent: Ino,
    mode: number,
    caller: Caller,
    options: { readonly linkable: boolean },
  ): Promise<OpenFile>
  /** @param mode type and permission bits; a regular file, FIFO, socket or device node. */
  mknod(parent: Ino, name: Name, mode: number, rdev: number, caller: Caller): Promise<Attributes>
  symlink(parent: Ino, name: Name, target: Uint8Array, caller: Caller): Promise<Attributes>
  link(ino: Ino, parent: Ino, name: Name): Promise<Attributes>
  mkdir(parent: Ino, name: Name, mode: number, caller: Caller): Promise<Attributes>
  unlink(parent: Ino, name: Name): Promise<void>
  /** @param meant the directory that is to go and no other one: ESTALE. */
  rmdir(parent: Ino, name: Name, meant?: Ino): Promise<void>
  /**
   * @param flags of renameat2(2): 1 RENAME_NOREPLACE, 2 RENAME_EXCHANGE, 4 RENAME_WHITEOUT (for a `caller`).
   * @param meant the directory that is to be replaced and no other one, nor none: ESTALE.
   */
  rename(
    parent: Ino,
    name: Name,
    newParent: Ino,
    newName: Name,
    flags: number,
    caller?: Caller,
    meant?: Ino,
  ): Promise<void>

  open(ino: Ino, options: { readonly truncate: boolean }): Promise<OpenFile>
  /** Up to `length` bytes in pieces; fewer only at the end of the file. */
  read(
    file: OpenFile,
    offset: number,
    length: number,
    options?: ReadOptions,
  ): Promise<readonly Uint8Array[]>
  /**
   * Everybody sees it when this resolves; it may get to the servers a moment later, by `settle` or `fsync` at the latest,
   * which tell of it when it does not, unless the next `write` does. `data` must not change until this resolves (`lend`: until it
   * is given back).
   */
  write(file: OpenFile, offset: number, data: Uint8Array, options: WriteOptions): Promise<void>
  /**
   * fallocate(2). Space that was allocated is there for later writes; a hole gives back the space of the
   * chunks (64 KiB) that it covers. Throws ENOSPC; what had been allocated till then stays, as on ext4.
   */
  allocate(
    file: OpenFile,
    mode: AllocateMode,
    offset: number,
    length: number,
    options: AllocateOptions,
  ): Promise<void>
  /**
   * copy_file_range(2), within this file system: data goes from server to server where it can.
   * @param range the two must not overlap within one file.
   * @returns how many bytes were copied: fewer at the source's end, and where very many were asked for.
   */
  copyRange(
    source: OpenFile,
    target: OpenFile,
    range: { readonly from: number; readonly to: number; readonly length: number },
    options: CopyOptions,
  ): Promise<number>
  /**
   * lseek(2) SEEK_DATA and SEEK_HOLE. Holes are told by pages of 4 KiB, and may be shown as data within
   * a chunk that has some. @throws PosixError ENXIO at or behind the end, or when no data follows.
   */
  seek(file: OpenFile, wanted: 'data' | 'hole', offset: number): Promise<number>
  /**
   * Data and metadata of this inode are on the servers' disks.
   * @param file the open file that asks: each is told once of what a server's loss of power took.
   */
  fsync(ino: Ino, file?: OpenFile): Promise<void>
  /**
   * At close(2): what was written behind is on the servers when this resolves, or it says why not; null when there is nothing
   * to wait for.
   */
  settle?(file: OpenFile): Promise<void> | null
  /** `settle`, and what a server's loss of power is known to have taken. */
  flush(file: OpenFile): Promise<void>
  release(file: OpenFile): void

  /**
   * Names behind `cookie` (0: from the start), without `.` and `..`; none only at the end.
   * @returns also, from the start, the number that `..` has.
   */
  readdir(ino: Ino, cookie: number, options: ListOptions): Promise<NamesPage>
  /** As `readdir`, with attributes; null remains only for entries that vanished meanwhile. */
  readdirplus(ino: Ino, cookie: number, options: ListOptions): Promise<DirectoryPage>

  getxattr(ino: Ino, name: Name): Promise<Uint8Array>
  setxattr(
    ino: Ino,
    name: Name,
    value: Uint8Array,
    flags: number,
    options?: SetXattrOptions,
  ): Promise<void>
  /** Names, each closed by a NUL. */
  listxattr(ino: Ino): Promise<Uint8Array>
  removexattr(ino: Ino, name: Name): Promise<void>

  statfs(): Promise<SpaceReport>
  close(): Promise<void>
}

/**
 * "Why may I keep this?" Everything cached, in the kernel or here, is kept on this word alone: names and attributes while
 * they are leased, pages while the file's change counter is the one they were read under.
 */
export interface CacheAuthority {
  /**
   * Milliseconds that a name that leads to `ino` may be kept; 0: that there is no such name. To be asked when it is about to
   * be told: who calls it back waits for that time.
   */
  entryMs(parent: Ino, name: Name, ino: Ino): number
  /** Whether it is known that there is no such name: then `lookup` would say so without asking anybody. */
  lacks(parent: Ino, name: Name): boolean
  /** Names were moved by whoever keeps them. Resolves when what is kept of them is true where they are now. */
  renamed(moves: readonly { readonly from: Place; readonly to: Place }[]): Promise<void>
  /**
   * Milliseconds that these attributes may be kept.
   * @param isChangers who is told them has itself made the last change that this surface made.
   */
  attributesMs(attributes: Attributes, isChangers: boolean): number
  /** Whether the name still leads to what had these attributes when they were fetched, and they are as they were: it is leased. */
  isCurrent(parent: Ino, name: Name, attributes: Attributes): boolean
  /** Whether attributes that come with a listing may be kept: they are not worth fetching otherwise. */
  readonly keepsListed: boolean
  /**
   * Others are about to change what may be kept: they wait until the listener's promise is resolved.
   * @returns to be called when it is to hear no more.
   */
  onRecall(listener: RecallListener): () => void
  /**
   * The attributes of an inode may be kept no longer, as `onRecall` has it: it was made here a moment ago.
   * @returns to be called when it is to hear no more.
   */
  onUnleased(listener: UnleasedListener): () => void
  /** Whether pages read under an earlier `change` are still true now that it is `attributes.change`. */
  mayKeepPages(attributes: Attributes): boolean
  /** Nobody has changed the file but by way of this surface since its pages came in, nor can without a recall. */
  hearsOfChanges(ino: Ino): boolean
  /** Pages may have come in beside a write: they are kept no longer than until the next open. */
  doubtPages(ino: Ino): void
  /** Whether the pages are true, all of them, though the file was open: since when they were dropped. */
  arePagesTrue(attributes: Attributes): boolean
  /** All pages were dropped after the file was like this. */
  invalidatedPages(attributes: Attributes): void
}
