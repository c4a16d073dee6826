/**
 * The key-value contract under the metadata store: ordered keys, reads in one tick, atomic batches.
 * Keys are binary strings (one character for each byte, codes 0 to 255): they order as bytes do and
 * serve as Map keys without a copy.
 */

export type Key = string

/** `value: null` deletes. */
export interface KeyMutation {
  readonly key: Key
  readonly value: Uint8Array | null
}

export type Pair = readonly [Key, Uint8Array]

/** What an operation may see: one consistent state. */
export interface KeyReader {
  /** @throws ClusterError DISK; CHECKSUM when the value is not what was written. */
  get(key: Key): Uint8Array | undefined
}

export interface RangeOptions {
  /** Told of each key whose value is not what was written; without it the range ends with CHECKSUM there. */
  readonly onDamaged?: (key: Key) => void
}

export interface KeyValueStore extends KeyReader {
  /** All or nothing. With `sync`, on the disk when it resolves. @throws ClusterError DISK. */
  batch(mutations: readonly KeyMutation[], options: { readonly sync: boolean }): Promise<void>
  /** Nothing was ever under this key, of a number that is new: whoever remembers what there is need not look. */
  begins(key: Key): void
  /** Pairs with `from <= key < to` in order, as they were when the call was made. */
  range(from: Key, to: Key, options?: RangeOptions): AsyncIterable<Pair>
  /**
   * As `range`, in steps of at most so many: who wants many should not wait for each.
   * @throws ClusterError CHECKSUM where a value is not what was written.
   */
  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]>
  /**
   * Merges what was deleted out of the store: the disk has its space again. Nothing happens where the store takes more
   * than this. @throws ClusterError DISK.
   */
  compact(mostBytes: number): Promise<void>
  close(): Promise<void>
}
