/**
 * Which inode an entry named when it was last seen, for those that live in another partition than their
 * entry: whom to ask for attributes while the entry itself is being asked for.
 *
 * 1. A hint is never an answer: what it leads to counts only when the entry still names that inode.
 */
import { maxEntryHints } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'

export class EntryHints {
  /** In the order of their last use: the first is the next to go. */
  readonly #inos = new Map<string, Ino>()
  readonly #limit: number

  constructor(limit: number = maxEntryHints) {
    this.#limit = limit
  }

  get(parent: Ino, name: Name): Ino | undefined {
    return this.#inos.size === 0 ? undefined : this.#inos.get(keyOf(parent, name))
  }

  saw(parent: Ino, name: Name, ino: Ino): void {
    const key = keyOf(parent, name)
    this.#inos.delete(key)
    this.#inos.set(key, ino)
    if (this.#inos.size <= this.#limit) return
    for (const oldest of this.#inos.keys()) {
      this.#inos.delete(oldest)
      return
    }
  }

  forget(parent: Ino, name: Name): void {
    this.#inos.delete(keyOf(parent, name))
  }
}

/** Names are bytes: latin1 has a character for each. */
function keyOf(parent: Ino, { buffer, byteOffset, byteLength }: Name): string {
  return `${parent}/${Buffer.from(buffer, byteOffset, byteLength).toString('latin1')}`
}
