/**
 * The path-based operations that fuse-native wants, over a FileSystem of inode numbers.
 *
 * Left out, since fuse-native 2.2.6 would do harm: utimens (it hands the access time over twice, so that
 * every modification time would be wrong) and extended attributes (it reads past a buffer that is too
 * small). Programs get ENOSYS. Names that are not UTF-8 cannot be reached, and hard links show different
 * inode numbers, as libfuse numbers paths.
 */

import { errnoByCode, posixCodeOf } from '../../network/errors.ts'
import { maxNameBytes, readdirLimitBytes } from '../../network/limits.ts'
import { type Attributes, fileType, statBlocksOf } from '../../network/wire/attributes.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Caller, FileSystem, OpenFile } from '../fs/contract.ts'
import { Handles } from './handles.ts'
import type { NativeCallback } from './native-library.ts'
import { openFlag } from './protocol/numbers.ts'

const nsPerMs = 1_000_000n
/** Counts travel as 32 bits: in units of 1 MiB they reach 4 EiB. */
const spaceUnitBytes = 1024 * 1024

interface Target {
  readonly parent: Ino
  readonly name: Uint8Array
}

export class NativeOperations {
  readonly handles = new Handles()
  readonly #fileSystem: FileSystem
  readonly #appending = new WeakSet<OpenFile>()
  readonly #onUnexpected: (error: unknown) => void
  /** fuse-native does not say who asks: everything new belongs to who mounted. */
  readonly #caller: Caller = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }

  constructor(fileSystem: FileSystem, onUnexpected: (error: unknown) => void) {
    this.#fileSystem = fileSystem
    this.#onUnexpected = onUnexpected
  }

  /** The object that fuse-native takes: callbacks last. */
  table(): object {
    return { ...this.#inodes(), ...this.#names(), ...this.#files() }
  }

  #inodes(): object {
    const fileSystem = this.#fileSystem
    return {
      getattr: (path: string, done: NativeCallback) =>
        this.#answer(done, async () =>
          statOf(await fileSystem.getattr((await this.#walk(path)).ino)),
        ),
      chmod: (path: string, mode: number, done: NativeCallback) =>
        this.#change(path, { mode: mode & 0o7777 }, done),
      chown: (path: string, uid: number, gid: number, done: NativeCallback) =>
        this.#change(path, { ...ownerOf('uid', uid), ...ownerOf('gid', gid) }, done),
      truncate: (path: string, size: number, done: NativeCallback) =>
        this.#change(path, { size }, done),
      ftruncate: (_: string, handle: number, size: number, done: NativeCallback) =>
        this.#answer(done, async () => {
          await fileSystem.setattr(this.handles.file(handle).ino, { size })
        }),
      readlink: (path: string, done: NativeCallback) =>
        this.#answer(done, async () => {
          const target = await fileSystem.readlink((await this.#walk(path)).ino)
          return Buffer.from(target).toString()
        }),
      statfs: (_: string, done: NativeCallback) => this.#answer(done, () => this.#space()),
    }
  }

  #names(): object {
    const fileSystem = this.#fileSystem
    const caller = this.#caller
    const at = (
      path: string,
      done: NativeCallback,
      work: (parent: Ino, name: Uint8Array) => Promise<unknown>,
    ) =>
      this.#answer(done, async () => {
        const { parent, name } = await this.#target(path)
        await work(parent, name)
      })
    return {
      mknod: (path: string, mode: number, rdev: number, done: NativeCallback) =>
        at(path, done, (parent, name) => fileSystem.mknod(parent, name, mode, rdev, caller)),
      mkdir: (path: string, mode: number, done: NativeCallback) =>
        at(path, done, (parent, name) => fileSystem.mkdir(parent, name, mode & 0o7777, caller)),
      symlink: (target: string, path: string, done: NativeCallback) =>
        at(path, done, (parent, name) =>
          fileSystem.symlink(parent, name, Buffer.from(target), caller),
        ),
      unlink: (path: string, done: NativeCallback) =>
        at(path, done, (parent, name) => fileSystem.unlink(parent, name)),
      rmdir: (path: string, done: NativeCallback) =>
        at(path, done, (parent, name) => fileSystem.rmdir(parent, name)),
      link: (from: string, path: string, done: NativeCallback) =>
        at(path, done, async (parent, name) =>
          fileSystem.link((await this.#walk(from)).ino, parent, name),
        ),
      rename: (from: string, path: string, done: NativeCallback) =>
        at(path, done, async (parent, name) => {
          const source = await this.#target(from)
          await fileSystem.rename(source.parent, source.name, parent, name, 0)
        }),
      readdir: (path: string, done: NativeCallback) =>
        this.#answer(done, async () => this.#entries((await this.#walk(path)).ino)),
    }
  }

  #files(): object {
    const fileSystem = this.#fileSystem
    return {
      open: (path: string, flags: number, done: NativeCallback) =>
        this.#answer(done, async () => {
          const truncate = (flags & openFlag.truncate) !== 0
          this.handles.reserve()
          const file = await fileSystem.open((await this.#walk(path)).ino, { truncate })
          if ((flags & openFlag.append) !== 0) this.#appending.add(file)
          return this.handles.addFile(file)
        }),
      /** Flags are not handed over; taken as O_EXCL, since the kernel saw no such name. */
      create: (path: string, mode: number, done: NativeCallback) =>
        this.#answer(done, async () => {
          const { parent, name } = await this.#target(path)
          this.handles.reserve()
          const type = fileType.regular
          const how = { exclusive: true, truncate: false }
          const made = await fileSystem.create(
            parent,
            name,
            type | (mode & 0o7777),
            this.#caller,
            how,
          )
          return this.handles.addFile(made.file)
        }),
      read: (
        _: string,
        handle: number,
        into: Buffer,
        length: number,
        offset: number,
        done: NativeCallback,
      ) => this.#count(done, () => this.#read(handle, into, { offset, length })),
      write: (
        _: string,
        handle: number,
        data: Buffer,
        length: number,
        offset: number,
        done: NativeCallback,
      ) => this.#count(done, () => this.#write(handle, data.subarray(0, length), offset)),
      flush: (_: string, handle: number, done: NativeCallback) =>
        this.#answer(done, () => fileSystem.flush(this.handles.file(handle))),
      fsync: (_: string, __: number, handle: number, done: NativeCallback) =>
        this.#answer(done, () => {
          const file = this.handles.file(handle)
          return fileSystem.fsync(file.ino, file)
        }),
      release: (_: string, handle: number, done: NativeCallback) =>
        this.#answer(done, async () => fileSystem.release(this.handles.takeFile(handle))),
    }
  }

  async #read(
    handle: number,
    into: Buffer,
    range: { readonly offset: number; readonly length: number },
  ): Promise<number> {
    const file = this.handles.file(handle)
    let bytes = 0
    for (const piece of await this.#fileSystem.read(file, range.offset, range.length)) {
      into.set(piece, bytes)
      bytes += piece.length
    }
    return bytes
  }

  async #write(handle: number, data: Uint8Array, offset: number): Promise<number> {
    const file = this.handles.file(handle)
    await this.#fileSystem.write(file, offset, data, { append: this.#appending.has(file) })
    return data.length
  }

  /** All names at once: fuse-native has no way to ask for a part. */
  async #entries(ino: Ino): Promise<readonly string[]> {
    const names = ['.', '..']
    for (let cookie = 0, end = false; !end; ) {
      const options = { limitBytes: readdirLimitBytes }
      const batch = await this.#fileSystem.readdir(ino, cookie, options)
      for (const { name } of entriesOfRecords(batch.records))
        names.push(Buffer.from(name).toString())
      cookie = batch.next
      end = batch.end
    }
    return names
  }

  async #space(): Promise<object> {
    const report = await this.#fileSystem.statfs()
    return {
      bsize: spaceUnitBytes,
      frsize: spaceUnitBytes,
      blocks: Math.floor(report.totalBytes / spaceUnitBytes),
      bfree: Math.floor(report.freeBytes / spaceUnitBytes),
      bavail: Math.floor(report.availableBytes / spaceUnitBytes),
      files: Math.min(report.files, 2 ** 32 - 1),
      namemax: maxNameBytes,
    }
  }

  #change(
    path: string,
    changes: Parameters<FileSystem['setattr']>[1],
    done: NativeCallback,
  ): Promise<void> {
    return this.#answer(done, async () => {
      await this.#fileSystem.setattr((await this.#walk(path)).ino, changes)
    })
  }

  /** Component by component; symbolic links are the kernel's business. */
  async #walk(path: string): Promise<Attributes> {
    let ino = this.#fileSystem.root
    const components = path.split('/').filter(one => one !== '')
    const last = components.pop()
    if (last === undefined) return this.#fileSystem.getattr(ino)
    for (const name of components) {
      ino = (await this.#fileSystem.lookup(ino, Buffer.from(name))).ino
    }
    return this.#fileSystem.lookup(ino, Buffer.from(last))
  }

  async #target(path: string): Promise<Target> {
    const slash = path.lastIndexOf('/')
    const { ino } = await this.#walk(path.slice(0, slash))
    return { parent: ino, name: Buffer.from(path.slice(slash + 1)) }
  }

  #answer(done: NativeCallback, work: () => Promise<unknown>): Promise<void> {
    return work().then(
      value => done(0, value),
      error => done(this.#errorOf(error)),
    )
  }

  /** READ and WRITE have the count in the place of the result. */
  #count(done: NativeCallback, work: () => Promise<number>): Promise<void> {
    return work().then(done, error => done(this.#errorOf(error)))
  }

  #errorOf(error: unknown): number {
    const code = posixCodeOf(error)
    if (code === 'EIO') this.#onUnexpected(error)
    return -errnoByCode[code]
  }
}

/** An owner of -1 stays as it is (chown(2)). */
function ownerOf(field: 'uid' | 'gid', id: number): { uid?: number; gid?: number } {
  return id === 0xffffffff || id === -1 ? {} : { [field]: id }
}

function statOf(attributes: Attributes): object {
  const { atimeNs, mtimeNs, ctimeNs } = attributes
  return {
    ...attributes,
    blksize: 4096,
    blocks: statBlocksOf(attributes),
    atime: Number(atimeNs / nsPerMs),
    mtime: Number(mtimeNs / nsPerMs),
    ctime: Number(ctimeNs / nsPerMs),
  }
}
