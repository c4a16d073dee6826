/**
 * Makes everything committed outlast the machine: data first, then the index that names it, then the
 * space that the index no longer names. Calls that come while a sync runs share the next one.
 *
 * 1. The batch that syncs the index also tells up to which change the data was synced before. What the
 *    index names beyond it, because it was committed in between, is looked at after a power failure.
 */
import type { BlockStore } from './blocks/contract.ts'
import type { MetadataStore } from './metadata/metadata-store.ts'

export class SyncPoint {
  readonly #blocks: BlockStore
  readonly #store: MetadataStore
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null
  #dirty = false

  constructor(blocks: BlockStore, store: MetadataStore) {
    this.#blocks = blocks
    this.#store = store
  }

  /** Something was committed since the last sync. */
  touched(): void {
    this.#dirty = true
  }

  /** Everything committed before the call is on the disks when it resolves. @throws ClusterError DISK. */
  sync(): Promise<void> {
    if (this.#running === null) return this.#start()
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    )
    return this.#next
  }

  /** As `sync`, when anything was committed since the last. */
  async syncIfDirty(): Promise<void> {
    if (this.#dirty) await this.sync()
  }

  #start(): Promise<void> {
    this.#next = null
    const running = this.#run().finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }

  async #run(): Promise<void> {
    this.#dirty = false
    const mark = this.#blocks.stagedMark()
    const synced = await this.#blocks.sync()
    await this.#store.sync(synced)
    this.#blocks.indexSynced(mark)
  }
}
