/**
 * Deletes copies that nobody wants, in the background. What is begun is marked, so that it goes on after a
 * restart, and a copy that is wanted again starts from nothing.
 */
import { dropBatchRows } from '../../network/limits.ts'
import type { BlockStore } from '../blocks/contract.ts'
import type { Key } from '../metadata/contract.ts'
import { partitionRange } from '../metadata/keys.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { copyMutation, copyState, forgetCopy } from './copy-record.ts'
import { CopyWriter } from './copy-writer.ts'

export interface DropperInit {
  readonly store: MetadataStore
  readonly blocks: BlockStore
  readonly boot: bigint
  /** Something was committed. */
  readonly touched: () => void
  readonly log: (message: string, error?: unknown) => void
}

export class Dropper {
  readonly #init: DropperInit
  readonly #dropping = new Set<number>()
  #last: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(init: DropperInit) {
    this.#init = init
  }

  isDropping(partition: number): boolean {
    return this.#dropping.has(partition)
  }

  get size(): number {
    return this.#dropping.size
  }

  /** One copy after the other. */
  drop(partition: number): void {
    if (this.#dropping.has(partition) || this.#stopped) return
    this.#dropping.add(partition)
    this.#last = this.#last
      .then(() => this.#drop(partition))
      .catch(error => {
        if (!this.#stopped)
          this.#init.log(`cannot delete the copy of partition ${partition}`, error)
      })
      .finally(() => this.#dropping.delete(partition))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#last
  }

  async #drop(partition: number): Promise<void> {
    const { store, blocks, boot, touched } = this.#init
    if (this.#stopped) return
    const mark = { state: copyState.dropping, epoch: 0, sequence: 0, boot }
    await store.commit([copyMutation(partition, mark)])
    const writer = new CopyWriter(partition, store, blocks)
    for (
      let keys = await this.#some(partition);
      keys.length > 0;
      keys = await this.#some(partition)
    ) {
      if (this.#stopped) return
      await writer.delete(keys)
      touched()
    }
    await store.commit([forgetCopy(partition)])
  }

  async #some(partition: number): Promise<Key[]> {
    const keys: Key[] = []
    const damaged: Key[] = []
    const onDamaged = (key: Key): void => void damaged.push(key)
    for await (const [key] of this.#init.store.range(...partitionRange(partition), { onDamaged })) {
      keys.push(key)
      if (keys.length === dropBatchRows) break
    }
    return [...keys, ...damaged]
  }
}
