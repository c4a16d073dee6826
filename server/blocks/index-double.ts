/** An index in memory for the block store's tests: what is staged is seen, what is synced survives. */
import { ClusterError } from '../../network/errors.ts'
import type { Key, KeyMutation, RangeOptions } from '../metadata/contract.ts'
import type { BlockIndex } from './scan.ts'

type Change = readonly KeyMutation[]

export class IndexDouble implements BlockIndex {
  #durable = new Map<Key, Uint8Array>()
  #staged = new Map<Key, Uint8Array>()
  #unsynced: Change[] = []
  /** Keys whose values are not what was written. */
  readonly rotten = new Set<Key>()

  get(key: Key): Uint8Array | undefined {
    if (this.rotten.has(key)) throw new ClusterError('CHECKSUM', 'rotten')
    return this.#staged.get(key)
  }

  async *range(
    from: Key,
    to: Key,
    { onDamaged }: RangeOptions = {},
  ): AsyncIterable<readonly [Key, Uint8Array]> {
    const within = [...this.#staged].filter(([key]) => from <= key && key < to)
    const pairs = within.filter(([key]) => !this.rotten.has(key))
    for (const [key] of within) if (this.rotten.has(key)) onDamaged?.(key)
    yield* pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))
  }

  stage(mutations: Change): void {
    apply(this.#staged, mutations)
    for (const { key } of mutations) this.rotten.delete(key)
    this.#unsynced.push(mutations)
  }

  async commit(mutations: Change): Promise<void> {
    this.stage(mutations)
  }

  /** @param more seen and on the disk with what was staged before. */
  sync(more: Change = []): void {
    apply(this.#staged, more)
    this.#durable = new Map(this.#staged)
    this.#unsynced = []
  }

  get unsyncedCount(): number {
    return this.#unsynced.length
  }

  /** The process ended and begins again: Level brings what its log holds to the disk. */
  reopen(): void {
    this.sync()
  }

  /** Power is lost. @param kept which changes since the last sync had reached the disk all the same. */
  crash(kept: (change: number) => boolean = () => false): void {
    const left = this.#unsynced.filter((_, change) => kept(change))
    for (const mutations of left) apply(this.#durable, mutations)
    this.#staged = new Map(this.#durable)
    this.#unsynced = []
  }
}

function apply(map: Map<Key, Uint8Array>, mutations: Change): void {
  for (const { key, value } of mutations) {
    if (value) map.set(key, value)
    else map.delete(key)
  }
}
