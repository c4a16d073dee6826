/**
 * The metadata store as one partition sees it, as long as this server is its primary.
 *
 * 1. Once it is closed nothing is read or changed through it: whoever still holds a partition that others
 *    serve by now fails, wherever it is.
 * 2. Where the partition has copies elsewhere, what was staged counts as committed, and as synced, when it is
 *    so in all copies that are in sync.
 */
import { ClusterError } from '../../network/errors.ts'
import type { BlockChange } from '../../network/wire/replica-messages.ts'
import type { Key, KeyMutation, KeyReader, Pair, RangeOptions } from '../metadata/contract.ts'
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
  #isClosed = false

  constructor(partition: number, store: MetadataStore) {
    this.#partition = partition
    this.#store = store
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  set shipping(shipping: Shipping | null) {
    this.#shipping = shipping
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

  commit(mutations: KeyMutation[], block: ShippedBlock | null = null): Promise<void> {
    this.assertOpen()
    const shipping = this.#shipping
    if (shipping === null) return this.#store.commit(mutations)
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
