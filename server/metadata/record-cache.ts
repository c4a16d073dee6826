/**
 * A key-value store whose short records are kept in memory as well, as they were read or written last: to
 * fetch one from Level, and to verify it, costs more than most operations do with it. That a key has
 * no record is kept, too: every create asks for that.
 *
 * 1. What is kept is what the store below has: a batch changes it when it has been written, whatever was read
 *    meanwhile, and one that fails leaves nothing kept.
 */
import { maxCachedRecordBytes, maxCachedRecords } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Key, KeyMutation, KeyValueStore, Pair, RangeOptions } from './contract.ts'

/** null: there is no record. */
type Kept = Uint8Array | null

export class RecordCache implements KeyValueStore {
  readonly #store: KeyValueStore
  readonly #kept: RecentMap<Key, Kept>

  constructor(store: KeyValueStore, limit: number = maxCachedRecords) {
    this.#store = store
    this.#kept = new RecentMap(limit)
  }

  get(key: Key): Uint8Array | undefined {
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept ?? undefined
    const value = this.#store.get(key)
    this.#keep(key, value ?? null)
    return value
  }

  async batch(
    mutations: readonly KeyMutation[],
    options: { readonly sync: boolean },
  ): Promise<void> {
    try {
      await this.#store.batch(mutations, options)
      for (const { key, value } of mutations) this.#keep(key, value)
    } catch (error) {
      this.#kept.clear()
      throw error
    }
  }

  begins(key: Key): void {
    this.#keep(key, null)
  }

  range(from: Key, to: Key, options?: RangeOptions): AsyncIterable<Pair> {
    return this.#store.range(from, to, options)
  }

  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]> {
    return this.#store.steps(from, to, pairs)
  }

  compact(mostBytes: number): Promise<void> {
    return this.#store.compact(mostBytes)
  }

  close(): Promise<void> {
    this.#kept.clear()
    return this.#store.close()
  }

  #keep(key: Key, value: Kept): void {
    if (value === null || value.byteLength <= maxCachedRecordBytes) this.#kept.set(key, value)
    else this.#kept.delete(key)
  }
}
