/**
 * Removes what was kept for clients that no longer need it: inodes without a name that nobody has open,
 * and the slots and append grants of clients that are gone. Of files that those had open others are told.
 */
import type { Env, Timer } from '../../network/env/env.ts'
import { outdatedBatch, sessionTimeoutMs } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import {
  clientOfSlotKey,
  endOf,
  inoOfKey,
  keyKind,
  kindPrefix,
  orphanKey,
  slotsOfClient,
} from '../metadata/keys.ts'
import { findInode, removeInode, writeInode } from '../partition/inodes.ts'
import { LockedKey } from '../partition/key-locks.ts'
import type { Partition } from '../partition/partition.ts'
import type { AppendGrants } from './append-grants.ts'
import { LeasedKey, outwaitLeases } from './read-leases.ts'
import type { Sessions } from './sessions.ts'

export interface ReaperInit {
  readonly env: Env
  readonly sessions: Sessions
  readonly grants: AppendGrants
  readonly partitions: () => Iterable<Partition>
  /** The slots of a client were deleted. */
  readonly forgotten: () => void
  readonly log: (message: string, error?: unknown) => void
}

/** Records that cannot be read are for a check of the cluster to remove. */
const passOver = { onDamaged: () => undefined }

export class Reaper {
  readonly #init: ReaperInit
  readonly #timer: Timer
  #sweeping: Promise<void> | null = null

  constructor(init: ReaperInit) {
    this.#init = init
    this.#timer = init.env.timers.every(sessionTimeoutMs / 4, () => {
      this.#sweeping ??= this.#sweep().finally(() => {
        this.#sweeping = null
      })
    })
  }

  /** Nobody has this inode open any longer. */
  closed(ino: Ino): void {
    const partition = this.#partitionOf(ino)
    if (partition !== undefined) this.#reap(partition, ino)
  }

  /** The client is gone for good, with these files open. */
  async expired(client: string, opens: Iterable<Ino>): Promise<void> {
    await this.#outdate(opens)
    for (const partition of this.#init.partitions()) {
      // What it did where another server was the primary it may still repeat here.
      if (this.#init.sessions.isExpected(partition.id)) continue
      const prefix = slotsOfClient(partition.id, client)
      await this.#deleteSlots(partition, prefix, () => !this.#init.sessions.has(client))
    }
    this.#init.forgotten()
  }

  /**
   * Blocks that the client had written over when it ended show without a commit: who keeps pages of before
   * would never see them.
   */
  async #outdate(opens: Iterable<Ino>): Promise<void> {
    let committing: Promise<void>[] = []
    for (const ino of [...opens]) {
      const partition = this.#partitionOf(ino)
      if (partition === undefined) continue
      const outdated = outwaitLeases(() => outdate(partition, ino)).catch((error: unknown) => {
        // What a transaction does to it moves `change` on as well.
        if (!(error instanceof LockedKey)) this.#init.log(`cannot tell of inode ${ino}`, error)
      })
      committing.push(outdated)
      if (committing.length < outdatedBatch) continue
      await Promise.all(committing)
      committing = []
    }
    await Promise.all(committing)
  }

  async stop(): Promise<void> {
    this.#timer.cancel()
    await this.#sweeping
  }

  #partitionOf(ino: Ino): Partition | undefined {
    const id = partitionOfIno(ino)
    for (const partition of this.#init.partitions()) if (partition.id === id) return partition
    return undefined
  }

  async #sweep(): Promise<void> {
    for (const partition of this.#init.partitions()) {
      if (this.#init.sessions.isExpected(partition.id)) continue
      await this.#sweepIn(partition).catch(error => {
        const text = `cannot sweep up in partition ${partition.id} behind clients that are gone`
        this.#init.log(text, error)
      })
    }
    this.#init.forgotten()
  }

  async #sweepIn(partition: Partition): Promise<void> {
    const orphans = kindPrefix(partition.id, keyKind.orphan)
    for await (const [key] of partition.store.range(orphans, endOf(orphans), passOver)) {
      this.#reap(partition, inoOfKey(key))
    }
    await this.#deleteGrants(partition)
    const slots = kindPrefix(partition.id, keyKind.slot)
    await this.#deleteSlots(partition, slots, client => !this.#init.sessions.has(client))
  }

  async #deleteGrants(partition: Partition): Promise<void> {
    const found: [string, Ino][] = []
    const prefix = kindPrefix(partition.id, keyKind.grant)
    for await (const [key] of partition.store.range(prefix, endOf(prefix), passOver)) {
      found.push([key, inoOfKey(key)])
    }
    const ended = [...this.#init.grants.ended(found)]
    if (ended.length > 0) await partition.stageMutations(ended)
  }

  async #deleteSlots(
    partition: Partition,
    prefix: string,
    isGone: (client: string) => boolean,
  ): Promise<void> {
    const found: KeyMutation[] = []
    for await (const [key] of partition.store.range(prefix, endOf(prefix), passOver)) {
      if (isGone(clientOfSlotKey(key))) found.push({ key, value: null })
    }
    // Some may have come back meanwhile.
    const gone = found.filter(({ key }) => isGone(clientOfSlotKey(key)))
    if (gone.length > 0) await partition.stageMutations(gone)
  }

  #reap(partition: Partition, ino: Ino): void {
    if (this.#init.sessions.mayBeOpen(ino)) return
    const { batch } = partition.contextFor('')
    const failed = (error: unknown) => this.#init.log(`cannot remove inode ${ino}`, error)
    try {
      if (batch.get(orphanKey(partition.id, ino)) === undefined) return
      const inode = findInode(batch, ino)
      if (inode === undefined || inode.nlink > 0) batch.delete(orphanKey(partition.id, ino))
      else removeInode(batch, inode)
      partition.stage(batch).catch(failed)
    } catch (error) {
      if (error instanceof LeasedKey) this.#reapLater(partition, ino, error.released)
      // A transaction holds it: the next sweep finds it again.
      else if (!(error instanceof LockedKey)) failed(error)
    }
  }

  #reapLater(partition: Partition, ino: Ino, released: Promise<void>): void {
    void released.then(() => {
      if (!partition.store.isClosed) this.#reap(partition, ino)
    })
  }
}

async function outdate(partition: Partition, ino: Ino): Promise<void> {
  const context = partition.contextFor('')
  const inode = findInode(context.batch, ino)
  if (inode === undefined || inode.reach === 0) return
  const change = Math.max(inode.change + 1, context.facts.changeFloor)
  writeInode(context.batch, { ...inode, change })
  await partition.stage(context.batch)
}
