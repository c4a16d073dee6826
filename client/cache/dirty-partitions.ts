/**
 * Which partitions other than the inode's own hold what this client changed of an inode since its last
 * fsync: the servers that fsync has to visit.
 *
 * 1. A mark goes only when a sync that began after it was made has succeeded.
 * 2. When there are too many records, the oldest joins the one that every fsync visits.
 */
import { maxDirtyInodes } from '../../network/limits.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'

/** Partition → number of the mark. */
type Marks = Map<Partition, number>

export interface Visit {
  readonly partitions: ReadonlySet<Partition>
  /** Marks up to this one are settled when all have been visited. */
  readonly upTo: number
}

export class DirtyPartitions {
  readonly #byInode = new Map<Ino, Marks>()
  readonly #anyInode: Marks = new Map()
  readonly #limit: number
  #lastMark = 0

  constructor(limit: number = maxDirtyInodes) {
    this.#limit = limit
  }

  mark(ino: Ino, partition: Partition): void {
    if (partition === partitionOfIno(ino)) return
    const marks = this.#byInode.get(ino)
    if (marks !== undefined) {
      marks.set(partition, ++this.#lastMark)
      return
    }
    this.#byInode.set(ino, new Map([[partition, ++this.#lastMark]]))
    if (this.#byInode.size > this.#limit) this.#mergeOldest()
  }

  /** Whom an fsync of `ino` has to visit. */
  visit(ino: Ino): Visit {
    const partitions = new Set([partitionOfIno(ino), ...this.#anyInode.keys()])
    for (const partition of this.#byInode.get(ino)?.keys() ?? []) partitions.add(partition)
    return { partitions, upTo: this.#lastMark }
  }

  /** All of them have answered that everything is on their disks. */
  settled(ino: Ino, { partitions, upTo }: Visit): void {
    const marks = this.#byInode.get(ino)
    for (const partition of partitions) {
      if ((this.#anyInode.get(partition) ?? Infinity) <= upTo) this.#anyInode.delete(partition)
      if (marks !== undefined && (marks.get(partition) ?? Infinity) <= upTo) marks.delete(partition)
    }
    if (marks?.size === 0) this.#byInode.delete(ino)
  }

  #mergeOldest(): void {
    for (const [oldest, marks] of this.#byInode) {
      for (const partition of marks.keys()) this.#anyInode.set(partition, ++this.#lastMark)
      this.#byInode.delete(oldest)
      return
    }
  }
}
