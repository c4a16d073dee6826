/**
 * A key-value store whose short records are kept in memory as well, as they were read or written last: to
 * fetch one from Level, and to verify it, costs more than most operations do with it. That a key has
 * no record is kept, too: every create asks for that.
 *
 * 1. What is kept is what the store below has: a batch changes it when it has been written, whatever was read
 *    meanwhile, and one that fails leaves nothing kept.
 * 2. A key is in `#young` once it was used, which becomes `#old` when it is full; what is not used again until
 *    the next turn is forgotten. Together they hold at most `maxCachedRecords`.
 */
import { maxCachedRecordBytes, maxCachedRecords } from '../../network/limits.ts'
import type { Key, KeyMutation, KeyValueStore, RangeOptions } from './contract.ts'

/** null: there is no record. */
type Kept = Uint8Array | null

export class RecordCache implements KeyValueStore {
  readonly #store: KeyValueStore
  readonly #turn: number
  #young = new Map<Key, Kept>()
  #old = new Map<Key, Kept>()

  constructor(store: KeyValueStore, limit: number = maxCachedRecords) {
    this.#store = store
    this.#turn = Math.max(1, Math.floor(limit / 2))
  }

  get(key: Key): Uint8Array | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young ?? undefined
    const old = this.#old.get(key)
    if (old !== undefined) {
      this.#keep(key, old)
      return old ?? undefined
    }
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
      this.#forgetAll()
      throw error
    }
  }

  range(from: Key, to: Key, options?: RangeOptions): AsyncIterable<readonly [Key, Uint8Array]> {
    return this.#store.range(from, to, options)
  }

  close(): Promise<void> {
    this.#forgetAll()
    return this.#store.close()
  }

  #keep(key: Key, value: Kept): void {
    if (value !== null && value.byteLength > maxCachedRecordBytes) {
      this.#young.delete(key)
      this.#old.delete(key)
      return
    }
    this.#young.set(key, value)
    if (this.#young.size < this.#turn) return
    this.#old = this.#young
    this.#young = new Map()
  }

  #forgetAll(): void {
    this.#young.clear()
    this.#old.clear()
  }
}
