/**
 * For which `change` of an inode the pages that the kernel (or anyone above) holds are true.
 *
 * 1. A record moves on only when the change between is known to be this client's own.
 * 2. A forgotten record costs a cache, never the truth.
 * 3. Who is told to drop pages may still be at it when somebody else opens the file: until it is heard from
 *    through what it opened, the others drop them, too.
 */
import { maxPageRecords } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'

export class PageRecords {
  /** In the order of their last use: the first is the next to go. */
  readonly #changes = new Map<Ino, number>()
  /** Open files by inode whose openers may still be dropping pages. */
  readonly #dropping = new Map<Ino, number>()
  readonly #limit: number

  constructor(limit: number = maxPageRecords) {
    this.#limit = limit
  }

  mayKeep(attributes: Attributes): boolean {
    return this.#changes.get(attributes.ino) === attributes.change
  }

  /**
   * The file is opened as it is now: pages of another state are dropped by whoever holds them.
   * @returns whether they may be kept; if not, `dropped` is to be called.
   */
  opened(attributes: Attributes): boolean {
    const { ino } = attributes
    const droppers = this.#dropping.get(ino) ?? 0
    const keep = droppers === 0 && this.mayKeep(attributes)
    if (!keep) this.#dropping.set(ino, droppers + 1)
    this.#put(ino, attributes.change)
    return keep
  }

  /** Who opened the file and was to drop its pages has done so. */
  dropped(ino: Ino): void {
    const droppers = this.#dropping.get(ino) ?? 0
    if (droppers > 1) this.#dropping.set(ino, droppers - 1)
    else this.#dropping.delete(ino)
  }

  /** This client changed the file; `previous` was the change before. */
  changedHere(attributes: Attributes, previous: number): void {
    if (this.#changes.get(attributes.ino) === previous) this.#put(attributes.ino, attributes.change)
  }

  /** A server may have gone back to an earlier state, and count on from there. */
  forget(ino: Ino): void {
    this.#changes.delete(ino)
  }

  #put(ino: Ino, change: number): void {
    this.#changes.delete(ino)
    this.#changes.set(ino, change)
    if (this.#changes.size <= this.#limit) return
    for (const oldest of this.#changes.keys()) {
      this.#changes.delete(oldest)
      return
    }
  }
}
