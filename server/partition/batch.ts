/** What one operation reads and what it wants to change: nothing of it shows until it is staged. */
import type { Key, KeyMutation, KeyReader } from '../metadata/contract.ts'
import type { KeyLocks } from './key-locks.ts'
import type { PartitionStore } from './partition-store.ts'

/** How an operation changes the counts of its partition. */
export interface CountChange {
  inodes: number
  blocks: number
  blockBytes: number
}

/** What an operation reads. */
export type StagedReader = Pick<PartitionStore, 'get' | 'isStaged'>

export class Batch implements KeyReader {
  readonly #store: StagedReader
  readonly #locks: KeyLocks
  readonly #owner: string | null
  readonly #onlyReads: boolean
  readonly #writes = new Map<Key, Uint8Array | null>()
  readonly #read: Set<Key> | null
  #sawStaged = false
  readonly counts: CountChange = { inodes: 0, blocks: 0, blockBytes: 0 }

  /**
   * @param owner the transaction it runs for: its locks are open to it, and what it reads is remembered.
   * @param onlyReads it sees also what others are about to change without having decided it.
   */
  constructor(
    store: StagedReader,
    locks: KeyLocks,
    owner: string | null = null,
    onlyReads = false,
  ) {
    this.#store = store
    this.#locks = locks
    this.#owner = owner
    this.#onlyReads = onlyReads
    this.#read = owner === null ? null : new Set()
  }

  /** @throws LockedKey */
  get(key: Key): Uint8Array | undefined {
    const own = this.#writes.get(key)
    if (own !== undefined) return own ?? undefined
    if (this.#onlyReads) this.#locks.checkRead(key, this.#owner)
    else this.#locks.check(key, this.#owner)
    this.#read?.add(key)
    if (!this.#sawStaged && this.#store.isStaged(key)) this.#sawStaged = true
    return this.#store.get(key)
  }

  /** @throws LockedKey */
  put(key: Key, value: Uint8Array): void {
    this.#locks.check(key, this.#owner)
    this.#writes.set(key, value)
  }

  /** @throws LockedKey */
  delete(key: Key): void {
    this.#locks.check(key, this.#owner)
    this.#writes.set(key, null)
  }

  /** The transaction that it runs for. */
  get owner(): string | null {
    return this.#owner
  }

  get changed(): boolean {
    return this.#writes.size > 0
  }

  /** What was read may still be lost with the process: an answer built on it has to wait. */
  get sawStaged(): boolean {
    return this.#sawStaged
  }

  *mutations(): Generator<KeyMutation> {
    for (const [key, value] of this.#writes) yield { key, value }
  }

  /** All keys that the operation depends on: what a transaction has to lock. */
  *touched(): Generator<Key> {
    if (this.#read !== null) yield* this.#read
    yield* this.#writes.keys()
  }
}
