/** One open file, as `open` and `create` hand it out. */
import { PosixError } from '../../network/errors.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { LockOwner } from '../../network/wire/operations.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { PageRecords } from '../cache/page-records.ts'
import { ReadAhead, type ReadAheadBudget } from '../cache/read-ahead.ts'
import type { OpenFile } from './contract.ts'

export class OpenHandle implements OpenFile {
  readonly ino: Ino
  readonly attributes: Attributes
  readonly keepPages: boolean
  readonly accessDue: boolean
  readonly ahead: ReadAhead
  /** Who has locked something through it; null while nobody has. */
  lockers: Map<string, LockOwner> | null = null
  /** Its opener, who was to drop pages, has not been heard from since. */
  #drops: boolean
  readonly #inode: OpenInode
  #released = false
  #lossesTold: number
  #failuresTold: number

  constructor(
    inode: OpenInode,
    first: Pick<OpenFile, 'keepPages' | 'accessDue'>,
    budget: ReadAheadBudget,
  ) {
    this.ino = inode.ino
    this.attributes = inode.attributes
    this.keepPages = first.keepPages
    this.accessDue = first.accessDue
    this.#drops = !first.keepPages
    this.ahead = new ReadAhead(budget, inode.fetched)
    this.#inode = inode
    this.#lossesTold = inode.losses
    this.#failuresTold = inode.behind.failures
  }

  get size(): number {
    return Math.max(this.#inode.attributes.size, this.#inode.behind.end)
  }

  /** @throws PosixError EBADF after release, ESTALE when the inode is gone. */
  get inode(): OpenInode {
    if (this.#released) throw new PosixError('EBADF', 'the file was closed')
    this.assertThere()
    return this.#inode
  }

  /** @throws PosixError ESTALE when the inode is gone. */
  assertThere(): void {
    if (!this.#inode.gone) return
    throw new PosixError(
      'ESTALE',
      `file ${this.ino} is gone from its server: it had no name, or was lost`,
    )
  }

  /** Its opener goes on: what it was to do with the open it has done. */
  heardFrom(pages: PageRecords): void {
    if (!this.#drops) return
    this.#drops = false
    pages.dropped(this.ino)
  }

  /** @returns whether something written may have been lost of which this open file was not told yet. */
  takeLoss(): boolean {
    const { losses } = this.#inode
    const news = losses > this.#lossesTold
    this.#lossesTold = losses
    return news
  }

  /** Nothing that was written behind has failed without its having been told. */
  get isToldAll(): boolean {
    return this.#inode.behind.failures === this.#failuresTold
  }

  /** @throws PosixError what something that was written behind has failed with, of which this open file was not told yet. */
  assertWritten(): void {
    const { failures, failure } = this.#inode.behind
    if (this.isToldAll) return
    this.#failuresTold = failures
    const code = failure instanceof PosixError ? failure.code : 'EIO'
    throw new PosixError(code, `data written to file ${this.ino} is lost`, { cause: failure })
  }

  /** @returns the inode, the first time; it may be gone. */
  release(): OpenInode | null {
    if (this.#released) return null
    this.#released = true
    this.ahead.close()
    return this.#inode
  }
}

/** The handle behind what a surface hands back. @throws PosixError EBADF when it never was one. */
export function handleOf(file: OpenFile): OpenHandle {
  if (file instanceof OpenHandle) return file
  throw new PosixError('EBADF', 'not an open file of this file system')
}
