/** A volume's files, shaped like node:fs/promises. Paths begin at the volume's root. */
import { constants } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { PosixError } from '../../network/errors.ts'
import { fileType, isDirectory, isRegular } from '../../network/wire/attributes.ts'
import type { Caller, FileSystem, OpenFile, SetAttributes } from '../fs/contract.ts'
import {
  type BufferEntries,
  type BufferNames,
  type Data,
  encodingOf,
  type NameOption,
  nameEncodingOf,
  nameIn,
  type TextEntries,
  type TextNames,
} from './data.ts'
import { direntsOf, makeDirectories, removeTree } from './directories.ts'
import { DirectoryHandle } from './directory-handle.ts'
import { FileHandle } from './file-handle.ts'
import { asNode } from './node-error.ts'
import { type OpenFlags, parseFlags } from './open-flags.ts'
import { ownersOf } from './owners.ts'
import { directoryEntryOf, entryOf, existing, type Path, resolve, textOf } from './paths.ts'
import { type BigIntStats, type Dirent, type StatOptions, type Stats, statsOf } from './stats.ts'
import {
  type ReadStreamOptions,
  readStream,
  type WriteStreamOptions,
  writeStream,
} from './streams.ts'
import { nsOf, type Time } from './time.ts'

export interface FilesInit {
  readonly fileSystem: FileSystem
  /** Whom new files belong to. */
  readonly caller: Caller
  /** Permission bits that new files do not get. */
  readonly umask: number
}

export interface StatFs {
  readonly type: number
  readonly bsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
}

type FileOptions =
  | BufferEncoding
  | { readonly encoding?: BufferEncoding | null; readonly mode?: number; readonly flag?: string }
  | null

const statfsBlockBytes = 4096
const permissionBits = 0o7777

export class VolumeFiles {
  readonly constants = constants
  readonly #fileSystem: FileSystem
  readonly #caller: Caller

  constructor({ fileSystem, caller, umask }: FilesInit) {
    this.#fileSystem = fileSystem
    this.#caller = { ...caller, umask }
  }

  async open(path: Path, flags: string | number = 'r', mode = 0o666): Promise<FileHandle> {
    return this.#do('open', path, async () => {
      const how = parseFlags(flags)
      const file = await this.#open(path, how, mode)
      return new FileHandle(this.#fileSystem, file, how, textOf(path))
    })
  }

  readFile(
    path: Path,
    options?: { readonly encoding?: null; readonly flag?: string } | null,
  ): Promise<Buffer>
  readFile(
    path: Path,
    options: BufferEncoding | { readonly encoding: BufferEncoding; readonly flag?: string },
  ): Promise<string>
  async readFile(path: Path, options: FileOptions = null): Promise<Buffer | string> {
    const handle = await this.open(path, flagOf(options) ?? 'r')
    try {
      return await handle.readFile(encodingOf(options))
    } finally {
      await handle.close()
    }
  }

  async writeFile(path: Path, data: Data, options: FileOptions = null): Promise<void> {
    const mode = typeof options === 'object' ? options?.mode : undefined
    const handle = await this.open(path, flagOf(options) ?? 'w', mode)
    try {
      await handle.writeFile(data, encodingOf(options))
    } finally {
      await handle.close()
    }
  }

  async appendFile(path: Path, data: Data, options: FileOptions = null): Promise<void> {
    const given = typeof options === 'string' ? { encoding: options } : options
    await this.writeFile(path, data, { flag: 'a', ...given })
  }

  stat(path: Path, options?: { readonly bigint?: false | undefined } | null): Promise<Stats>
  stat(path: Path, options: { readonly bigint: true }): Promise<BigIntStats>
  async stat(path: Path, options?: StatOptions | null): Promise<Stats | BigIntStats> {
    return this.#do('stat', path, async () => {
      return statsOf(await existing(this.#fileSystem, path, { follow: true }), options)
    })
  }

  lstat(path: Path, options?: { readonly bigint?: false | undefined } | null): Promise<Stats>
  lstat(path: Path, options: { readonly bigint: true }): Promise<BigIntStats>
  async lstat(path: Path, options?: StatOptions | null): Promise<Stats | BigIntStats> {
    return this.#do('lstat', path, async () => {
      return statsOf(await existing(this.#fileSystem, path, { follow: false }), options)
    })
  }

  async mkdir(
    path: Path,
    options?: number | { readonly recursive?: boolean; readonly mode?: number } | null,
  ): Promise<string | undefined> {
    const given = typeof options === 'number' ? { mode: options } : options
    const { recursive = false, mode = 0o777 } = given ?? {}
    const bits = mode & permissionBits
    return this.#do('mkdir', path, async () => {
      if (recursive) return makeDirectories(this.#fileSystem, path, bits, this.#caller)
      const { parent, name, attributes } = await resolve(this.#fileSystem, path, { follow: false })
      if (attributes !== null || name === null) throw new PosixError('EEXIST')
      await this.#fileSystem.mkdir(parent, name, bits, this.#caller)
      return undefined
    })
  }

  readdir(path: Path, options: TextEntries): Promise<Dirent[]>
  readdir(path: Path, options: BufferEntries): Promise<Dirent<Buffer>[]>
  readdir(path: Path, options?: TextNames): Promise<string[]>
  readdir(path: Path, options: BufferNames): Promise<Buffer[]>
  async readdir(
    path: Path,
    options?: NameOption | TextEntries | BufferEntries,
  ): Promise<(string | Buffer)[] | Dirent<string | Buffer>[]> {
    return this.#do('scandir', path, async () => {
      const { ino } = await this.#directory(path)
      const encoding = nameEncodingOf(options)
      const dirents = await direntsOf(this.#fileSystem, ino, { path, encoding })
      const typed =
        typeof options === 'object' &&
        options !== null &&
        'withFileTypes' in options &&
        options.withFileTypes === true
      return typed ? dirents : dirents.map(({ name }) => name)
    })
  }

  opendir(path: Path, options?: TextNames): Promise<DirectoryHandle>
  opendir(path: Path, options: BufferNames): Promise<DirectoryHandle<Buffer>>
  async opendir(path: Path, options?: NameOption): Promise<DirectoryHandle<string | Buffer>> {
    return this.#do('opendir', path, async () => {
      const { ino } = await this.#directory(path)
      return new DirectoryHandle(this.#fileSystem, ino, textOf(path), nameEncodingOf(options))
    })
  }

  async rm(
    path: Path,
    { recursive = false, force = false }: { recursive?: boolean; force?: boolean } = {},
  ): Promise<void> {
    await this.#do('rm', path, async () => {
      const { parent, name, attributes } = await entryOf(this.#fileSystem, path)
      if (attributes === null) {
        if (force) return
        throw new PosixError('ENOENT')
      }
      if (!isDirectory(attributes.mode)) await this.#fileSystem.unlink(parent, name)
      else if (recursive) await removeTree(this.#fileSystem, parent, name, attributes.ino)
      else throw new PosixError('EISDIR')
    })
  }

  async rmdir(path: Path): Promise<void> {
    await this.#do('rmdir', path, async () => {
      const { parent, name } = await directoryEntryOf(this.#fileSystem, path)
      await this.#fileSystem.rmdir(parent, name)
    })
  }

  async unlink(path: Path): Promise<void> {
    await this.#do('unlink', path, async () => {
      const { parent, name } = await entryOf(this.#fileSystem, path)
      await this.#fileSystem.unlink(parent, name)
    })
  }

  async rename(from: Path, to: Path): Promise<void> {
    await this.#between('rename', from, to, async () => {
      const [source, target] = await Promise.all([
        entryOf(this.#fileSystem, from),
        entryOf(this.#fileSystem, to),
      ])
      const { parent, name } = source
      await this.#fileSystem.rename(parent, name, target.parent, target.name, 0)
    })
  }

  async link(existingPath: Path, newPath: Path): Promise<void> {
    await this.#between('link', existingPath, newPath, async () => {
      const { ino, mode } = await existing(this.#fileSystem, existingPath, { follow: false })
      if (isDirectory(mode)) throw new PosixError('EPERM')
      const { parent, name } = await entryOf(this.#fileSystem, newPath)
      await this.#fileSystem.link(ino, parent, name)
    })
  }

  async symlink(target: Path, path: Path): Promise<void> {
    await this.#between('symlink', target, path, async () => {
      const { parent, name } = await entryOf(this.#fileSystem, path)
      await this.#fileSystem.symlink(parent, name, Buffer.from(target), this.#caller)
    })
  }

  readlink(path: Path, options?: TextNames): Promise<string>
  readlink(path: Path, options: BufferNames): Promise<Buffer>
  async readlink(path: Path, options?: NameOption): Promise<string | Buffer> {
    return this.#do('readlink', path, async () => {
      const { ino, mode } = await existing(this.#fileSystem, path, { follow: false })
      if ((mode & fileType.mask) !== fileType.symlink) throw new PosixError('EINVAL')
      return nameIn(nameEncodingOf(options), await this.#fileSystem.readlink(ino))
    })
  }

  realpath(path: Path, options?: TextNames): Promise<string>
  realpath(path: Path, options: BufferNames): Promise<Buffer>
  async realpath(path: Path, options?: NameOption): Promise<string | Buffer> {
    return this.#do('realpath', path, async () => {
      const { attributes, real } = await resolve(this.#fileSystem, path, { follow: true })
      if (attributes === null) throw new PosixError('ENOENT')
      return nameIn(nameEncodingOf(options), real)
    })
  }

  async truncate(path: Path, size = 0): Promise<void> {
    await this.#do('truncate', path, async () => {
      const { ino, mode } = await existing(this.#fileSystem, path, { follow: true })
      if (isDirectory(mode)) throw new PosixError('EISDIR')
      if (!isRegular(mode)) throw new PosixError('EINVAL')
      await this.#fileSystem.setattr(ino, { size })
    })
  }

  async chmod(path: Path, mode: number): Promise<void> {
    await this.#set('chmod', path, true, { mode: mode & permissionBits })
  }

  async chown(path: Path, uid: number, gid: number): Promise<void> {
    await this.#set('chown', path, true, ownersOf(uid, gid))
  }

  async lchown(path: Path, uid: number, gid: number): Promise<void> {
    await this.#set('lchown', path, false, ownersOf(uid, gid))
  }

  async utimes(path: Path, atime: Time, mtime: Time): Promise<void> {
    await this.#set('utime', path, true, { atimeNs: nsOf(atime), mtimeNs: nsOf(mtime) })
  }

  async lutimes(path: Path, atime: Time, mtime: Time): Promise<void> {
    await this.#set('lutime', path, false, { atimeNs: nsOf(atime), mtimeNs: nsOf(mtime) })
  }

  /** By the permission bits, for whom the connection was made. */
  async access(path: Path, mode: number = constants.F_OK): Promise<void> {
    await this.#do('access', path, async () => {
      const attributes = await existing(this.#fileSystem, path, { follow: true })
      const { uid, gid } = this.#caller
      const executable = isDirectory(attributes.mode) || (attributes.mode & 0o111) !== 0
      if (uid === 0) {
        if ((mode & constants.X_OK) !== 0 && !executable) throw new PosixError('EACCES')
        return
      }
      const shift = attributes.uid === uid ? 6 : attributes.gid === gid ? 3 : 0
      if ((mode & ~(attributes.mode >> shift) & 0o7) !== 0) throw new PosixError('EACCES')
    })
  }

  /** @param mode COPYFILE_EXCL, or 0. */
  async copyFile(from: Path, to: Path, mode = 0): Promise<void> {
    await this.#between('copyfile', from, to, async () => {
      const source = await this.open(from, 'r')
      try {
        const { ino, mode: bits } = await source.stat()
        const exclusive = (mode & constants.COPYFILE_EXCL) !== 0 ? constants.O_EXCL : 0
        const flags = constants.O_WRONLY | constants.O_CREAT | exclusive
        const target = await this.open(to, flags, bits & permissionBits)
        try {
          const found = await target.stat()
          // Emptied only now: it may be the source itself, under this or another name.
          if (found.ino === ino) return
          if (found.size > 0) await target.truncate()
          await target.copyFrom(source)
        } finally {
          await target.close()
        }
      } finally {
        await source.close()
      }
    })
  }

  async statfs(_path: Path = '/'): Promise<StatFs> {
    return this.#do('statfs', _path, async () => {
      await existing(this.#fileSystem, _path, { follow: true })
      const space = await this.#fileSystem.statfs()
      const blocks = (bytes: number) => Math.floor(bytes / statfsBlockBytes)
      return {
        type: 0,
        bsize: statfsBlockBytes,
        blocks: blocks(space.totalBytes),
        bfree: blocks(space.freeBytes),
        bavail: blocks(space.availableBytes),
        files: space.files + space.freeFiles,
        ffree: space.freeFiles,
      }
    })
  }

  createReadStream(path: Path, options?: ReadStreamOptions): Readable {
    return readStream(() => this.open(path, options?.flags ?? 'r'), options)
  }

  createWriteStream(path: Path, options?: WriteStreamOptions): Writable {
    return writeStream(() => this.open(path, options?.flags ?? 'w', options?.mode), options)
  }

  async #open(path: Path, flags: OpenFlags, mode: number): Promise<OpenFile> {
    const { create, exclusive, truncate } = flags
    const follow = !flags.noFollow && !(create && exclusive)
    const { parent, name, attributes } = await resolve(this.#fileSystem, path, { follow })
    if (attributes === null) {
      if (!create || name === null) throw new PosixError('ENOENT')
      const bits = fileType.regular | (mode & permissionBits)
      const options = { exclusive, truncate }
      return (await this.#fileSystem.create(parent, name, bits, this.#caller, options)).file
    }
    if (create && exclusive) throw new PosixError('EEXIST')
    if ((attributes.mode & fileType.mask) === fileType.symlink) throw new PosixError('ELOOP')
    if (flags.directory && !isDirectory(attributes.mode)) throw new PosixError('ENOTDIR')
    if (isDirectory(attributes.mode)) throw new PosixError('EISDIR')
    // Only the kernel can give the other ends of pipes, sockets and devices.
    if (!isRegular(attributes.mode)) throw new PosixError('ENXIO')
    return this.#fileSystem.open(attributes.ino, { truncate: truncate && flags.writable })
  }

  async #directory(path: Path) {
    const attributes = await existing(this.#fileSystem, path, { follow: true })
    if (!isDirectory(attributes.mode)) throw new PosixError('ENOTDIR')
    return attributes
  }

  async #set(syscall: string, path: Path, follow: boolean, changes: SetAttributes): Promise<void> {
    await this.#do(syscall, path, async () => {
      const { ino } = await existing(this.#fileSystem, path, { follow })
      await this.#fileSystem.setattr(ino, changes)
    })
  }

  #do<T>(syscall: string, path: Path, work: () => Promise<T>): Promise<T> {
    return asNode({ syscall, path: textOf(path) }, () => withSecondLook(work))
  }

  #between<T>(syscall: string, path: Path, dest: Path, work: () => Promise<T>): Promise<T> {
    const names = { syscall, path: textOf(path), dest: textOf(dest) }
    return asNode(names, () => withSecondLook(work))
  }
}

/** Somebody removed what a path had led to, before it was used: it may lead elsewhere now, as in Linux. */
async function withSecondLook<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PosixError && error.code === 'ESTALE') return work()
    throw error
  }
}

function flagOf(options: FileOptions): string | undefined {
  return typeof options === 'object' ? options?.flag : undefined
}
