/**
 * The metadata store of a server: what was staged is visible at once, and is committed in groups.
 *
 * 1. `get` shows the newest staged state: staged over being written over stored.
 * 2. One batch is written at a time; what is staged meanwhile makes the next one, so commits are pipelined
 *    and the group grows with the load. What nobody waits for (`lazy`) waits a moment for more.
 * 3. Batches are written in the order staged; a batch holds all or nothing of what one `stage` gave it.
 * 4. When a batch fails, the state in memory is ahead of the disk for ever: the store refuses everything
 *    from then on, and the server ends (`failed`).
 */
import type { Timers } from '../../network/env/env.ts'
import { lazyCommitMs } from '../../network/limits.ts'
import type { Key, KeyMutation, KeyReader, KeyValueStore, Pair, RangeOptions } from './contract.ts'

interface Group {
  readonly mutations: Map<Key, Uint8Array | null>
  readonly committed: PromiseWithResolvers<void>
  sync: boolean
  /** Somebody waits for it, or it has waited for long enough. */
  isDue: boolean
}

function newGroup(): Group {
  const committed = Promise.withResolvers<void>()
  committed.promise.catch(() => undefined)
  return { mutations: new Map(), committed, sync: false, isDue: false }
}

export class MetadataStore implements KeyReader {
  readonly #store: KeyValueStore
  readonly #onFailure: (error: Error) => void
  readonly #timers: Pick<Timers, 'after'> | null
  #gathering = newGroup()
  #writing: Group | null = null
  #scheduled = false
  /** For more than what nobody waits for. */
  #isWaiting = false
  #failure: Error | null = null
  #deletedCount = 0
  #compacting: Promise<void> | null = null

  /**
   * @param onFailure called once when a batch could not be written: the server must end.
   * @param timers null: nothing waits for more.
   */
  constructor(
    store: KeyValueStore,
    onFailure: (error: Error) => void,
    timers: Pick<Timers, 'after'> | null = null,
  ) {
    this.#store = store
    this.#onFailure = onFailure
    this.#timers = timers
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

  /** As that of the store below. */
  begins(key: Key): void {
    this.#store.begins(key)
  }

  /**
   * Makes the mutations visible now, and durable against the end of the process when it resolves.
   * @param lazy nobody waits for that.
   */
  commit(mutations: Iterable<KeyMutation>, lazy = false): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const group = this.#gathering
    for (const { key, value } of mutations) group.mutations.set(key, value)
    if (group.mutations.size === 0) return this.settled()
    this.#schedule(lazy)
    return group.committed.promise
  }

  /** Resolves when everything staged so far is committed. */
  settled(): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#gathering.mutations.size > 0) {
      this.#schedule()
      return this.#gathering.committed.promise
    }
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
  range(from: Key, to: Key, options?: RangeOptions): AsyncIterable<Pair> {
    const staged = this.#stagedRange(from, to)
    const stored = this.#store.range(from, to, options)
    return staged.length === 0 ? stored : merged(staged, stored)
  }

  /** As `range`, in steps of at most so many. */
  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]> {
    const staged = this.#stagedRange(from, to)
    const stored = this.#store.steps(from, to, pairs)
    return staged.length === 0 ? stored : mergedSteps(staged, stored, pairs)
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

  #schedule(lazy = false): void {
    if (lazy && this.#timers !== null && !this.#gathering.isDue) this.#waitForMore(this.#timers)
    else this.#gathering.isDue = true
    if (this.#scheduled || this.#writing !== null || !this.#gathering.isDue) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#write()
    })
  }

  #waitForMore(timers: Pick<Timers, 'after'>): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    timers.after(lazyCommitMs, () => {
      this.#isWaiting = false
      if (this.#failure === null && this.#gathering.mutations.size > 0) this.#schedule()
    })
  }

  async #write(): Promise<void> {
    while (this.#failure === null && this.#gathering.isDue) {
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
  stored: AsyncIterable<Pair>,
): AsyncGenerator<Pair> {
  const merge = new Merge(staged)
  for await (const pair of stored) yield* merge.upTo(pair)
  yield* merge.rest()
}

async function* mergedSteps(
  staged: readonly StagedPair[],
  stored: AsyncIterable<readonly Pair[]>,
  pairs: number,
): AsyncGenerator<readonly Pair[]> {
  const merge = new Merge(staged)
  for await (const step of stored) {
    const found = step.flatMap(pair => merge.upTo(pair))
    yield* cut(found, pairs)
  }
  yield* cut(merge.rest(), pairs)
}

function* cut(found: readonly Pair[], pairs: number): Generator<readonly Pair[]> {
  for (let at = 0; at < found.length; at += pairs) yield found.slice(at, at + pairs)
}

/** Pairs that are staged, in order, put where they belong among those that are stored. */
class Merge {
  readonly #staged: readonly StagedPair[]
  #next = 0

  constructor(staged: readonly StagedPair[]) {
    this.#staged = staged
  }

  /** The next stored pair, or what is staged instead, and what is staged before it. */
  upTo(pair: Pair): Pair[] {
    const found = this.#before(pair[0])
    if (this.#staged[this.#next]?.[0] !== pair[0]) found.push(pair)
    else present(found, this.#staged[this.#next++]!)
    return found
  }

  rest(): Pair[] {
    return this.#before(null)
  }

  #before(end: Key | null): Pair[] {
    const found: Pair[] = []
    for (; this.#next < this.#staged.length; this.#next++) {
      const staged = this.#staged[this.#next]!
      if (end !== null && staged[0] >= end) break
      present(found, staged)
    }
    return found
  }
}

function present(pairs: Pair[], [key, value]: StagedPair): void {
  if (value !== null) pairs.push([key, value])
}

/** Level syncs only a batch that holds something; this key sorts behind every partition. */
const syncMarkKey = '\xff\xff\xffsync'
const syncMark = new Uint8Array(0)
