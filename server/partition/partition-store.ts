/**
 * The metadata store as one partition sees it, as long as this server is its primary.
 *
 * 1. Once it is closed nothing is read or changed through it: whoever still holds a partition that others
 *    serve by now fails, wherever it is.
 * 2. Whatever changes the partition while it is open goes through `commit`.
 * 3. Where the partition has copies elsewhere, what was staged counts as committed, and as synced, when it is
 *    so in all copies that are in sync.
 */
import { ClusterError } from '../../network/errors.ts'
import type { BlockChange } from '../../network/wire/replica-messages.ts'
import type { Key, KeyMutation, KeyReader, Pair, RangeOptions } from '../metadata/contract.ts'
import { endOf, isKeyOf, keyKind, kindPrefix } from '../metadata/keys.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

/** A change of a block as the other copies are to make it too. */
export interface ShippedBlock {
  readonly change: BlockChange
  readonly data: readonly Uint8Array[]
}

/** The other copies, where there are any. */
export interface Shipping {
  /** To be committed with the record that `ship` gets in the same tick. */
  mark(): KeyMutation
  /** @param committed the same here. @returns when it is acknowledged by all that are in sync. */
  ship(
    mutations: readonly KeyMutation[],
    block: ShippedBlock | null,
    committed: Promise<void>,
  ): Promise<void>
  isStaged(key: Key): boolean
  settled(): Promise<void>
  /** All that was acknowledged is on the disks of all that are in sync. */
  sync(): Promise<void>
}

export class PartitionStore implements KeyReader {
  readonly #partition: number
  readonly #store: MetadataStore
  #shipping: Shipping | null = null
  #isShared = false
  #isClosed = false
  #commitCount = 0
  /** Extended attributes of anything here: none for certain, or perhaps some. */
  #xattrs: 'unknown' | 'none' | 'some' = 'unknown'

  constructor(partition: number, store: MetadataStore) {
    this.#partition = partition
    this.#store = store
  }

  /** How often anything was changed: what was read at the same count is still so. */
  get commitCount(): number {
    return this.#commitCount
  }

  /** Whether nothing here has extended attributes; false where that is not known, until `learnXattrs` has looked. */
  get hasNoXattrs(): boolean {
    return this.#xattrs === 'none'
  }

  /** Looks once whether anything has extended attributes. What cannot be read is for whoever wants to read it. */
  async learnXattrs(): Promise<void> {
    if (this.#xattrs !== 'unknown') return
    const prefix = kindPrefix(this.#partition, keyKind.xattrs)
    const isAny = await anyIn(this.range(prefix, endOf(prefix))).catch(() => true)
    // Some may have been set meanwhile.
    if (this.#xattrs === 'unknown') this.#xattrs = isAny ? 'some' : 'none'
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether there are, or were, copies elsewhere: what was committed may be on its way there yet. */
  get isShared(): boolean {
    return this.#isShared
  }

  set shipping(shipping: Shipping | null) {
    this.#shipping = shipping
    if (shipping !== null) this.#isShared = true
  }

  close(): void {
    this.#isClosed = true
  }

  /** @throws ClusterError NOT_PRIMARY when this server is not the primary any more. */
  assertOpen(): void {
    if (!this.#isClosed) return
    const text = `this server is not primary of partition ${this.#partition} any more`
    throw new ClusterError('NOT_PRIMARY', text)
  }

  get(key: Key): Uint8Array | undefined {
    this.assertOpen()
    return this.#store.get(key)
  }

  /** Whether what `get(key)` shows could still be lost. */
  isStaged(key: Key): boolean {
    return this.#store.isStaged(key) || this.#shipping?.isStaged(key) === true
  }

  begins(key: Key): void {
    this.#store.begins(key)
  }

  /** @param lazy as that of the store below. */
  commit(mutations: KeyMutation[], block: ShippedBlock | null = null, lazy = false): Promise<void> {
    this.assertOpen()
    this.#commitCount++
    if (this.#xattrs !== 'some' && mutations.some(setsXattrs)) this.#xattrs = 'some'
    const shipping = this.#shipping
    if (shipping === null) return this.#store.commit(mutations, lazy)
    const shipped = [...mutations]
    mutations.push(shipping.mark())
    return shipping.ship(shipped, block, this.#store.commit(mutations))
  }

  settled(): Promise<void> {
    const settled = this.#store.settled()
    if (this.#shipping === null) return settled
    return Promise.all([settled, this.#shipping.settled()]).then(() => undefined)
  }

  async sync(): Promise<void> {
    this.assertOpen()
    const shipping = this.#shipping
    const synced = this.#store.sync()
    if (shipping === null) return await synced
    await Promise.all([synced, shipping.sync()])
  }

  range(from: Key, to: Key, options?: RangeOptions): AsyncIterable<Pair> {
    this.assertOpen()
    return this.#store.range(from, to, options)
  }

  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]> {
    this.assertOpen()
    return this.#store.steps(from, to, pairs)
  }
}

function setsXattrs({ key, value }: KeyMutation): boolean {
  return value !== null && isKeyOf(key, keyKind.xattrs)
}

async function anyIn(range: AsyncIterable<Pair>): Promise<boolean> {
  for await (const _ of range) return true
  return false
}
