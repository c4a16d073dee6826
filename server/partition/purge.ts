/**
 * Deletes, in the background, the blocks of files that are gone: from a queue that outlives the server.
 *
 * 1. No block on another server goes before its record is on the disk here: a loss of power that brings the
 *    file back would find it full of zeros.
 * 2. A record goes when the servers of its blocks have synced what they deleted, under the boots of their machines under
 *    which they did: else blocks came back that nobody names.
 * 3. What cannot be purged stays queued, and is tried again after a growing pause.
 * 4. A queue that names blocks in use is not believed.
 */
import type { Env, Timer } from '../../network/env/env.ts'
import { type ClusterCode, ClusterError } from '../../network/errors.ts'
import {
  backgroundSyncIntervalMs,
  maxPurgesInFlight,
  maxPurgesUnsettled,
  purgeDelayMs,
  purgeRetryLongestMs,
} from '../../network/limits.ts'
import { partitionsOfBlocks } from '../../network/placement/locate.ts'
import { isRegular } from '../../network/wire/attributes.ts'
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeInode } from '../metadata/inode.ts'
import {
  endOf,
  generationOfPurgeKey,
  inodeKey,
  inoOfKey,
  keyKind,
  kindPrefix,
} from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import type { Partition } from './partition.ts'
import type { PartitionStore } from './partition-store.ts'

export interface PurgerInit {
  readonly env: Env
  readonly peers: Peers
  readonly partitionCount: number
  readonly log: (message: string, error?: unknown) => void
}

/** A file whose blocks are to be deleted. */
interface Queued {
  readonly partition: Partition
  readonly key: Key
  readonly request: CutBlocksRequest
  /** Partitions that may hold some. */
  readonly holders: readonly number[]
}

interface Purged extends Queued {
  /** Of the machines whose servers have deleted its blocks. */
  readonly boots: ReadonlySet<string>
}

export class Purger {
  readonly #init: PurgerInit
  /** Partitions that may have something queued that was not tried yet. */
  readonly #waiting = new Set<Partition>()
  /** Those where something failed. */
  readonly #failed = new Set<Partition>()
  /** Purged, but the servers of the blocks may lose that again. */
  readonly #unsettled = new Map<Key, Purged>()
  readonly #settling: Timer
  #starting: Timer | null = null
  #retrying: Timer | null = null
  #retryMs = purgeDelayMs
  #working: Promise<void> | null = null
  #done = 0
  #stopped = false

  constructor(init: PurgerInit) {
    this.#init = init
    this.#settling = init.env.timers.every(backgroundSyncIntervalMs, () => this.#settleSoon())
  }

  /** Partitions with files still to be purged. */
  get waitingCount(): number {
    const both = [...this.#failed].filter(partition => this.#waiting.has(partition)).length
    return this.#waiting.size + this.#failed.size - both + (this.#working === null ? 0 : 1)
  }

  /** Files purged since the start. */
  get doneCount(): number {
    return this.#done
  }

  wake(partition: Partition): void {
    if (this.#stopped || partition.store.isClosed) return
    this.#waiting.add(partition)
    this.#startSoon()
  }

  /** The partition is served elsewhere, and its queue taken up there. */
  forget(partition: Partition): void {
    this.#waiting.delete(partition)
    this.#failed.delete(partition)
    for (const [key, queued] of this.#unsettled) {
      if (queued.partition === partition) this.#unsettled.delete(key)
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of [this.#settling, this.#starting, this.#retrying]) timer?.cancel()
    this.#waiting.clear()
    await this.#working
  }

  #startSoon(): void {
    if (this.#stopped || this.#starting !== null) return
    this.#starting = this.#init.env.timers.after(purgeDelayMs, () => {
      this.#starting = null
      this.#begin(() => this.#purgeWaiting())
    })
  }

  #settleSoon(): void {
    if (this.#unsettled.size > 0) this.#begin(() => this.#settle())
  }

  /** One thing at a time: what comes meanwhile is found waiting afterwards. */
  #begin(work: () => Promise<void>): void {
    if (this.#stopped || this.#working !== null) return
    const failed = (error: unknown) => this.#init.log('cannot purge: it stays queued', error)
    this.#working = work()
      .catch(error => (this.#stopped ? undefined : failed(error)))
      .finally(() => {
        this.#working = null
        if (this.#waiting.size > 0) this.#startSoon()
      })
  }

  async #purgeWaiting(): Promise<void> {
    const partitions = [...this.#waiting]
    this.#waiting.clear()
    const failing = new Set<Partition>()
    const queued = await this.#gather(partitions, failing)
    const { peers } = this.#init
    const others = queued.filter(({ partition, holders }) =>
      holders.some(holder => !peers.shareLog(partition.id, holder)),
    )
    const stores = new Set(others.map(({ partition }) => partition.store))
    const synced = [...stores].map(store => whileOpen(store, () => store.sync()))
    await Promise.all(synced)
    await this.#purgeAll(queued, failing)
    for (const partition of partitions) if (!failing.has(partition)) this.#failed.delete(partition)
    if (this.#failed.size === 0) this.#retryMs = purgeDelayMs
    if (this.#unsettled.size >= maxPurgesUnsettled) await this.#settle()
  }

  /** @param failing gets those whose queue cannot be read now. */
  async #gather(partitions: readonly Partition[], failing: Set<Partition>): Promise<Queued[]> {
    const queued: Queued[] = []
    for (const partition of partitions) {
      const gathered = whileOpen(partition.store, () => this.#gatherFrom(partition, queued))
      await gathered.catch(error => {
        failing.add(partition)
        this.#fail(partition, `cannot read what is queued in partition ${partition.id}`, error)
      })
    }
    return queued
  }

  async #gatherFrom(partition: Partition, queued: Queued[]): Promise<void> {
    const prefix = kindPrefix(partition.id, keyKind.purge)
    const passOver = { onDamaged: () => undefined }
    for await (const [key, value] of partition.store.range(prefix, endOf(prefix), passOver)) {
      if (this.#unsettled.has(key) || !isCredible(partition, key, value)) continue
      if (this.#unsettled.size + queued.length >= maxPurgesUnsettled) {
        this.#waiting.add(partition)
        break
      }
      queued.push(this.#queuedOf(partition, key, value))
    }
  }

  #queuedOf(partition: Partition, key: Key, value: Uint8Array): Queued {
    const ino = inoOfKey(key)
    const generation = generationOfPurgeKey(key)
    const reach = Buffer.from(value.buffer, value.byteOffset, value.byteLength).readDoubleLE(0)
    const request = { ino, generation, block: 0, offset: 0, reach, purge: true, durable: false }
    const holders = partitionsOfBlocks(request, this.#init.partitionCount)
    return { partition, key, request, holders }
  }

  /** @param failing gets the partitions where something failed. */
  async #purgeAll(queued: readonly Queued[], failing: Set<Partition>): Promise<void> {
    const running = new Set<Promise<void>>()
    for (const each of queued) {
      if (this.#stopped) break
      const purge = this.#purge(each)
        .catch(error => {
          failing.add(each.partition)
          this.#fail(each.partition, `cannot purge inode ${each.request.ino}`, error)
        })
        .finally(() => running.delete(purge))
      running.add(purge)
      if (running.size >= maxPurgesInFlight) await Promise.race(running)
    }
    await Promise.all(running)
  }

  async #purge(queued: Queued): Promise<void> {
    const { peers } = this.#init
    const { partition, key, request, holders } = queued
    partition.store.assertOpen()
    const cuts = await Promise.all(holders.map(holder => peers.call('cutBlocks', holder, request)))
    this.#done++
    if (holders.every(holder => peers.shareLog(partition.id, holder))) {
      await partition.stageMutations([{ key, value: null }])
    } else if (!partition.store.isClosed) {
      const boots = new Set(cuts.map(({ body }) => body.boot))
      this.#unsettled.set(key, { ...queued, boots })
    }
  }

  #fail(partition: Partition, what: string, error: unknown): void {
    if (this.#stopped || partition.store.isClosed) return
    if (!this.#failed.has(partition)) {
      this.#failed.add(partition)
      this.#init.log(`${what}: it stays queued`, error)
    }
    if (this.#retrying !== null) return
    this.#retryMs = Math.min(2 * this.#retryMs, purgeRetryLongestMs)
    this.#retrying = this.#init.env.timers.after(this.#retryMs, () => {
      this.#retrying = null
      for (const failed of this.#failed) this.wake(failed)
    })
  }

  /** Forgets what was purged when it has been synced where the blocks were. */
  async #settle(): Promise<void> {
    const purged = [...this.#unsettled]
    const holders = new Set(purged.flatMap(([, queued]) => queued.holders))
    const synced = await this.#init.peers.sync(holders)
    const settled: Promise<void>[] = []
    for (const [key, { partition, holders, boots }] of purged) {
      if (!holders.every(holder => synced.has(holder))) continue
      this.#unsettled.delete(key)
      const forget = () => partition.stageMutations([{ key, value: null }])
      if (holders.every(holder => boots.has(synced.get(holder)!))) {
        settled.push(whileOpen(partition.store, forget))
      } else this.wake(partition)
    }
    await Promise.all(settled)
  }
}

/** What ends because the partition goes elsewhere is for its next server to do, and holds up no other partition. */
async function whileOpen(store: PartitionStore, work: () => Promise<void>): Promise<void> {
  try {
    if (!store.isClosed) await work()
  } catch (error) {
    if (!store.isClosed) throw error
  }
}

/** What cannot be read, or names blocks that a file uses, is left to a check of the cluster (server/checking). */
function isCredible(partition: Partition, key: Key, value: Uint8Array): boolean {
  if (value.length !== recordBytes) return false
  try {
    const record = partition.store.get(inodeKey(partition.id, inoOfKey(key)))
    if (record === undefined) return true
    const { mode, generation } = decodeInode(record)
    return !isRegular(mode) || generation !== generationOfPurgeKey(key)
  } catch (error) {
    if (error instanceof ClusterError && unreadable.has(error.code)) return false
    throw error
  }
}

const unreadable: ReadonlySet<ClusterCode> = new Set<ClusterCode>([
  'CHECKSUM',
  'MALFORMED',
  'NEWER_FORMAT',
])

const recordBytes = 8
