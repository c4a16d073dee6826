/**
 * For which `change` of an inode the pages that the kernel (or anyone above) holds are true.
 *
 * 1. A record moves on only when the change between is known to be this client's own.
 * 2. A forgotten record costs a cache, never the truth.
 * 3. Who is told to drop pages may still be at it when somebody else opens the file: until it is heard from
 *    through what it opened, the others drop them, too.
 * 4. `invalidated` is recorded when the pages are gone, so that whoever shares them may rely on it at once.
 */
import { Counts } from '../../network/counts.ts'
import { maxPageRecords } from '../../network/limits.ts'
import { OrderedMap } from '../../network/ordered-map.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'

export class PageRecords {
  /** In the order of their last use: the first is the next to go. */
  readonly #changes = new OrderedMap<Ino, number>()
  /** Open files by inode whose openers may still be dropping pages. */
  readonly #dropping = new Counts<Ino>()
  readonly #invalidated = new OrderedMap<Ino, number>()
  readonly #limit: number

  constructor(limit: number = maxPageRecords) {
    this.#limit = limit
  }

  mayKeep({ ino, change }: Attributes): boolean {
    return this.#changes.get(ino) === change
  }

  /** Likewise, and nobody is still to drop some of them. */
  areKept(attributes: Attributes): boolean {
    return !this.#dropping.has(attributes.ino) && this.mayKeep(attributes)
  }

  /**
   * The file is opened as it is now: pages of another state are dropped by whoever holds them.
   * @returns whether they may be kept; if not, `dropped` is to be called.
   */
  opened(attributes: Attributes): boolean {
    const { ino } = attributes
    const keep = this.areKept(attributes)
    if (!keep) this.#dropping.add(ino)
    this.#put(this.#changes, attributes)
    return keep
  }

  /** It is new: nobody has pages of it. */
  made(attributes: Attributes): void {
    this.#put(this.#changes, attributes)
  }

  /** Who opened the file and was to drop its pages has done so. */
  dropped(ino: Ino): void {
    this.#dropping.subtract(ino)
  }

  /** Whether the pages are true though the file was open all the time: see `invalidated`. */
  areTrue(attributes: Attributes): boolean {
    return this.#invalidated.get(attributes.ino) === attributes.change
  }

  /** All pages of the file have gone since it was like this. */
  invalidated(attributes: Attributes): void {
    this.#put(this.#invalidated, attributes)
  }

  /** This client changed the file; `previous` was the change before. */
  changedHere(attributes: Attributes, previous: number): void {
    for (const records of [this.#changes, this.#invalidated]) {
      if (records.get(attributes.ino) === previous) this.#put(records, attributes)
    }
  }

  /** Pages may have come in that are older than what was written meanwhile. */
  doubt(ino: Ino): void {
    this.#changes.delete(ino)
  }

  /** A server may have gone back to an earlier state, and count on from there. */
  forget(ino: Ino): void {
    this.#changes.delete(ino)
    this.#invalidated.delete(ino)
  }

  #put(records: OrderedMap<Ino, number>, { ino, change }: Attributes): void {
    records.set(ino, change)
    if (records.size > this.#limit) records.deleteFirst()
  }
}
