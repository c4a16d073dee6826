/**
 * The metadata store of a server: what was staged is visible at once, and is committed in groups.
 *
 * 1. `get` shows the newest staged state: staged over being written over stored.
 * 2. One batch is written at a time; what is staged meanwhile makes the next one, so commits are pipelined
 *    and the group grows with the load.
 * 3. Batches are written in the order staged; a batch holds all or nothing of what one `stage` gave it.
 * 4. When a batch fails, the state in memory is ahead of the disk for ever: the store refuses everything
 *    from then on, and the server ends (`failed`).
 */
import type { Key, KeyMutation, KeyReader, KeyValueStore, RangeOptions } from './contract.ts'

interface Group {
  readonly mutations: Map<Key, Uint8Array | null>
  readonly committed: PromiseWithResolvers<void>
  sync: boolean
}

function newGroup(): Group {
  const committed = Promise.withResolvers<void>()
  committed.promise.catch(() => undefined)
  return { mutations: new Map(), committed, sync: false }
}

export class MetadataStore implements KeyReader {
  readonly #store: KeyValueStore
  readonly #onFailure: (error: Error) => void
  #gathering = newGroup()
  #writing: Group | null = null
  #scheduled = false
  #failure: Error | null = null
  #deletedCount = 0
  #compacting: Promise<void> | null = null

  /** @param onFailure called once when a batch could not be written: the server must end. */
  constructor(store: KeyValueStore, onFailure: (error: Error) => void) {
    this.#store = store
    this.#onFailure = onFailure
  }

  get(key: Key): Uint8Array | undefined {
    let value = this.#gathering.mutations.get(key)
    if (value === undefined) value = this.#writing?.mutations.get(key)
    if (value === undefined) return this.#store.get(key)
    return value ?? undefined
  }

  /** Whether what `get(key)` shows could still be lost with the process. */
  isStaged(key: Key): boolean {
    return this.#gathering.mutations.has(key) || this.#writing?.mutations.has(key) === true
  }

  /** Makes the mutations visible now, and durable against the end of the process when it resolves. */
  commit(mutations: Iterable<KeyMutation>): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const group = this.#gathering
    for (const { key, value } of mutations) group.mutations.set(key, value)
    if (group.mutations.size === 0) return this.settled()
    this.#schedule()
    return group.committed.promise
  }

  /** Resolves when everything staged so far is committed. */
  settled(): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#gathering.mutations.size > 0) return this.#gathering.committed.promise
    return this.#writing?.committed.promise ?? Promise.resolve()
  }

  /** Resolves when everything staged so far is on the disk, and `more` in the same batch. */
  sync(more: Iterable<KeyMutation> = []): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    this.#gathering.sync = true
    for (const { key, value } of more) this.#gathering.mutations.set(key, value)
    this.#gathering.mutations.set(syncMarkKey, syncMark)
    this.#schedule()
    return this.#gathering.committed.promise
  }

  /** Stored and staged pairs with `from <= key < to` in order, as they were when the call was made. */
  range(from: Key, to: Key, options?: RangeOptions): AsyncIterable<readonly [Key, Uint8Array]> {
    const staged = this.#stagedRange(from, to)
    const stored = this.#store.range(from, to, options)
    return staged.length === 0 ? stored : merged(staged, stored)
  }

  /** How many records were deleted so far. */
  get deletedCount(): number {
    return this.#deletedCount
  }

  /** As that of the store below; one at a time. */
  compact(mostBytes: number): Promise<void> {
    this.#compacting ??= this.#store.compact(mostBytes).finally(() => {
      this.#compacting = null
    })
    return this.#compacting
  }

  async close(): Promise<void> {
    await this.#compacting?.catch(() => undefined)
    if (this.#failure === null) await this.settled()
    await this.#store.close()
  }

  #stagedRange(from: Key, to: Key): StagedPair[] {
    const found = new Map<Key, Uint8Array | null>()
    for (const group of [this.#writing, this.#gathering]) {
      for (const [key, value] of group?.mutations ?? []) {
        if (key >= from && key < to) found.set(key, value)
      }
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing !== null) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#write()
    })
  }

  async #write(): Promise<void> {
    while (this.#failure === null && this.#gathering.mutations.size > 0) {
      const group = this.#gathering
      this.#gathering = newGroup()
      this.#writing = group
      const mutations: KeyMutation[] = []
      for (const [key, value] of group.mutations) {
        mutations.push({ key, value })
        if (value === null) this.#deletedCount++
      }
      try {
        await this.#store.batch(mutations, { sync: group.sync })
      } catch (error) {
        this.#fail(error instanceof Error ? error : new Error(String(error)), group)
        return
      }
      this.#writing = null
      group.committed.resolve()
    }
  }

  #fail(error: Error, group: Group): void {
    this.#failure = error
    group.committed.reject(error)
    this.#gathering.committed.reject(error)
    this.#onFailure(error)
  }
}

type StagedPair = readonly [Key, Uint8Array | null]

async function* merged(
  staged: readonly StagedPair[],
  stored: AsyncIterable<readonly [Key, Uint8Array]>,
): AsyncGenerator<readonly [Key, Uint8Array]> {
  let next = 0
  for await (const pair of stored) {
    for (; next < staged.length && staged[next]![0] < pair[0]; next++) yield* present(staged[next]!)
    if (staged[next]?.[0] === pair[0]) yield* present(staged[next++]!)
    else yield pair
  }
  for (; next < staged.length; next++) yield* present(staged[next]!)
}

function present([key, value]: StagedPair): (readonly [Key, Uint8Array])[] {
  return value === null ? [] : [[key, value]]
}

/** Level syncs only a batch that holds something; this key sorts behind every partition. */
const syncMarkKey = '\xff\xff\xffsync'
const syncMark = new Uint8Array(0)
