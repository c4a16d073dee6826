/** Open files and directories by the number that the kernel was given for them. */
import { Counts } from '../../network/counts.ts'
import { PosixError } from '../../network/errors.ts'
import { maxFuseHandles } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { DirectoryEntry } from '../../network/wire/operations.ts'
import type { OpenFile } from '../fs/contract.ts'
import { DirectoryNodes } from './directory-nodes.ts'
import { LastAttributes } from './last-attributes.ts'
import type { Listing } from './listing.ts'
import { ToldAttributes } from './told-attributes.ts'
import { ToldDirectories } from './told-directories.ts'

/** A directory being read: the last batch of entries that came with attributes, and where it stands. */
export interface OpenDirectory {
  readonly ino: Ino
  /** Names without attributes. */
  readonly listing: Listing
  /** Number of `..`, known when the first batch was fetched. */
  parent: Ino
  entries: readonly DirectoryEntry[]
  /** Cookie behind which `entries` begin. */
  start: number
  /** Nothing comes behind `entries`. */
  end: boolean
  /** `entries` carry attributes as of this moment, not of an earlier reply. */
  fresh: boolean
  /** The kernel has asked for attributes the last time: if it does so again, the program looks at what it lists. */
  isLookedAt: boolean
  /** Index of the entry that the kernel will probably want next. */
  next: number
}

export class Handles {
  readonly told = new ToldAttributes()
  readonly last = new LastAttributes()
  readonly toldDirectories = new ToldDirectories()
  readonly nodes = new DirectoryNodes()
  readonly #files = new Map<number, OpenFile>()
  /** Handles through which pages can be mapped and changed (mmap(2) MAP_SHARED). */
  readonly #readWrite = new HandleSet()
  /** Those of them that the kernel reads and writes through its pages. */
  readonly #throughPages = new HandleSet()
  /** Handles that the kernel reads and writes past its pages. */
  readonly #pastPages = new Set<number>()
  /** Files whose pages programs have changed in memory that they mapped. */
  readonly #mapped = new Set<Ino>()
  readonly #directories = new Map<number, OpenDirectory>()
  #last = 0

  get size(): number {
    return this.#files.size + this.#directories.size
  }

  /** @throws PosixError ENOMEM when the limit is reached. */
  reserve(): void {
    if (this.size >= maxFuseHandles) throw new PosixError('ENOMEM', 'too many open files')
  }

  /**
   * @param writable as far as the kernel knows, something may be written through it.
   * @param readWrite its pages may be mapped to be changed.
   * @param pastPages the kernel was told to go past its pages.
   */
  addFile(file: OpenFile, writable = true, readWrite = writable, pastPages = false): number {
    this.#last += 1
    this.#files.set(this.#last, file)
    if (pastPages) this.#pastPages.add(this.#last)
    if (readWrite) this.#readWrite.add(this.#last, file.ino)
    if (readWrite && !pastPages) this.#throughPages.add(this.#last, file.ino)
    this.told.opened(file.attributes, writable)
    return this.#last
  }

  addDirectory(ino: Ino, listing: Listing): number {
    this.#last += 1
    const batch = {
      parent: 0,
      entries: [],
      start: -1,
      end: false,
      fresh: false,
      next: 0,
      isLookedAt: false,
    }
    this.#directories.set(this.#last, { ino, listing, ...batch })
    return this.#last
  }

  /** @throws PosixError EBADF: the kernel named a handle that it was not given. */
  file(handle: number): OpenFile {
    const file = this.#files.get(handle)
    if (file === undefined) throw new PosixError('EBADF', `no file ${handle}`)
    return file
  }

  directory(handle: number): OpenDirectory {
    const directory = this.#directories.get(handle)
    if (directory === undefined) throw new PosixError('EBADF', `no directory ${handle}`)
    return directory
  }

  takeFile(handle: number): OpenFile {
    const file = this.file(handle)
    this.#files.delete(handle)
    this.#pastPages.delete(handle)
    this.#readWrite.delete(handle, file.ino)
    this.#throughPages.delete(handle, file.ino)
    if (!this.mayBeMapped(file.ino)) this.#mapped.delete(file.ino)
    this.told.closed(file.ino)
    return file
  }

  dropDirectory(handle: number): void {
    this.directory(handle).listing.close()
    this.#directories.delete(handle)
  }

  /** All files; afterwards nothing is open. */
  takeFiles(): readonly OpenFile[] {
    const files = [...this.#files.values()]
    this.#files.clear()
    this.#directories.clear()
    this.#readWrite.clear()
    this.#throughPages.clear()
    this.#pastPages.clear()
    this.#mapped.clear()
    this.told.clear()
    this.last.clear()
    return files
  }

  goesPastPages(handle: number): boolean {
    return this.#pastPages.has(handle)
  }

  /** Whether a program may have changed pages of the file that it had mapped. */
  mayBeMapped(ino: Ino): boolean {
    return this.#readWrite.isOfInode(ino)
  }

  /** Whether it is open to be read and written through the kernel's pages. */
  isReadWrittenThrough(ino: Ino): boolean {
    return this.#throughPages.isOfInode(ino)
  }

  /** Pages came that a program has changed. */
  sawMapped(ino: Ino): void {
    if (this.mayBeMapped(ino)) this.#mapped.add(ino)
  }

  /** Whether a program is known to have changed pages that it had mapped, since the file was opened. */
  isMapped(ino: Ino): boolean {
    return this.#mapped.has(ino)
  }
}

/** Some of the open handles, and of which inodes they are. */
class HandleSet {
  readonly #handles = new Set<number>()
  readonly #counts = new Counts<Ino>()

  add(handle: number, ino: Ino): void {
    this.#handles.add(handle)
    this.#counts.add(ino)
  }

  delete(handle: number, ino: Ino): void {
    if (this.#handles.delete(handle)) this.#counts.subtract(ino)
  }

  isOfInode(ino: Ino): boolean {
    return this.#counts.has(ino)
  }

  clear(): void {
    this.#handles.clear()
    this.#counts.clear()
  }
}
