/**
 * The partitions that this server is primary of, kept as the view has them.
 *
 * 1. A partition serves only when everything that a crash may have left in it is taken up again: promises
 *    hold their keys, cuts hold their inodes.
 * 2. A request for another epoch than ours is refused: STALE_EPOCH; for a partition not ours: NOT_PRIMARY.
 * 3. A partition is taken up once in the life of a server: one that is lost and comes back goes on with the
 *    same locks and counters, which operations that began before still hold.
 */
import { Refusal } from '../../network/admission/refusal.ts'
import { ClusterError } from '../../network/errors.ts'
import { defaultBlockBytes, defaultInlineBytes, maxEpochLead } from '../../network/limits.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import type { LockRecords } from '../leases/lock-records.ts'
import type { Key } from '../metadata/contract.ts'
import { encodeInode } from '../metadata/inode.ts'
import {
  clientOfLockerKey,
  endOf,
  inodeKey,
  inoOfKey,
  keyKind,
  kindOfKey,
  kindPrefix,
  transactionOfKey,
} from '../metadata/keys.ts'
import type { Coordinator } from '../transactions/coordinator.ts'
import type { Participant } from '../transactions/participant.ts'
import { decodeDecision, decodeIntent } from '../transactions/records.ts'
import { LockedKey } from './key-locks.ts'
import { newInode } from './new-inode.ts'
import { Partition, type PartitionInit } from './partition.ts'
import type { Purger } from './purge.ts'
import type { ShardReports } from './shard-reports.ts'
import type { Truncations } from './truncation.ts'

export interface PartitionsInit extends PartitionInit {
  readonly self: MemberId
  /** Of this machine. */
  readonly boot: string
  readonly coordinator: Coordinator
  readonly participant: Participant
  readonly truncations: Truncations
  readonly reports: ShardReports
  readonly purger: Purger
  readonly lockRecords: LockRecords
  readonly log: (message: string, error?: unknown) => void
}

interface Held {
  readonly epoch: number
  /** null while it is being taken up. */
  readonly partition: Partition | null
}

export class Partitions {
  readonly #init: PartitionsInit
  readonly #held = new Map<number, Held>()
  /** null while it is being taken up. */
  readonly #taken = new Map<number, Partition | null>()

  constructor(init: PartitionsInit) {
    this.#init = init
  }

  /** @throws ClusterError NOT_PRIMARY, STALE_EPOCH, NOT_READY; Refusal forged_epoch, which cuts the caller off. */
  get(id: number, epoch: number): Partition {
    const held = this.#held.get(id)
    if (held === undefined) {
      throw new ClusterError('NOT_PRIMARY', `this server is not primary of partition ${id}`)
    }
    if (epoch - held.epoch > maxEpochLead) {
      throw new Refusal('forged_epoch', `partition ${id} has never been in epoch ${epoch}`)
    }
    if (held.epoch !== epoch) {
      throw new ClusterError(
        'STALE_EPOCH',
        `partition ${id} is in epoch ${held.epoch}, not ${epoch}`,
      )
    }
    if (held.partition === null) throw new ClusterError('NOT_READY', `partition ${id} is starting`)
    return held.partition
  }

  epochOf(id: number): number {
    return this.#held.get(id)?.epoch ?? 0
  }

  *all(): Generator<Partition> {
    for (const { partition } of this.#held.values()) if (partition !== null) yield partition
  }

  /** Takes up what is ours in this view and lets go of the rest; resolves when all of it serves. */
  async follow(view: View): Promise<void> {
    const taken: Promise<void>[] = []
    view.partitions.forEach(({ primary, epoch }, id) => {
      if (primary !== this.#init.self) {
        this.#held.delete(id)
        return
      }
      this.#held.set(id, { epoch, partition: this.#taken.get(id) ?? null })
      if (!this.#taken.has(id)) taken.push(this.#takeUp(id))
    })
    await Promise.all(taken)
  }

  async #takeUp(id: number): Promise<void> {
    this.#taken.set(id, null)
    const partition = new Partition(id, this.#init)
    if (partition.facts.startUnder(this.#init.boot)) {
      void partition.stageMutations([])
      await partition.store.sync()
    }
    await this.#recover(partition)
    if (id === partitionOfIno(clusterRootIno)) await format(partition)
    this.#taken.set(id, partition)
    const held = this.#held.get(id)
    if (held !== undefined) this.#held.set(id, { epoch: held.epoch, partition })
  }

  async #recover(partition: Partition): Promise<void> {
    const { coordinator, participant, truncations, reports, purger, grants, log } = this.#init
    // Without these the partition can serve, and has to, for a check of the cluster to put them right.
    const passOver = (key: Key): void => {
      log(`partition ${partition.id}: a record of kind ${kindOfKey(key)} cannot be read`)
    }
    for await (const [key] of recordsOf(partition, keyKind.locker, passOver)) {
      this.#init.lockRecords.restore(partition.id, clientOfLockerKey(key))
    }
    for await (const [key, value] of recordsOf(partition, keyKind.grant, passOver)) {
      grants.restore(inoOfKey(key), value)
    }
    for await (const [key, value] of recordsOf(partition, keyKind.intent)) {
      participant.restore(partition, transactionOfKey(key), decodeIntent(value))
    }
    for await (const [key, value] of recordsOf(partition, keyKind.decision)) {
      const transaction = transactionOfKey(key)
      coordinator.tell(partition, transaction, decodeDecision(value)).catch(error => {
        log(`transaction ${transaction} is committed; its participants will ask`, error)
      })
    }
    for await (const [key] of recordsOf(partition, keyKind.cut, passOver)) {
      const ino = inoOfKey(key)
      takeUpCut(truncations, partition, ino).catch(error => {
        log(`cannot finish the truncation of inode ${ino}`, error)
      })
    }
    announce(reports, partition).catch(error => {
      log(`cannot tell what partition ${partition.id} counts of split directories`, error)
    })
    for await (const [key] of recordsOf(partition, keyKind.usage, key => {
      partition.usage.restore(inoOfKey(key))
    })) {
      partition.usage.restore(inoOfKey(key))
    }
    for await (const _ of recordsOf(partition, keyKind.purge, passOver)) {
      purger.wake(partition)
      break
    }
  }
}

/** One that cannot be read keeps nobody waiting: whoever asks for it hears of that. */
async function announce(reports: ShardReports, partition: Partition): Promise<void> {
  const prefix = kindPrefix(partition.id, keyKind.holding)
  const away: Ino[] = []
  const others = { onDamaged: () => undefined }
  for await (const [key] of partition.store.range(prefix, endOf(prefix), others)) {
    const directory = inoOfKey(key)
    if (partitionOfIno(directory) !== partition.id) away.push(directory)
  }
  for (const directory of away) await reports.announce(partition.id, directory)
}

/** A promise may hold the inode of a cut that had failed: until it is carried out nobody writes there. */
async function takeUpCut(truncations: Truncations, partition: Partition, ino: Ino): Promise<void> {
  for (;;) {
    try {
      return await truncations.takeUp(partition, ino)
    } catch (error) {
      if (!(error instanceof LockedKey)) throw error
      await error.released
    }
  }
}

function recordsOf(
  partition: Partition,
  kind: (typeof keyKind)[keyof typeof keyKind],
  onDamaged?: (key: Key) => void,
): AsyncIterable<readonly [string, Uint8Array]> {
  const prefix = kindPrefix(partition.id, kind)
  const options = onDamaged === undefined ? {} : { onDamaged }
  return partition.store.range(prefix, endOf(prefix), options)
}

/** The directory of volumes exists from the first moment that its partition has a primary. */
async function format(partition: Partition): Promise<void> {
  const key = inodeKey(partition.id, clusterRootIno)
  if (partition.store.get(key) !== undefined) return
  const { nowNs } = partition.contextFor('')
  const settings = { blockBytes: defaultBlockBytes, inlineBytes: defaultInlineBytes }
  const none = new Uint8Array(0)
  const parent = { ino: clusterRootIno, mode: 0, gid: 0, volume: 0, defaultAcl: none, ...settings }
  const owner = { umask: 0, uid: 0, gid: 0 }
  const init = { ino: clusterRootIno, mode: 0o040755, ...owner, rdev: 0, target: none, nowNs }
  partition.facts.add({ inodes: 1, blocks: 0, blockBytes: 0 })
  await partition.stageMutations([
    { key, value: encodeInode({ ...newInode(parent, init), volume: 0 }) },
  ])
}
