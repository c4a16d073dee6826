/**
 * A FileSystem in this process's memory, with ordinary POSIX behaviour: what the surfaces are tested and
 * measured against. Permissions are the kernel's business, as with the real one.
 *
 * 1. An inode lives while it has a name or is open.
 * 2. A directory's cookies rise in the order of creation and are never used again.
 */
import { PosixError } from '../../network/errors.ts'
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import { DirectoryRecords } from '../../network/wire/directory-records.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { DirectoryEntry, Name } from '../../network/wire/operations.ts'
import type {
  AllocateMode,
  AllocateOptions,
  CacheAuthority,
  Caller,
  CopyOptions,
  DirectoryPage,
  FileSystem,
  ListOptions,
  NamesPage,
  OpenFile,
  SetAttributes,
  SpaceReport,
  WriteOptions,
} from '../fs/contract.ts'
import { checkName } from '../fs/name-rules.ts'
import { MemoryInode } from './memory-inode.ts'

const latin1 = (name: Name): string => Buffer.from(name).toString('latin1')
const noReplace = 1
const exchange = 2
const setgid = 0o2000
const createOnly = 1
const replaceOnly = 2

/** Nothing may be kept; replace it to try what keeping would do. */
export const noCaching: CacheAuthority = {
  entryMs: () => 0,
  lacks: () => false,
  renamed: async () => undefined,
  attributesMs: () => 0,
  isCurrent: () => false,
  keepsListed: false,
  onRecall: () => () => undefined,
  onUnleased: () => () => undefined,
  mayKeepPages: () => false,
  hearsOfChanges: () => false,
  doubtPages: () => {},
  arePagesTrue: () => false,
  invalidatedPages: () => {},
}

export class MemoryFileSystem implements FileSystem {
  readonly root: Ino
  readonly cache: CacheAuthority
  readonly writesThrough = true
  readonly #inodes = new Map<Ino, MemoryInode>()
  readonly #wallNs: () => bigint
  #nextIno: Ino

  constructor(options: {
    readonly wallNs: () => bigint
    readonly root?: Ino
    readonly cache?: CacheAuthority
  }) {
    this.root = options.root ?? 16
    this.cache = options.cache ?? noCaching
    this.#wallNs = options.wallNs
    this.#nextIno = this.root
    const top = this.#make(fileType.directory | 0o755, { uid: 0, gid: 0 }, 0)
    Object.assign(top, { nlink: 2, parent: this.root })
  }

  /** Files and directories that exist, and inodes kept only because they are open. */
  get inodeCount(): number {
    return this.#inodes.size
  }

  async lookup(parent: Ino, name: Name): Promise<Attributes> {
    return this.#entry(parent, name).attributes()
  }

  async getattr(ino: Ino): Promise<Attributes> {
    return this.#inode(ino).attributes()
  }

  async setattr(ino: Ino, changes: SetAttributes): Promise<Attributes> {
    const inode = this.#inode(ino)
    inode.change(changes, this.#wallNs())
    return inode.attributes()
  }

  async readlink(ino: Ino): Promise<Uint8Array> {
    const { target } = this.#inode(ino)
    if (target === null) throw new PosixError('EINVAL')
    return target
  }

  async create(
    parent: Ino,
    name: Name,
    mode: number,
    caller: Caller,
    options: { readonly exclusive: boolean; readonly truncate: boolean },
  ): Promise<{ readonly file: OpenFile; readonly attributes: Attributes }> {
    checkName(name)
    const existing = this.#directory(parent).entries.get(latin1(name))
    if (existing !== undefined && options.exclusive) throw new PosixError('EEXIST')
    const inode =
      existing === undefined
        ? this.#create(parent, name, fileType.regular | (mode & 0o7777), caller, 0)
        : this.#inode(existing.ino)
    const file = await this.open(inode.ino, options)
    return { file, attributes: file.attributes }
  }

  async createTemporary(parent: Ino, mode: number, caller: Caller): Promise<OpenFile> {
    this.#directory(parent)
    const inode = this.#make(fileType.regular | (mode & 0o7777), caller, 0)
    inode.nlink = 0
    return this.open(inode.ino, { truncate: false })
  }

  async mknod(
    parent: Ino,
    name: Name,
    mode: number,
    rdev: number,
    caller: Caller,
  ): Promise<Attributes> {
    return this.#create(parent, name, mode, caller, rdev).attributes()
  }

  async symlink(parent: Ino, name: Name, target: Uint8Array, caller: Caller): Promise<Attributes> {
    const inode = this.#create(parent, name, fileType.symlink | 0o777, caller, 0)
    inode.target = Uint8Array.from(target)
    return inode.attributes()
  }

  async link(ino: Ino, parent: Ino, name: Name): Promise<Attributes> {
    checkName(name)
    const inode = this.#inode(ino)
    if (isDirectory(inode.mode)) throw new PosixError('EPERM')
    this.#add(parent, name, inode)
    inode.nlink += 1
    inode.touch(this.#wallNs())
    return inode.attributes()
  }

  async mkdir(parent: Ino, name: Name, mode: number, caller: Caller): Promise<Attributes> {
    const inode = this.#create(parent, name, fileType.directory | (mode & 0o7777), caller, 0)
    inode.nlink = 2
    this.#directory(parent).nlink += 1
    return inode.attributes()
  }

  async unlink(parent: Ino, name: Name): Promise<void> {
    const inode = this.#entry(parent, name)
    if (isDirectory(inode.mode)) throw new PosixError('EISDIR')
    this.#remove(parent, name, inode)
  }

  async rmdir(parent: Ino, name: Name): Promise<void> {
    const inode = this.#entry(parent, name)
    if (!isDirectory(inode.mode)) throw new PosixError('ENOTDIR')
    if (inode.entries.size > 0) throw new PosixError('ENOTEMPTY')
    this.#remove(parent, name, inode)
  }

  async rename(
    parent: Ino,
    name: Name,
    newParent: Ino,
    newName: Name,
    flags: number,
  ): Promise<void> {
    if ((flags & ~(noReplace | exchange)) !== 0) throw new PosixError('EINVAL')
    checkName(newName)
    const inode = this.#entry(parent, name)
    const there = this.#directory(newParent).entries.get(latin1(newName))
    if (flags === exchange) return this.#exchange(parent, name, newParent, newName)
    if (there !== undefined) {
      if (flags === noReplace) throw new PosixError('EEXIST')
      if (there.ino === inode.ino) return
      const target = this.#inode(there.ino)
      if (isDirectory(target.mode) !== isDirectory(inode.mode)) {
        throw new PosixError(isDirectory(target.mode) ? 'EISDIR' : 'ENOTDIR')
      }
      if (isDirectory(target.mode)) await this.rmdir(newParent, newName)
      else await this.unlink(newParent, newName)
    }
    this.#directory(parent).remove(latin1(name), this.#wallNs())
    this.#add(newParent, newName, inode)
    this.#moved(inode, parent, newParent)
  }

  async open(ino: Ino, options: { readonly truncate: boolean }): Promise<OpenFile> {
    const inode = this.#inode(ino)
    if (isDirectory(inode.mode)) throw new PosixError('EISDIR')
    if (options.truncate) inode.change({ size: 0 }, this.#wallNs())
    inode.opens += 1
    const attributes = inode.attributes()
    const keepPages = this.cache.mayKeepPages(attributes)
    return {
      ...{ ino, attributes, keepPages, accessDue: false },
      get size() {
        return inode.attributes().size
      },
    }
  }

  async read(file: OpenFile, offset: number, length: number): Promise<readonly Uint8Array[]> {
    return this.#inode(file.ino).read(offset, length)
  }

  async write(
    file: OpenFile,
    offset: number,
    data: Uint8Array,
    options: WriteOptions,
  ): Promise<void> {
    const inode = this.#inode(file.ino)
    inode.write(options.append === true ? inode.size : offset, data, this.#wallNs())
    if (options.killPrivileges === true) inode.killPrivileges()
  }

  async allocate(
    file: OpenFile,
    mode: AllocateMode,
    offset: number,
    length: number,
    { keepSize, killPrivileges }: AllocateOptions,
  ): Promise<void> {
    const inode = this.#inode(file.ino)
    const end = offset + length
    if (mode !== 'allocate') inode.zero(offset, Math.min(end, inode.size), this.#wallNs())
    if (!keepSize && end > inode.size) inode.change({ size: end }, this.#wallNs())
    if (killPrivileges === true) inode.killPrivileges()
  }

  async copyRange(
    source: OpenFile,
    target: OpenFile,
    { from, to, length }: { readonly from: number; readonly to: number; readonly length: number },
    options: CopyOptions,
  ): Promise<number> {
    const data = Buffer.concat(this.#inode(source.ino).read(from, length))
    await this.write(target, to, data, options)
    return data.length
  }

  /** Everything is data. */
  async seek(file: OpenFile, wanted: 'data' | 'hole', offset: number): Promise<number> {
    const { size } = this.#inode(file.ino)
    if (offset >= size) throw new PosixError('ENXIO')
    return wanted === 'data' ? offset : size
  }

  async fsync(ino: Ino): Promise<void> {
    this.#inode(ino)
  }

  async flush(file: OpenFile): Promise<void> {
    this.#inode(file.ino)
  }

  release(file: OpenFile): void {
    const inode = this.#inode(file.ino)
    inode.opens -= 1
    this.#forget(inode)
  }

  async readdir(ino: Ino, cookie: number, { limitBytes }: ListOptions): Promise<NamesPage> {
    const { entries, ...page } = this.#list(ino, cookie, limitBytes)
    const records = new DirectoryRecords(limitBytes)
    for (const entry of entries) records.add(entry)
    return { records: records.bytes(), ...page }
  }

  async readdirplus(ino: Ino, cookie: number, { limitBytes }: ListOptions): Promise<DirectoryPage> {
    return this.#list(ino, cookie, limitBytes / 4)
  }

  #list(ino: Ino, cookie: number, limitBytes: number): DirectoryPage {
    const entries: DirectoryEntry[] = []
    let [bytes, next] = [0, cookie]
    const { entries: all, parent } = this.#directory(ino)
    for (const [name, entry] of all) {
      if (entry.cookie <= cookie) continue
      if (bytes >= limitBytes) return { entries, end: false, parent, next }
      const inode = this.#inode(entry.ino)
      bytes += name.length + 32
      next = entry.cookie
      entries.push({
        name: Buffer.from(name, 'latin1'),
        ino: entry.ino,
        type: inode.mode & fileType.mask,
        cookie: entry.cookie,
        attributes: inode.attributes(),
      })
    }
    return { entries, end: true, parent, next }
  }

  async getxattr(ino: Ino, name: Name): Promise<Uint8Array> {
    const value = this.#inode(ino).xattrs.get(latin1(name))
    if (value === undefined) throw new PosixError('ENODATA')
    return value
  }

  async setxattr(ino: Ino, name: Name, value: Uint8Array, flags: number): Promise<void> {
    const inode = this.#inode(ino)
    const { xattrs } = inode
    const exists = xattrs.has(latin1(name))
    if ((flags & createOnly) !== 0 && exists) throw new PosixError('EEXIST')
    if ((flags & replaceOnly) !== 0 && !exists) throw new PosixError('ENODATA')
    xattrs.set(latin1(name), Uint8Array.from(value))
    inode.touch(this.#wallNs())
  }

  async listxattr(ino: Ino): Promise<Uint8Array> {
    const names = [...this.#inode(ino).xattrs.keys()]
    return Buffer.from(names.map(name => `${name}\0`).join(''), 'latin1')
  }

  async removexattr(ino: Ino, name: Name): Promise<void> {
    const inode = this.#inode(ino)
    if (!inode.xattrs.delete(latin1(name))) throw new PosixError('ENODATA')
    inode.touch(this.#wallNs())
  }

  async statfs(): Promise<SpaceReport> {
    const totalBytes = 2 ** 40
    const files = this.#inodes.size
    return { totalBytes, freeBytes: 2 ** 39, availableBytes: 2 ** 39, files, freeFiles: 2 ** 30 }
  }

  async close(): Promise<void> {
    this.#inodes.clear()
  }

  #make(mode: number, caller: Caller, rdev: number): MemoryInode {
    const inode = new MemoryInode(this.#nextIno, { mode, rdev, ...caller }, this.#wallNs())
    this.#nextIno += 1
    this.#inodes.set(inode.ino, inode)
    return inode
  }

  #create(parent: Ino, name: Name, mode: number, caller: Caller, rdev: number): MemoryInode {
    checkName(name)
    const directory = this.#directory(parent)
    if (directory.entries.has(latin1(name))) throw new PosixError('EEXIST')
    // In a setgid directory the group is the directory's, and subdirectories are setgid too (inode(7)).
    const inherits = (directory.mode & setgid) !== 0
    const owner = inherits ? { uid: caller.uid, gid: directory.attributes().gid } : caller
    const bits = (mode & fileType.mask) === fileType.symlink ? mode : mode & ~(caller.umask ?? 0)
    const inode = this.#make(inherits && isDirectory(mode) ? bits | setgid : bits, owner, rdev)
    this.#add(parent, name, inode)
    return inode
  }

  #add(parent: Ino, name: Name, inode: MemoryInode): void {
    this.#directory(parent).add(latin1(name), inode.ino, this.#wallNs())
    inode.parent = parent
  }

  #remove(parent: Ino, name: Name, inode: MemoryInode): void {
    const directory = this.#directory(parent)
    directory.remove(latin1(name), this.#wallNs())
    inode.nlink -= isDirectory(inode.mode) ? 2 : 1
    if (isDirectory(inode.mode)) directory.nlink -= 1
    inode.touch(this.#wallNs())
    this.#forget(inode)
  }

  #exchange(parent: Ino, name: Name, newParent: Ino, newName: Name): void {
    const one = this.#entry(parent, name)
    const other = this.#entry(newParent, newName)
    this.#directory(parent).remove(latin1(name), this.#wallNs())
    this.#directory(newParent).remove(latin1(newName), this.#wallNs())
    this.#add(newParent, newName, one)
    this.#add(parent, name, other)
    this.#moved(one, parent, newParent)
    this.#moved(other, newParent, parent)
  }

  #moved(inode: MemoryInode, from: Ino, to: Ino): void {
    inode.touch(this.#wallNs())
    if (!isDirectory(inode.mode)) return
    this.#directory(from).nlink -= 1
    this.#directory(to).nlink += 1
  }

  #forget(inode: MemoryInode): void {
    if (inode.nlink <= 0 && inode.opens === 0) this.#inodes.delete(inode.ino)
  }

  #entry(parent: Ino, name: Name): MemoryInode {
    checkName(name)
    const entry = this.#directory(parent).entries.get(latin1(name))
    if (entry === undefined) throw new PosixError('ENOENT')
    return this.#inode(entry.ino)
  }

  #directory(ino: Ino): MemoryInode {
    const inode = this.#inode(ino)
    if (!isDirectory(inode.mode)) throw new PosixError('ENOTDIR')
    return inode
  }

  #inode(ino: Ino): MemoryInode {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) throw new PosixError('ESTALE')
    return inode
  }
}
