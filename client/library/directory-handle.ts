/** An open directory, shaped like Dir of node:fs. */
import { PosixError } from '../../network/errors.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { NamedEntry } from '../../network/wire/operations.ts'
import type { FileSystem } from '../fs/contract.ts'
import { type NameEncoding, nameIn } from './data.ts'
import { entriesOf } from './directories.ts'
import { asNode } from './node-error.ts'
import { Dirent } from './stats.ts'

/** Names are told in the encoding that it was opened with. */
export class DirectoryHandle<N extends string | Buffer = string> {
  readonly path: string
  readonly #pages: AsyncGenerator<readonly NamedEntry[]>
  readonly #encoding: NameEncoding
  #page: readonly NamedEntry[] = []
  #next = 0
  #open = true

  constructor(fileSystem: FileSystem, ino: Ino, path: string, encoding?: NameEncoding) {
    this.path = path
    this.#encoding = encoding
    this.#pages = entriesOf(fileSystem, ino)
  }

  /** The next entry; null behind the last one. */
  async read(): Promise<Dirent<N> | null> {
    return asNode({ syscall: 'readdir', path: this.path }, async () => {
      if (!this.#open) throw new PosixError('EBADF', 'the directory was closed')
      if (this.#next === this.#page.length) {
        const { value, done } = await this.#pages.next()
        if (done === true) return null
        this.#page = value
        this.#next = 0
      }
      const { name, type } = this.#page[this.#next++]!
      return new Dirent(nameIn(this.#encoding, name) as N, this.path, type)
    })
  }

  async close(): Promise<void> {
    this.#open = false
    await this.#pages.return(undefined)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent<N>> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry
    } finally {
      await this.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
