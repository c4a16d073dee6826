/** An index in memory for the block store's tests: what is staged is seen, what is synced survives. */
import type { Key, KeyMutation } from '../metadata/contract.ts'
import type { BlockIndex } from './scan.ts'

type Change = readonly KeyMutation[]

export class IndexDouble implements BlockIndex {
  #durable = new Map<Key, Uint8Array>()
  #staged = new Map<Key, Uint8Array>()
  #unsynced: Change[] = []

  get(key: Key): Uint8Array | undefined {
    return this.#staged.get(key)
  }

  async *range(from: Key, to: Key): AsyncIterable<readonly [Key, Uint8Array]> {
    const pairs = [...this.#staged].filter(([key]) => from <= key && key < to)
    yield* pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))
  }

  stage(mutations: Change): void {
    apply(this.#staged, mutations)
    this.#unsynced.push(mutations)
  }

  sync(): void {
    this.#durable = new Map(this.#staged)
    this.#unsynced = []
  }

  get unsyncedCount(): number {
    return this.#unsynced.length
  }

  /** Power is lost: the first `kept` changes since the last sync had reached the disk all the same. */
  crash(kept = 0): void {
    for (const mutations of this.#unsynced.slice(0, kept)) apply(this.#durable, mutations)
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
