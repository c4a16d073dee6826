/**
 * Which inode an entry named when it was last seen, for those that live in another partition than their
 * entry: whom to ask for attributes while the entry itself is being asked for.
 *
 * 1. A hint is never an answer: what it leads to counts only when the entry still names that inode.
 */
import { maxEntryHints } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import { nameKey } from '../cluster/read-leases.ts'

export class EntryHints {
  readonly #inos: RecentMap<string, Ino>
  /** Directories that may have a hint: most that are looked into hold files, which need none. */
  readonly #parents: RecentMap<Ino, null>

  constructor(limit: number = maxEntryHints) {
    this.#inos = new RecentMap(limit)
    this.#parents = new RecentMap(limit)
  }

  get(parent: Ino, name: Name): Ino | undefined {
    return this.#parents.get(parent) === null ? this.#inos.get(nameKey(parent, name)) : undefined
  }

  saw(parent: Ino, name: Name, ino: Ino): void {
    this.#parents.set(parent, null)
    this.#inos.set(nameKey(parent, name), ino)
  }

  forget(parent: Ino, name: Name): void {
    if (this.#parents.get(parent) === null) this.#inos.delete(nameKey(parent, name))
  }
}
