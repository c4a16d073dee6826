/** Deletes, in the background, the blocks of files that are gone: from a queue that outlives the server. */
import { maxPurgesInFlight } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { cutEverywhere } from '../blocks/cuts.ts'
import type { Key } from '../metadata/contract.ts'
import { endOf, generationOfPurgeKey, inoOfKey, keyKind, kindPrefix } from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import type { Partition } from './partition.ts'

export class Purger {
  readonly #peers: Peers
  readonly #partitionCount: number
  readonly #log: (message: string, error?: unknown) => void
  /** Partitions that may have something queued. */
  readonly #waiting = new Set<Partition>()
  #working: Promise<void> | null = null
  #done = 0
  #stopped = false

  constructor(
    peers: Peers,
    partitionCount: number,
    log: (message: string, error?: unknown) => void,
  ) {
    this.#peers = peers
    this.#partitionCount = partitionCount
    this.#log = log
  }

  /** Partitions with files still to be purged. */
  get waitingCount(): number {
    return this.#waiting.size + (this.#working === null ? 0 : 1)
  }

  /** Files purged since the start. */
  get doneCount(): number {
    return this.#done
  }

  wake(partition: Partition): void {
    if (this.#stopped) return
    this.#waiting.add(partition)
    this.#working ??= this.#work().finally(() => {
      this.#working = null
      if (this.#waiting.size > 0 && !this.#stopped) this.wake([...this.#waiting][0]!)
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.clear()
    await this.#working
  }

  async #work(): Promise<void> {
    for (const partition of this.#waiting) {
      this.#waiting.delete(partition)
      try {
        await this.#purgePartition(partition)
      } catch (error) {
        if (this.#stopped) return
        this.#log(`cannot purge in partition ${partition.id}: it stays queued`, error)
      }
    }
  }

  async #purgePartition(partition: Partition): Promise<void> {
    const prefix = kindPrefix(partition.id, keyKind.purge)
    const running = new Set<Promise<void>>()
    for await (const [key, value] of partition.store.range(prefix, endOf(prefix))) {
      if (this.#stopped) break
      const purge = this.#purgeFile(partition, key, value)
        .catch(error => this.#failed(inoOfKey(key), error))
        .finally(() => running.delete(purge))
      running.add(purge)
      if (running.size >= maxPurgesInFlight) await Promise.race(running)
    }
    await Promise.all(running)
  }

  #failed(ino: Ino, error: unknown): void {
    if (!this.#stopped) this.#log(`cannot purge inode ${ino}: it stays queued`, error)
  }

  async #purgeFile(partition: Partition, key: Key, value: Uint8Array): Promise<void> {
    const ino = inoOfKey(key)
    const generation = generationOfPurgeKey(key)
    const reach = Buffer.from(value.buffer, value.byteOffset, value.byteLength).readDoubleLE(0)
    const request = { ino, generation, block: 0, offset: 0, reach }
    await cutEverywhere(this.#peers, this.#partitionCount, request)
    await partition.stageMutations([{ key, value: null }])
    this.#done++
  }
}
