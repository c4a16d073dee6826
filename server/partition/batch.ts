/** What one operation reads and what it wants to change: nothing of it shows until it is staged. */
import type { ReadLeases } from '../leases/read-leases.ts'
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
export type StagedReader = Pick<PartitionStore, 'get' | 'isStaged' | 'begins'>

/** What the operation does to the store: it sees the more of what others are about, the less it does. */
export type Intention =
  /** Nothing: it sees also what others are about to change without having decided it. */
  | 'look'
  /** Nothing, but what it finds is to stay so until its answer is given. */
  | 'read'
  /** It may change all that it reads: nobody else has a lease on any of it. */
  | 'change'

interface KeptData {
  readonly key: Key
  readonly from: number
  readonly to: number
}

export interface BatchInit {
  readonly store: StagedReader
  readonly locks: KeyLocks
  readonly leases: ReadLeases
  readonly intention: Intention
  /** Who asks for it: its own leases are in nobody's way. */
  readonly client: string
  /** The transaction it runs for: its locks are open to it, and what it reads is remembered. */
  readonly owner: string | null
}

export class Batch implements KeyReader {
  readonly #store: StagedReader
  readonly #locks: KeyLocks
  readonly #leases: ReadLeases
  readonly #owner: string | null
  readonly #client: string
  readonly #intention: Intention
  readonly #writes = new Map<Key, Uint8Array | null>()
  readonly #read: Set<Key> | null
  #keptData: KeptData[] | null = null
  #sawStaged = false
  readonly counts: CountChange = { inodes: 0, blocks: 0, blockBytes: 0 }

  constructor({ store, locks, leases, intention, client, owner }: BatchInit) {
    this.#store = store
    this.#locks = locks
    this.#leases = leases
    this.#owner = owner
    this.#client = client
    this.#intention = intention
    this.#read = owner === null ? null : new Set()
  }

  /** @throws LockedKey; LeasedKey also where the caller only looks, while another may write it behind. */
  get(key: Key): Uint8Array | undefined {
    const own = this.#writes.get(key)
    if (own !== undefined) return own ?? undefined
    if (this.#intention === 'look') this.#locks.checkRead(key, this.#owner)
    else this.#locks.check(key, this.#owner)
    // Here, and not when it writes: by then it may have done something that cannot be done again.
    if (this.#intention === 'change') this.#leases.check(key, this.#client)
    else this.#leases.checkRead(key, this.#client)
    this.#read?.add(key)
    if (!this.#sawStaged && this.#store.isStaged(key)) this.#sawStaged = true
    return this.#store.get(key)
  }

  /** Nothing was ever under the key: of a number that was given out for this batch. */
  begins(key: Key): void {
    this.#store.begins(key)
  }

  /** @throws LockedKey */
  put(key: Key, value: Uint8Array): void {
    this.#checkWrite(key)
    this.#writes.set(key, value)
  }

  /** @throws LockedKey */
  delete(key: Key): void {
    this.#checkWrite(key)
    this.#writes.set(key, null)
  }

  /** What the key shows stays so for the caller. @returns for how long, milliseconds; 0 for not at all. */
  lease(key: Key): number {
    // What is being decided shows as it was until it is, and then at once as it is.
    return this.#locks.isLocked(key) ? 0 : this.#leases.grant(key, this.#client)
  }

  /** The key is the caller's to write behind, which must hold a lease on it. @returns whether it is. */
  leaseWriting(key: Key): boolean {
    return !this.#locks.isLocked(key) && this.#leases.grantWriting(key, this.#client)
  }

  /** As `leaseWriting`, to go on with what it had begun. */
  resumeWriting(key: Key): number {
    return this.#locks.isLocked(key) ? 0 : this.#leases.resumeWriting(key, this.#client)
  }

  /** The inode's `change` goes `from` there `to` here with this batch, and its data stays as it is. */
  keepsData(key: Key, from: number, to: number): void {
    this.#keptData ??= []
    this.#keptData.push({ key, from, to })
  }

  /** What it wants to change is visible now. */
  staged(): void {
    for (const { key, from, to } of this.#keptData ?? [])
      this.#leases.writing.keptData(key, from, to)
  }

  /** Whether the data is at `change` what the caller, whose lease for writing ended unheard, left at `left`. */
  isDataKept(key: Key, left: number, change: number): boolean {
    return left === change || this.#leases.writing.isDataKept(key, this.#client, left, change)
  }

  /** For how long nobody is leased the key for writing, milliseconds. */
  calmMs(key: Key): number {
    return this.#leases.calmMs(key, this.#client)
  }

  /** Whether another than the caller may have newer data than what is here. */
  isWrittenBehind(key: Key): boolean {
    return this.#leases.isWrittenBehind(key, this.#client)
  }

  /** @throws LeasedKey while another than the caller has a lease. */
  assertLeasedToNoOther(key: Key): void {
    this.#leases.check(key, this.#client)
  }

  /** @throws LeasedKey while anybody has a lease, the caller too. */
  assertUnleased(key: Key): void {
    this.#leases.check(key, null)
  }

  #checkWrite(key: Key): void {
    this.#locks.check(key, this.#owner)
    this.#leases.check(key, this.#client)
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
