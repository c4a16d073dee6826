/** A key-value store in memory whose batches a test can hold, fail, or lose with the machine. */
import { ClusterError } from '../../network/errors.ts'
import type { Key, KeyMutation, KeyValueStore, Pair, RangeOptions } from '../metadata/contract.ts'

export interface WrittenBatch {
  readonly mutations: readonly KeyMutation[]
  readonly sync: boolean
}

export class StoreDouble implements KeyValueStore {
  readonly content: Map<Key, Uint8Array>
  readonly written: WrittenBatch[] = []
  /** Keys whose records are not what was written, until they are written anew. */
  readonly damaged = new Set<Key>()
  /** Called before and after a batch takes effect. */
  onBatch: (when: 'before' | 'after') => void = () => undefined
  /** What each batch since the last synced one replaced, oldest first. */
  #replaced: KeyMutation[][] = []
  #held: PromiseWithResolvers<void>[] | null = null
  #failure: Error | null = null
  #dead = false

  constructor(content: Map<Key, Uint8Array> = new Map()) {
    this.content = content
  }

  get(key: Key): Uint8Array | undefined {
    if (this.damaged.has(key)) failAt(key)
    return this.content.get(key)
  }

  begins(): void {}

  /** What was deleted is gone already. */
  compact(): Promise<void> {
    return Promise.resolve()
  }

  /** Batches wait from now on. */
  hold(): void {
    this.#held ??= []
  }

  get heldCount(): number {
    return this.#held?.length ?? 0
  }

  /** Lets the oldest batch go that waits. */
  releaseOne(): void {
    this.#held?.shift()?.resolve()
  }

  /** Lets all go, and those to come. */
  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const batch of held) batch.resolve()
  }

  /** Every batch from now on fails. */
  failWith(error: Error): void {
    this.#failure = error
  }

  get isDead(): boolean {
    return this.#dead
  }

  /** The process is gone: nothing takes effect any more, and nobody hears of anything. */
  die(): void {
    this.#dead = true
  }

  /** The machine is gone: of what was not synced the last `lost` batches are lost, all unless given. */
  losePower(lost: number = this.#replaced.length): void {
    this.#dead = true
    for (const replaced of this.#replaced.splice(-lost, lost).reverse()) {
      for (const mutation of replaced.reverse()) this.#apply(mutation)
    }
  }

  async batch(mutations: readonly KeyMutation[], { sync }: { sync: boolean }): Promise<void> {
    await this.#turn()
    if (this.#failure !== null) throw this.#failure
    this.onBatch('before')
    if (this.#dead) return await new Promise(() => undefined)
    this.written.push({ mutations, sync })
    this.#replaced.push(mutations.map(({ key }) => ({ key, value: this.content.get(key) ?? null })))
    for (const mutation of mutations) this.#apply(mutation)
    if (sync) this.#replaced = []
    this.onBatch('after')
    if (this.#dead) await new Promise(() => undefined)
  }

  range(
    from: Key,
    to: Key,
    { onDamaged = failAt }: RangeOptions = {},
  ): AsyncIterable<readonly [Key, Uint8Array]> {
    const pairs = [...this.content].filter(([key]) => from <= key && key < to)
    pairs.sort(([a], [b]) => (a < b ? -1 : 1))
    return this.#sound(pairs, onDamaged)
  }

  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]> {
    return inSteps(this.range(from, to), pairs)
  }

  async close(): Promise<void> {}

  async *#sound(
    pairs: Iterable<readonly [Key, Uint8Array]>,
    onDamaged: (key: Key) => void,
  ): AsyncGenerator<readonly [Key, Uint8Array]> {
    for (const pair of pairs) {
      if (this.damaged.has(pair[0])) onDamaged(pair[0])
      else yield pair
    }
  }

  #apply({ key, value }: KeyMutation): void {
    this.damaged.delete(key)
    if (value === null) this.content.delete(key)
    else this.content.set(key, Uint8Array.from(value))
  }

  async #turn(): Promise<void> {
    if (this.#held === null) return
    const turn = Promise.withResolvers<void>()
    this.#held.push(turn)
    await turn.promise
  }
}

async function* inSteps(
  range: AsyncIterable<Pair>,
  pairs: number,
): AsyncGenerator<readonly Pair[]> {
  let step: Pair[] = []
  for await (const pair of range) {
    if (step.push(pair) < pairs) continue
    yield step
    step = []
  }
  if (step.length > 0) yield step
}

function failAt(key: Key): never {
  throw new ClusterError('CHECKSUM', `the record ${Buffer.from(key, 'latin1').toString('hex')}`)
}
