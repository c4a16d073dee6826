/**
 * Which keys a transaction has promised not to let anyone else see or change. Ordinary operations hold
 * no locks: they run in one tick.
 */
import type { Key } from '../metadata/contract.ts'

/** Thrown inside an operation that met a locked key; the service runs it again when `released` resolves. */
export class LockedKey extends Error {
  override readonly name = 'LockedKey'
  readonly released: Promise<void>

  constructor(key: Key, released: Promise<void>) {
    super(`locked: ${Buffer.from(key, 'latin1').toString('hex')}`)
    this.released = released
  }
}

interface Lock {
  readonly owner: string
  readonly released: PromiseWithResolvers<void>
}

export class KeyLocks {
  readonly #locks = new Map<Key, Lock>()

  get size(): number {
    return this.#locks.size
  }

  /** @throws LockedKey when another than `owner` holds the key. */
  check(key: Key, owner: string | null): void {
    if (this.#locks.size === 0) return
    const lock = this.#locks.get(key)
    if (lock !== undefined && lock.owner !== owner) throw new LockedKey(key, lock.released.promise)
  }

  has(key: Key): boolean {
    return this.#locks.has(key)
  }

  /** @throws LockedKey when any key that begins so is held. */
  checkPrefix(prefix: Key): void {
    for (const [key, lock] of this.#locks) {
      if (key.startsWith(prefix)) throw new LockedKey(key, lock.released.promise)
    }
  }

  /** To be called in the tick in which `check` found the keys free. */
  acquire(keys: Iterable<Key>, owner: string): void {
    const released = Promise.withResolvers<void>()
    for (const key of keys) if (!this.#locks.has(key)) this.#locks.set(key, { owner, released })
  }

  release(keys: Iterable<Key>, owner: string): void {
    const released = new Set<PromiseWithResolvers<void>>()
    for (const key of keys) {
      const lock = this.#locks.get(key)
      if (lock === undefined || lock.owner !== owner) continue
      this.#locks.delete(key)
      released.add(lock.released)
    }
    for (const waiting of released) waiting.resolve()
  }
}
