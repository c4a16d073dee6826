/**
 * Up to which `change` of an inode everything of it is on the disks, but for what this client has marked itself:
 * an fsync visits the others' servers as well, where somebody else may have written since.
 *
 * 1. A record moves on only when the change between is known to be this client's own.
 * 2. A forgotten record costs visits, never the truth.
 */
import { maxDirtyInodes } from '../../network/limits.ts'
import { OrderedMap } from '../../network/ordered-map.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'

export class SyncedChanges {
  /** In the order of their last use: the first is the next to go. */
  readonly #changes = new OrderedMap<Ino, number>()
  readonly #limit: number

  constructor(limit: number = maxDirtyInodes) {
    this.#limit = limit
  }

  /** Whether nothing but what this client marked can be missing from the disks. */
  cover({ ino, change }: Attributes): boolean {
    return this.#changes.get(ino) === change
  }

  /** All servers of the inode have synced since it was like this, or this client has just made it. */
  settled({ ino, change }: Attributes): void {
    this.#changes.set(ino, change)
    if (this.#changes.size > this.#limit) this.#changes.deleteFirst()
  }

  /** This client changed the inode; `previous` was the change before. */
  changedHere(attributes: Attributes, previous: number): void {
    if (this.#changes.get(attributes.ino) === previous) this.settled(attributes)
  }

  /** A server may have gone back to an earlier state, and count on from there. */
  forget(ino: Ino): void {
    this.#changes.delete(ino)
  }
}
