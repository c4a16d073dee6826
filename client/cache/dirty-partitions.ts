/**
 * Which partitions hold what this client changed of an inode since its last fsync, and under which boot of
 * their server's machine: the servers that fsync has to visit, and whether what they had is still there.
 *
 * 1. A mark goes only when a sync that began after it was made has succeeded, under the boot it was made
 *    under; when that has changed, the inode's next fsync is told so.
 *    A partition that moves takes what it has with it: boots under which it was served before, and lost nothing,
 *    are as good as the one of now.
 * 2. When there are too many records, the oldest joins those of which nobody knows whose they were. Every
 *    fsync visits the ones outside their inode's partition, and when such a one is lost, every inode that
 *    may have been meant is told once, rather too many than too few.
 */
import { maxDirtyInodes } from '../../network/limits.ts'
import { OrderedMap } from '../../network/ordered-map.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Boot } from '../cluster/contract.ts'

interface Mark {
  number: number
  /** All that something was marked under since. */
  boots: readonly Boot[]
}

type Marks = Map<Partition, Mark>

export interface Visit {
  readonly partitions: ReadonlySet<Partition>
  /** Marks up to this one are settled when all have been visited. */
  readonly upTo: number
}

/**
 * The boot of the server in charge of a partition, and earlier ones that are as good; null where it is not known,
 * or was not asked.
 */
export type BootOf = (partition: Partition) => readonly string[] | null

export class DirtyPartitions {
  /** In the order in which they were marked first. */
  readonly #byInode = new OrderedMap<Ino, Marks>()
  /** Of anybody's, outside the partition of the inode. */
  readonly #elsewhere: Marks = new Map()
  /** Of some inode of the partition. */
  readonly #atHome: Marks = new Map()
  /** Numbers of the losses among those two. */
  #lostElsewhere = 0
  readonly #lostAtHome = new Map<Partition, number>()
  /** Inode → number of the latest loss that its fsync was told of. */
  readonly #told = new OrderedMap<Ino, number>()
  readonly #limit: number
  #lastMark = 0

  constructor(limit: number = maxDirtyInodes) {
    this.#limit = limit
  }

  mark(ino: Ino, partition: Partition, boot: Boot): void {
    let marks = this.#byInode.get(ino)
    if (marks === undefined) {
      marks = new Map()
      this.#byInode.set(ino, marks)
      if (this.#byInode.size > this.#limit) this.#mergeOldest()
    }
    this.#put(marks, partition, [boot])
  }

  /** As `mark`, for an inode that this client has just made: no earlier loss can be its own. */
  markNew(ino: Ino, partition: Partition, boot: Boot): void {
    if (this.#lostElsewhere > 0 || this.#lostAtHome.size > 0) this.#tell(ino)
    this.mark(ino, partition, boot)
  }

  /** Whom an fsync of `ino` has to visit. */
  visit(ino: Ino): Visit {
    const partitions = new Set([partitionOfIno(ino), ...this.#elsewhere.keys()])
    for (const partition of this.#byInode.get(ino)?.keys() ?? []) partitions.add(partition)
    return { partitions, upTo: this.#lastMark }
  }

  /**
   * All of them have answered that everything is on their disks.
   * @returns whether something of this inode may be lost, because a machine was started again before.
   */
  settled(ino: Ino, { upTo }: Visit, bootOf: BootOf): boolean {
    if (this.#settle(this.#elsewhere, upTo, bootOf).length > 0) {
      this.#lostElsewhere = ++this.#lastMark
    }
    for (const partition of this.#settle(this.#atHome, upTo, bootOf)) {
      this.#lostAtHome.set(partition, ++this.#lastMark)
    }
    return this.#takeLoss(ino, upTo, bootOf)
  }

  /** As `settled`, for a loss that is known without asking anybody. Nothing else is settled. */
  takeKnownLoss(ino: Ino, bootOf: BootOf): boolean {
    const marks = this.#byInode.get(ino)
    if (marks === undefined) return false
    let lost = false
    for (const [partition, mark] of marks) {
      if (!isLost(mark, bootOf(partition))) continue
      lost = true
      marks.delete(partition)
    }
    if (marks.size === 0) this.#byInode.delete(ino)
    return lost
  }

  #takeLoss(ino: Ino, upTo: number, bootOf: BootOf): boolean {
    const marks = this.#byInode.get(ino)
    const ownLost = marks !== undefined && this.#settle(marks, upTo, bootOf).length > 0
    if (marks?.size === 0) this.#byInode.delete(ino)
    const atHome = this.#lostAtHome.get(partitionOfIno(ino)) ?? 0
    const latest = Math.max(this.#lostElsewhere, atHome)
    if (latest <= (this.#told.get(ino) ?? 0)) return ownLost
    this.#tell(ino)
    return true
  }

  /** Takes away what is on the disks, or lost. @returns the partitions of what is lost. */
  #settle(marks: Marks, upTo: number, bootOf: BootOf): Partition[] {
    const lost: Partition[] = []
    for (const [partition, mark] of marks) {
      const boots = bootOf(partition)
      if (boots === null) continue
      if (isLost(mark, boots)) lost.push(partition)
      if (mark.number <= upTo) marks.delete(partition)
      else mark.boots = mark.boots.filter(({ id }) => id === '' || boots.includes(id))
    }
    return lost
  }

  #put(marks: Marks, partition: Partition, boots: readonly Boot[]): void {
    const mark = marks.get(partition)
    const number = ++this.#lastMark
    if (mark === undefined) {
      marks.set(partition, { number, boots })
      return
    }
    const others = boots.filter(boot => !mark.boots.some(known => isSame(known, boot)))
    if (others.length > 0) mark.boots = [...mark.boots, ...others]
    mark.number = number
  }

  #tell(ino: Ino): void {
    this.#told.set(ino, this.#lastMark)
    if (this.#told.size > this.#limit) this.#told.deleteFirst()
  }

  #mergeOldest(): void {
    const { first } = this.#byInode
    if (first === null) return
    const home = partitionOfIno(first.key)
    for (const [partition, { boots }] of first.value) {
      this.#put(partition === home ? this.#atHome : this.#elsewhere, partition, boots)
    }
    this.#byInode.delete(first.key)
  }
}

function isLost({ boots }: Mark, now: readonly string[] | null): boolean {
  return now !== null && boots.some(({ id }) => id !== '' && !now.includes(id))
}

function isSame(one: Boot, other: Boot): boolean {
  return one === other || one.id === other.id
}
