/**
 * The partitions that this server is primary of, kept as the view has them.
 *
 * 1. A partition serves only when everything that a crash may have left in it is taken up again: promises
 *    hold their keys, cuts hold their inodes.
 * 2. A request for another epoch than ours is refused: STALE_EPOCH; for a partition not ours: NOT_PRIMARY.
 * 3. What is let go is closed: whoever still works on it fails, and nothing of it is remembered. When it comes
 *    back it is taken up anew, from what is stored, as after a restart.
 */
import { Refusal } from '../../network/admission/refusal.ts'
import { ClusterError } from '../../network/errors.ts'
import { defaultBlockBytes, defaultInlineBytes, maxEpochLead } from '../../network/limits.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Lineage } from '../../network/wire/operations.ts'
import type { MemberId, PartitionState, View } from '../../network/wire/view.ts'
import type { LockService } from '../leases/lock-service.ts'
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
import type { Replication } from '../replication/replication.ts'
import type { Coordinator } from '../transactions/coordinator.ts'
import type { Participant } from '../transactions/participant.ts'
import { decodeDecision, decodeIntent } from '../transactions/records.ts'
import { LockedKey } from './key-locks.ts'
import { continueLineage, readLineage } from './lineage.ts'
import { newInode } from './new-inode.ts'
import { Partition, type PartitionInit } from './partition.ts'
import type { PartitionStore } from './partition-store.ts'
import type { Purger } from './purge.ts'
import type { ShardReports } from './shard-reports.ts'
import type { Slots } from './slots.ts'
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
  readonly locks: Pick<LockService, 'records' | 'forget'>
  readonly slots: Pick<Slots, 'forget'>
  readonly copies: Pick<
    Replication,
    'takeOver' | 'ship' | 'unship' | 'follow' | 'assertLease' | 'epochOf' | 'tellServed'
  >
  readonly log: (message: string, error?: unknown) => void
}

/** What is being let go. */
interface Leaving {
  /** Nothing of it goes on here. */
  readonly stopped: Promise<void>
  /** And no client goes by what it was leased. */
  readonly left: Promise<void>
}

/** A partition that the view gives to this server. */
interface Held {
  state: PartitionState
  /** Epoch of the view that gave it. */
  readonly view: number
  /** While it is being taken up, and then as below. */
  taking: Partition | null
  /** Clients may bring what they had written behind, and nobody else is served yet. */
  isOpening: boolean
  /** null while it is being taken up. */
  partition: Partition | null
  lineage: readonly string[]
}

export class Partitions {
  readonly #init: PartitionsInit
  readonly #held = new Map<number, Held>()
  readonly #leaving = new Map<number, Leaving>()

  constructor(init: PartitionsInit) {
    this.#init = init
  }

  /**
   * @param flushes the caller brings what it had written behind.
   * @throws ClusterError NOT_PRIMARY, STALE_EPOCH, NOT_READY; Refusal forged_epoch, which cuts the caller off.
   */
  get(id: number, epoch: number, flushes = false): Partition {
    const held = this.#held.get(id)
    if (held === undefined) {
      throw new ClusterError('NOT_PRIMARY', `this server is not primary of partition ${id}`)
    }
    if (epoch - held.state.epoch > maxEpochLead) {
      throw new Refusal('forged_epoch', `partition ${id} has never been in epoch ${epoch}`)
    }
    if (held.state.epoch !== epoch) {
      throw new ClusterError(
        'STALE_EPOCH',
        `partition ${id} is in epoch ${held.state.epoch}, not ${epoch}`,
      )
    }
    const partition = held.partition ?? (flushes && held.isOpening ? held.taking : null)
    if (partition === null) throw new ClusterError('NOT_READY', `partition ${id} is starting`)
    this.#init.copies.assertLease(id)
    return partition
  }

  /** Whether this server, and nobody else, serves the partition now, be it only to those who bring what they had. */
  serves(id: number): boolean {
    try {
      this.get(id, this.epochOf(id), true)
      return true
    } catch (error) {
      if (error instanceof ClusterError) return false
      throw error
    }
  }

  epochOf(id: number): number {
    return this.#held.get(id)?.state.epoch ?? 0
  }

  /** @throws ClusterError NOT_READY while one of them is being taken up. */
  assertTaken(ids: readonly number[]): void {
    for (const id of ids) {
      if (this.#held.get(id)?.partition !== null) continue
      throw new ClusterError('NOT_READY', `partition ${id} is starting`)
    }
  }

  /** @throws ClusterError NOT_PRIMARY. */
  storeOf(id: number): PartitionStore {
    const partition = this.#held.get(id)?.partition
    if (partition) return partition.store
    throw new ClusterError('NOT_PRIMARY', `this server is not primary of partition ${id}`)
  }

  /** Of those whose earlier boots count, too. */
  lineages(): readonly Lineage[] {
    const lineages: Lineage[] = []
    for (const { partition, lineage } of this.#held.values()) {
      if (partition !== null && lineage.length > 1) {
        lineages.push({ partition: partition.id, boots: lineage })
      }
    }
    return lineages
  }

  *all(): Generator<Partition> {
    for (const { partition } of this.#held.values()) if (partition !== null) yield partition
  }

  /** Takes up what is ours in this view and lets go of the rest; resolves when all of it serves. */
  async follow(view: View): Promise<void> {
    const { self, copies } = this.#init
    const taken: Promise<void>[] = []
    view.partitions.forEach((state, id) => {
      if (state.primary !== self) {
        if (!this.#held.has(id)) return
        this.letGo(id).catch(error => this.#init.log(`cannot let go of partition ${id}`, error))
        return
      }
      // Given up to another already, whose view is newer.
      if (state.epoch < copies.epochOf(id)) return
      const held = this.#held.get(id)
      if (held === undefined) {
        const fresh = {
          state,
          view: view.epoch,
          taking: null,
          isOpening: false,
          partition: null,
          lineage: [],
        }
        this.#held.set(id, fresh)
        taken.push(this.#takeUp(id, fresh))
        return
      }
      const moved = held.state.epoch !== state.epoch
      // It may have been another's in a view that was not seen here: then it has to be said that this one has it.
      const wasSeen = state.epoch - held.state.epoch <= 1
      held.state = state
      if (!wasSeen && held.partition !== null) this.#tellServed(id, held)
      if (moved && held.taking !== null) copies.ship(held.taking, state)
    })
    await Promise.all([copies.follow(view), ...taken])
  }

  /** Before this server stops: clients bring what they have written behind, within that time. */
  endWriting(mostMs: number): Promise<void> {
    return this.#init.leases.endWriting(mostMs)
  }

  /** Serves the partition no more; resolves when nothing of it goes on here, and no client goes by what it was leased. */
  letGo(id: number): Promise<void> {
    return this.#leave(id).left
  }

  /** As `letGo`, when nothing of it goes on here: clients may have something to write yet that they had written behind. */
  stop(id: number): Promise<void> {
    const { stopped, left } = this.#leave(id)
    left.catch(error => this.#init.log(`cannot call back what is leased of partition ${id}`, error))
    return stopped
  }

  #leave(id: number): Leaving {
    const held = this.#held.get(id)
    const before = this.#leaving.get(id)
    const { leases } = this.#init
    // A process before this one may have served it.
    if (held === undefined)
      return before ?? { stopped: Promise.resolve(), left: leases.withdraw(id) }
    this.#held.delete(id)
    held.taking?.close()
    const stopped = this.#stop(id, held, before)
    const withdrawn = Promise.resolve(before?.left).then(() => leases.withdraw(id))
    const left = Promise.all([stopped, withdrawn])
      .then(() => undefined)
      .finally(() => {
        if (this.#leaving.get(id) === leaving) this.#leaving.delete(id)
      })
    const leaving = { stopped, left }
    this.#leaving.set(id, leaving)
    return leaving
  }

  async #stop(id: number, { taking: partition }: Held, before?: Leaving): Promise<void> {
    await before?.left
    if (partition === null) return
    const { coordinator, participant, purger, reports, grants, totals } = this.#init
    const { locks, slots, copies } = this.#init
    for (const room of [coordinator, participant, purger]) room.forget(partition)
    for (const room of [reports, grants, totals, locks]) room.forget(id)
    slots.forget()
    await copies.unship(partition)
  }

  async #takeUp(id: number, held: Held): Promise<void> {
    await this.#leaving.get(id)?.left
    const isWanted = (): boolean => this.#held.get(id) === held
    try {
      await this.#takeUpNow(id, held, isWanted)
    } catch (error) {
      if (isWanted()) throw error
      if (held.taking === null) return
      // What ends with the partition has ended; anything else shows where it is served.
      this.#init.log(`partition ${id} went elsewhere while it was taken up`)
    }
  }

  async #takeUpNow(id: number, held: Held, isWanted: () => boolean): Promise<void> {
    if (!isWanted()) return
    const { copies, boot, sessions, slots, leases } = this.#init
    const stateNow = (): PartitionState | null => (isWanted() ? held.state : null)
    const { inherited, succeeded, yielded } = await copies.takeOver(id, stateNow)
    const withdrawn = yielded?.() ?? Promise.resolve(false)
    withdrawn.catch(() => undefined)
    if (!isWanted()) return
    // What is remembered of its slots is of before.
    slots.forget()
    // Before it is served: from now on, should the one of before not say that nobody goes by what it had leased.
    const leasesEnd = leases.formerEnded(id, succeeded && yielded === null)
    const partition = new Partition(id, this.#init)
    held.taking = partition
    copies.ship(partition, held.state)
    if (succeeded) sessions.tookUp(id)
    const isOtherBoot = partition.facts.startUnder(boot)
    const lineage = continueLineage(partition.store, id, boot, inherited)
    if (isOtherBoot || lineage.length > 0) {
      void partition.stageMutations(lineage).catch(() => undefined)
      await partition.store.sync()
    }
    held.lineage = readLineage(partition.store, id)
    await this.#recover(partition, succeeded ? held.view : 0)
    if (id === partitionOfIno(clusterRootIno)) await format(partition)
    held.isOpening = true
    await leasesEnd
    if (yielded !== null && !(await withdrawn)) await leases.formerEnded(id, true)
    if (!isWanted()) return
    held.partition = partition
    this.#announce(partition)
    // Also after a start: the manager may not have heard it before.
    if (succeeded || held.state.replicas.length > 1) this.#tellServed(id, held)
  }

  /** Of what is served: nobody can be told of a partition before. Whoever looks at a shard meanwhile has it told, too. */
  #announce(partition: Partition): void {
    announce(this.#init.reports, partition).catch(error => {
      if (partition.store.isClosed) return
      const text = `cannot tell what partition ${partition.id} counts of split directories`
      this.#init.log(text, error)
    })
  }

  #tellServed(id: number, held: Held): void {
    const isHeld = (): boolean => this.#held.get(id) === held
    this.#init.copies.tellServed(id, () => (isHeld() ? held.state.epoch : null))
  }

  /** @param view epoch of the one that gave it to this server from another; 0 where it was this one's. */
  async #recover(partition: Partition, view: number): Promise<void> {
    const { coordinator, participant, truncations, purger, grants } = this.#init
    // What ends because others serve the partition is theirs to go on with.
    const log = (message: string, error?: unknown): void => {
      if (!partition.store.isClosed) this.#init.log(message, error)
    }
    // Without these the partition can serve, and has to, for a check of the cluster to put them right.
    const passOver = (key: Key): void => {
      log(`partition ${partition.id}: a record of kind ${kindOfKey(key)} cannot be read`)
    }
    for await (const [key] of recordsOf(partition, keyKind.locker, passOver)) {
      this.#init.locks.records.restore(partition.id, clientOfLockerKey(key), view)
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

/** Also what has decayed: a check of the cluster makes it again, for which the partition has to serve. */
function isThere({ store }: Partition, key: Key): boolean {
  try {
    return store.get(key) !== undefined
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'CHECKSUM') return true
    throw error
  }
}

/** The directory of volumes exists from the first moment that its partition has a primary. */
async function format(partition: Partition): Promise<void> {
  const key = inodeKey(partition.id, clusterRootIno)
  if (isThere(partition, key)) return
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
