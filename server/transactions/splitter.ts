/**
 * Splits, in the background and one after the other, what has become too large. Nothing of it is kept on the
 * disk: a split that does not happen is asked for again by the next entry that is made there.
 */
import type { Env } from '../../network/env/env.ts'
import { PosixError } from '../../network/errors.ts'
import {
  maxMoveBytes,
  maxSplitsQueued,
  operationDeadlineMs,
  recoveryIntervalMs,
} from '../../network/limits.ts'
import { clusterRootIno, type Ino } from '../../network/wire/ids.ts'
import type { Partition, SplitsShards } from '../partition/partition.ts'
import type { Coordinator } from './coordinator.ts'
import { split } from './split.ts'

export interface SplitterInit {
  readonly env: Env
  readonly coordinator: Coordinator
  /** Entries that make a shard too large in which several clients make names; and where one does. */
  readonly splitEntries: number
  readonly splitEntriesOfOne: number
  readonly log: (message: string, error?: unknown) => void
}

interface Wanted {
  readonly partition: Partition
  readonly ino: Ino
}

export class Splitter implements SplitsShards {
  readonly #init: SplitterInit
  /** By directory and partition. */
  readonly #wanted = new Map<string, Wanted>()
  readonly #ending = new AbortController()
  #working: Promise<void> | null = null
  #done = 0
  #failing = false

  constructor(init: SplitterInit) {
    this.#init = init
  }

  get splitEntries(): number {
    return this.#init.splitEntries
  }

  get splitEntriesOfOne(): number {
    return this.#init.splitEntriesOfOne
  }

  /** Shards split since the start. */
  get doneCount(): number {
    return this.#done
  }

  /** The directory of volumes stays whole: nobody makes that many. */
  overgrown(partition: Partition, ino: Ino): void {
    if (ino === clusterRootIno || this.#ending.signal.aborted) return
    if (this.#wanted.size >= maxSplitsQueued) return
    this.#wanted.set(`${ino}/${partition.id}`, { partition, ino })
    this.#working ??= this.#work().finally(() => {
      this.#working = null
    })
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    this.#wanted.clear()
    await this.#working
  }

  async #work(): Promise<void> {
    const { signal } = this.#ending
    // Who says that a directory grew is in the middle of making it grow.
    await Promise.resolve()
    for (const [key, wanted] of this.#wanted) {
      try {
        while (!signal.aborted && (await this.#split(wanted))) this.#done++
        this.#wanted.delete(key)
        this.#failing = false
      } catch (error) {
        this.#wanted.delete(key)
        this.#failed(wanted.ino, error)
        await this.#init.env.timers.sleep(recoveryIntervalMs, signal).catch(() => undefined)
      }
    }
  }

  /** Entries that move are known elsewhere, where nobody knows of their leases: these are called back before. */
  async #split({ partition, ino }: Wanted): Promise<boolean> {
    const { coordinator, splitEntries } = this.#init
    const request = { ino, limit: splitEntries, moveBytes: maxMoveBytes }
    const resume = await partition.withdrawLeases()
    try {
      return await coordinator.execute(
        partition,
        '',
        split,
        request,
        () => [],
        operationDeadlineMs / 2,
      )
    } finally {
      resume()
    }
  }

  /** A directory that is gone needs no split; what fails otherwise is told once, until one succeeds. */
  #failed(ino: Ino, error: unknown): void {
    const gone = error instanceof PosixError && error.code === 'ENOENT'
    if (gone || this.#failing || this.#ending.signal.aborted) return
    this.#failing = true
    this.#init.log(`cannot split directory ${ino} yet`, error)
  }
}
