/**
 * Makes everything committed outlast the machine: data first, then the index that names it, then the
 * space that the index no longer names. Calls that come while a sync runs share the next one.
 *
 * 1. The batch that syncs the index also tells up to which change the data was synced before. What the
 *    index names beyond it, because it was committed in between, is looked at after a power failure.
 */
import type { BlockStore } from './blocks/contract.ts'
import type { MetadataStore } from './metadata/metadata-store.ts'

export type SyncedBlocks = Pick<BlockStore, 'stagedMark' | 'sync' | 'indexSynced'>
export type SyncedIndex = Pick<MetadataStore, 'sync'>

export class SyncPoint {
  readonly #blocks: SyncedBlocks
  readonly #store: SyncedIndex
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null
  #dirty = false

  constructor(blocks: SyncedBlocks, store: SyncedIndex) {
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
    this.#running = this.#run().finally(() => {
      // The next one begins a little later: who calls until then still shares it.
      if (this.#next === null) this.#running = null
    })
    return this.#running
  }

  async #run(): Promise<void> {
    this.#dirty = false
    const mark = this.#blocks.stagedMark()
    try {
      const synced = await this.#blocks.sync()
      await this.#store.sync(synced)
    } catch (error) {
      // Whoever keeps the disks has to hear of it, not only the caller who happened to ask.
      this.#dirty = true
      throw error
    }
    this.#blocks.indexSynced(mark)
  }
}
