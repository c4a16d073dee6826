/**
 * Deletes copies that nobody wants, in the background. What is begun is marked, so that it goes on after a
 * restart, and a copy that is wanted again starts from nothing.
 *
 * 1. One copy at a time. One that cannot be deleted makes room for the others, and is tried again later.
 */
import type { Env } from '../../network/env/env.ts'
import {
  dropBatchRows,
  dropRetryFirstDelayMs,
  dropRetryLongestDelayMs,
} from '../../network/limits.ts'
import type { BlockStore } from '../blocks/contract.ts'
import type { Key } from '../metadata/contract.ts'
import { partitionRange } from '../metadata/keys.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { copyMutation, copyState, forgetCopy } from './copy-record.ts'
import { CopyWriter } from './copy-writer.ts'

export interface DropperInit {
  readonly env: Env
  readonly store: MetadataStore
  readonly blocks: BlockStore
  readonly boot: bigint
  /** Something was committed. */
  readonly touched: () => void
  readonly log: (message: string, error?: unknown) => void
}

export class Dropper {
  readonly #init: DropperInit
  /** Those that wait for another attempt, too. */
  readonly #dropping = new Set<number>()
  readonly #ending = new AbortController()
  #last: Promise<void> = Promise.resolve()

  constructor(init: DropperInit) {
    this.#init = init
  }

  isDropping(partition: number): boolean {
    return this.#dropping.has(partition)
  }

  get size(): number {
    return this.#dropping.size
  }

  drop(partition: number): void {
    if (this.#dropping.has(partition) || this.#ending.signal.aborted) return
    this.#dropping.add(partition)
    void this.#untilDone(partition).finally(() => this.#dropping.delete(partition))
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#last
  }

  async #untilDone(partition: number): Promise<void> {
    const { env, log } = this.#init
    const { signal } = this.#ending
    let delayMs = dropRetryFirstDelayMs
    while (!signal.aborted) {
      try {
        await this.#inTurn(partition)
        return
      } catch (error) {
        if (signal.aborted) return
        if (delayMs === dropRetryFirstDelayMs)
          log(`cannot delete the copy of partition ${partition} yet: trying it again`, error)
      }
      await env.timers.sleep(delayMs, signal).catch(() => undefined)
      delayMs = Math.min(2 * delayMs, dropRetryLongestDelayMs)
    }
  }

  #inTurn(partition: number): Promise<void> {
    const turn = this.#last.then(() => this.#drop(partition))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #drop(partition: number): Promise<void> {
    const { store, blocks, boot, touched } = this.#init
    if (this.#ending.signal.aborted) return
    const mark = { state: copyState.dropping, epoch: 0, sequence: 0, boot }
    await store.commit([copyMutation(partition, mark)])
    const writer = new CopyWriter(partition, store, blocks)
    for (
      let keys = await this.#some(partition);
      keys.length > 0;
      keys = await this.#some(partition)
    ) {
      if (this.#ending.signal.aborted) return
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
