/**
 * The names of an open directory as the kernel asks for them: page by page, the next ones fetched while it goes through
 * those before.
 *
 * 1. What is at hand are pages that follow each other; the kernel has what stands before `#at` in the first of them, and
 *    was told `#cookie` last.
 * 2. Nothing is fetched ahead once `maxListedAheadBytes` are at hand, so memory is bounded however large the directory is.
 * 3. What could not be fetched ahead is asked for again when it is wanted: then its error is told.
 */
import { PosixError } from '../../network/errors.ts'
import { maxListedAheadBytes, readdirLimitBytes } from '../../network/limits.ts'
import { DirectoryRecordReader } from '../../network/wire/directory-records.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { FileSystem } from '../fs/contract.ts'

interface Page {
  /** The cookies between which its names are. */
  readonly behind: number
  readonly next: number
  readonly end: boolean
  readonly reader: DirectoryRecordReader
}

interface Fetch {
  readonly behind: number
  done: Promise<void>
}

export class Listing {
  readonly #fileSystem: Pick<FileSystem, 'readdir'>
  readonly #ino: Ino
  #pages: Page[] = []
  #at = 0
  #cookie = 0
  #fetch: Fetch | null = null
  #closed = false
  /** Those that read at a time: as a rule one. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Number of `..`, known when the first page was fetched. */
  parent: Ino = 0

  constructor(fileSystem: Pick<FileSystem, 'readdir'>, ino: Ino) {
    this.#fileSystem = fileSystem
    this.#ino = ino
  }

  /** From the start, as the directory is now. */
  rewind(quiet: boolean): Promise<void> {
    return this.#inTurn(async () => {
      this.forget()
      await this.#fetched(0, quiet)
    })
  }

  /**
   * Records behind `cookie`, as many as there is room for; none at the end.
   * @throws PosixError EINVAL when there is no room for one, EBADF when it was closed meanwhile.
   */
  read(cookie: number, roomBytes: number): Promise<readonly Uint8Array[]> {
    return this.#inTurn(async () => {
      while (!this.#goTo(cookie)) {
        if (this.#closed) throw new PosixError('EBADF', 'a directory that was closed')
        await this.#fetched(this.#pages[0]?.next ?? cookie, true)
      }
      const pieces = this.#take(roomBytes)
      this.#fetchAhead()
      return pieces
    })
  }

  /** What is at hand is not what the kernel goes through any more. */
  forget(): void {
    this.#pages = []
    this.#fetch = null
  }

  /** Nothing more is wanted. */
  close(): void {
    this.forget()
    this.#closed = true
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(step)
    // Whoever asked is told; the next one asks for itself.
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** @returns false when what follows `cookie` is not at hand, but may follow the pages that are left. */
  #goTo(cookie: number): boolean {
    const [page] = this.#pages
    if (page === undefined) return false
    if (cookie !== this.#cookie && !this.#find(page, cookie)) {
      this.#pages = []
      return false
    }
    if (this.#at < page.reader.records.length || page.end) return true
    if (this.#pages.length === 1) return false
    this.#nextPage()
    return true
  }

  /** The kernel may come back to the middle of what it was given. */
  #find({ behind, reader }: Page, cookie: number): boolean {
    let [at, last] = [0, behind]
    while (last !== cookie && at < reader.records.length) {
      last = reader.cookieAt(at)
      at = reader.endAt(at)
    }
    if (last !== cookie) return false
    this.#at = at
    this.#cookie = cookie
    return true
  }

  #nextPage(): void {
    this.#pages.shift()
    this.#at = 0
  }

  #take(roomBytes: number): readonly Uint8Array[] {
    const pieces: Uint8Array[] = []
    let left = roomBytes
    for (;;) {
      const { reader } = this.#pages[0]!
      const from = this.#at
      this.#pass(left)
      if (this.#at > from) pieces.push(reader.records.subarray(from, this.#at))
      left -= this.#at - from
      if (this.#at < reader.records.length || this.#pages.length === 1) break
      this.#nextPage()
    }
    if (pieces.length === 0 && this.#at < this.#pages[0]!.reader.records.length) {
      throw new PosixError('EINVAL', 'no room for a name')
    }
    return pieces
  }

  /** Goes on in the first page by so many bytes, at most. */
  #pass(bytes: number): void {
    const { reader } = this.#pages[0]!
    const limit = Math.min(reader.records.length, this.#at + bytes)
    while (this.#at < limit) {
      const end = reader.endAt(this.#at)
      if (end > limit) break
      this.#cookie = reader.cookieAt(this.#at)
      this.#at = end
    }
  }

  #fetchAhead(): void {
    const last = this.#pages.at(-1)
    if (this.#closed || this.#fetch !== null || last === undefined || last.end) return
    let bytes = -this.#at
    for (const { reader } of this.#pages) bytes += reader.records.length
    if (bytes >= maxListedAheadBytes) return
    this.#fetched(last.next, true).then(
      () => this.#fetchAhead(),
      () => undefined,
    )
  }

  /** Resolves when the page behind this cookie is at hand, unless another one is wanted meanwhile. */
  #fetched(behind: number, quiet: boolean): Promise<void> {
    if (this.#fetch?.behind === behind) return this.#fetch.done
    const fetch: Fetch = { behind, done: Promise.resolve() }
    this.#fetch = fetch
    fetch.done = this.#run(fetch, quiet)
    return fetch.done
  }

  async #run(fetch: Fetch, quiet: boolean): Promise<void> {
    const { behind } = fetch
    try {
      const options = { limitBytes: readdirLimitBytes, quiet }
      const page = await this.#fileSystem.readdir(this.#ino, behind, options)
      if (this.#fetch !== fetch || this.#closed) return
      if (behind === 0) this.parent = page.parent
      const { next, end, records } = page
      if (this.#pages.length === 0) {
        this.#at = 0
        this.#cookie = behind
      }
      this.#pages.push({ behind, next, end, reader: new DirectoryRecordReader(records) })
    } finally {
      if (this.#fetch === fetch) this.#fetch = null
    }
  }
}
