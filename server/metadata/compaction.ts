/**
 * Has a full metadata disk give back what was deleted. Level writes deletions as any change, and drops what they are
 * about when it next merges its tables: a small store, whose buffers are not filled by the deletions of all there is,
 * would wait for that for ever, as nothing new is taken on a full disk.
 */
import type { Env } from '../../network/env/env.ts'
import { compactionIntervalMs, maxCompactedBytes } from '../../network/limits.ts'
import type { MetadataStore } from './metadata-store.ts'

export interface CompactionInit {
  readonly env: Pick<Env, 'clock'>
  readonly store: Pick<MetadataStore, 'deletedCount' | 'compact'>
}

export class Compaction {
  readonly #init: CompactionInit
  /** Nobody knows what an earlier process left. */
  #compacted = -1
  #notBeforeMs = 0
  #isRunning = false

  constructor(init: CompactionInit) {
    this.#init = init
  }

  /**
   * To be called again and again while the disk is full. A large store is left alone: to merge it all takes long, and
   * deletions fill its buffers.
   * @throws ClusterError DISK.
   */
  async check(): Promise<void> {
    const { env, store } = this.#init
    const { deletedCount } = store
    if (this.#isRunning || deletedCount === this.#compacted) return
    if (env.clock.monotonicMs() < this.#notBeforeMs) return
    this.#isRunning = true
    try {
      await store.compact(maxCompactedBytes)
      this.#compacted = deletedCount
    } finally {
      this.#isRunning = false
      this.#notBeforeMs = env.clock.monotonicMs() + compactionIntervalMs
    }
  }
}
