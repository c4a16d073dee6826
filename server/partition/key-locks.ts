/**
 * Which keys a transaction does not let anyone else change. Ordinary operations hold no locks: they run in
 * one tick.
 *
 * 1. `promised`: what is decided about these keys is decided elsewhere, and may be decided already: nobody
 *    sees them until it is known.
 * 2. `undecided`: nothing is decided before the tick that releases them, so what they show until then is
 *    true: readers need not wait.
 */
import type { Key } from '../metadata/contract.ts'

/** Thrown inside an operation that met a locked key; the service runs it again when `released` resolves. */
export class LockedKey extends Error {
  override readonly name = 'LockedKey'
  readonly released: Promise<void>
  /** The transaction that has it; null where it is none. */
  readonly owner: string | null

  constructor(key: Key, released: Promise<void>, owner: string | null = null) {
    super(`locked: ${Buffer.from(key, 'latin1').toString('hex')}`)
    this.released = released
    this.owner = owner
  }
}

/** Thrown where a volume's quota may have more to grant: `released` rejects, with EDQUOT, when it has not. */
export class AwaitsGrant extends LockedKey {}

export type LockKind = 'promised' | 'undecided'

interface Lock {
  readonly owner: string
  readonly kind: LockKind
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
    if (lock !== undefined && lock.owner !== owner) throw met(key, lock)
  }

  /** As `check`, for who only looks. @throws LockedKey when another than `owner` has promised the key. */
  checkRead(key: Key, owner: string | null): void {
    if (this.#locks.size === 0) return
    const lock = this.#locks.get(key)
    if (lock === undefined || lock.owner === owner || lock.kind === 'undecided') return
    throw met(key, lock)
  }

  isLocked(key: Key): boolean {
    return this.#locks.has(key)
  }

  /** Whether what the key shows may be out of date already. */
  isPromised(key: Key): boolean {
    return this.#locks.get(key)?.kind === 'promised'
  }

  /** @throws LockedKey when any key that begins so is promised. */
  checkPrefix(prefix: Key): void {
    for (const [key, lock] of this.#locks) {
      if (lock.kind === 'promised' && key.startsWith(prefix)) throw met(key, lock)
    }
  }

  /** To be called in the tick in which `check` found the keys free. */
  acquire(keys: Iterable<Key>, owner: string, kind: LockKind = 'promised'): void {
    const released = Promise.withResolvers<void>()
    for (const key of keys) {
      if (!this.#locks.has(key)) this.#locks.set(key, { owner, kind, released })
    }
  }

  releaseAll(): void {
    const released = new Set([...this.#locks.values()].map(lock => lock.released))
    this.#locks.clear()
    for (const waiting of released) waiting.resolve()
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

function met(key: Key, { released, owner }: Lock): LockedKey {
  return new LockedKey(key, released.promise, owner)
}
