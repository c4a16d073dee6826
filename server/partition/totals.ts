/**
 * What the shards of split directories count, as the directory's own partition knows it: in memory only, so
 * that asking a directory for its attributes is one request, however many shards it has.
 *
 * 1. A shard tells what changed before anyone hears of the change (shard-reports.ts). What a transaction
 *    changes in a shard by a promise is doubted before it is decided: the shard is asked again, and answers
 *    when it knows.
 * 2. A server that was started again may have lost what it had told: under another incarnation nothing that
 *    it told before counts, and it is asked.
 */
import { ClusterError } from '../../network/errors.ts'
import { maxTotalsRemembered } from '../../network/limits.ts'
import { partitionsOf, type ShardMap } from '../../network/placement/shards.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { ShardTotals, ShardTotalsReply } from '../../network/wire/operations.ts'
import type { Holding } from '../metadata/holding.ts'
import type { Inode } from '../metadata/inode.ts'
import { inodeKey } from '../metadata/keys.ts'
import { isAbsent, isPassing, type Peers } from '../peers.ts'
import type { Batch } from './batch.ts'
import { LockedKey } from './key-locks.ts'
import { findHolding } from './shards.ts'

/** What is known of the shards that one partition holds of one directory. */
interface Known {
  told: ShardTotalsReply | null
  /** While it is being asked; and the newest that it has told meanwhile. */
  asked: Promise<void> | null
  meanwhile: ShardTotalsReply | null
  doubts: number
}

interface OfDirectory {
  /** Of the map with so many shards: maps only grow. */
  shardCount: number
  partitions: readonly Partition[]
  readonly known: Map<Partition, Known>
}

export class DirectoryTotals {
  /** Names this life of the server. */
  readonly incarnation: string
  readonly #peers: Pick<Peers, 'call'>
  readonly #partitionCount: number
  readonly #limit: number
  /** In the order of their last use. */
  readonly #directories = new Map<Ino, OfDirectory>()

  constructor(init: {
    readonly incarnation: string
    readonly peers: Pick<Peers, 'call'>
    readonly partitionCount: number
    readonly limit?: number
  }) {
    this.incarnation = init.incarnation
    this.#peers = init.peers
    this.#partitionCount = init.partitionCount
    this.#limit = init.limit ?? maxTotalsRemembered
  }

  /** All partitions that hold shards of a split directory. */
  holders(inode: Inode): readonly Partition[] {
    return this.#partitionsOf(this.#of(inode.ino), inode.ino, inode.shards)
  }

  /** The inode with what its shards count. @throws LockedKey until all of them have been asked. */
  merged(batch: Batch, inode: Inode): Inode {
    const { totals, unknown } = this.#counted(batch, inode)
    if (unknown.length === 0) return withTotals(inode, totals)
    const key = inodeKey(partitionOfIno(inode.ino), inode.ino)
    // Who has a lease from before this was forgotten says what it was told then.
    batch.assertUnleased(key)
    const asked = unknown.map(([partition, known]) => this.#ask(inode.ino, partition, known))
    const all = Promise.all(asked).then(() => undefined)
    all.catch(() => undefined)
    throw new LockedKey(key, all)
  }

  /** As `merged`; null when shards would have to be asked. */
  mergedIfKnown(batch: Batch, inode: Inode): Inode | null {
    const { totals, unknown } = this.#counted(batch, inode)
    return unknown.length === 0 ? withTotals(inode, totals) : null
  }

  #counted(
    batch: Batch,
    inode: Inode,
  ): { readonly totals: ShardTotals[]; readonly unknown: [Partition, Known][] } {
    const home = partitionOfIno(inode.ino)
    const directory = this.#of(inode.ino)
    const totals: ShardTotals[] = []
    const unknown: [Partition, Known][] = []
    for (const partition of this.#partitionsOf(directory, inode.ino, inode.shards)) {
      if (partition === home) {
        const holding = findHolding(batch, home, inode.ino)
        if (holding !== undefined) totals.push(totalsOf(holding))
        continue
      }
      const known = knownOf(directory, partition)
      if (known.told === null) unknown.push([partition, known])
      else totals.push(known.told.totals)
    }
    return { totals, unknown }
  }

  /** Whether the shard is not known to have counted so already. */
  isNews(ino: Ino, partition: Partition, told: ShardTotalsReply): boolean {
    const before = this.#directories.get(ino)?.known.get(partition)?.told ?? null
    return (
      before === null ||
      before.incarnation !== told.incarnation ||
      before.totals.change < told.totals.change
    )
  }

  /** A shard has changed. */
  learn(ino: Ino, partition: Partition, told: ShardTotalsReply): void {
    const known = this.#directories.get(ino)?.known.get(partition)
    if (known === undefined) return
    if (known.told === null) {
      if (known.asked !== null) this.#learnMeanwhile(known, told)
    } else if (known.told.incarnation !== told.incarnation) {
      doubtOne(known)
    } else if (told.totals.change > known.told.totals.change) {
      known.told = told
    }
  }

  /** What these shards count is about to change by a promise. */
  doubt(ino: Ino, partitions: Iterable<Partition>): void {
    const directory = this.#directories.get(ino)
    if (directory === undefined) return
    for (const partition of partitions) {
      const known = directory.known.get(partition)
      if (known !== undefined) doubtOne(known)
    }
  }

  /** The partition is served elsewhere, with the directories that are at home in it. */
  forget(partition: Partition): void {
    for (const ino of this.#directories.keys()) {
      if (partitionOfIno(ino) === partition) this.#directories.delete(ino)
    }
  }

  #learnMeanwhile(known: Known, told: ShardTotalsReply): void {
    const { meanwhile } = known
    if (meanwhile !== null && meanwhile.incarnation !== told.incarnation) doubtOne(known)
    known.meanwhile = newer(told, meanwhile)
  }

  #ask(ino: Ino, partition: Partition, known: Known): Promise<void> {
    known.asked ??= this.#askNow(ino, partition, known)
    return known.asked
  }

  async #askNow(ino: Ino, partition: Partition, known: Known): Promise<void> {
    const { doubts } = known
    try {
      const { body } = await this.#peers.call('shardTotals', partition, { ino })
      const { meanwhile } = known
      // Which of two lives of the server came later, an answer does not say.
      const mixed = meanwhile !== null && meanwhile.incarnation !== body.incarnation
      if (known.doubts === doubts && !mixed) known.told = newer(body, meanwhile)
    } catch (cause) {
      if (!isPassing(cause) || isAbsent(cause)) throw cause
      // Whoever asked here is not to take its way to this server for the one that is silent.
      const text = `partition ${partition} does not tell what it counts of directory ${ino}`
      throw new ClusterError('NOT_READY', text, { cause })
    } finally {
      known.asked = null
      known.meanwhile = null
    }
  }

  #of(ino: Ino): OfDirectory {
    const found = this.#directories.get(ino)
    if (found !== undefined) {
      this.#directories.delete(ino)
      this.#directories.set(ino, found)
      return found
    }
    const directory = { shardCount: 0, partitions: [], known: new Map() }
    this.#directories.set(ino, directory)
    if (this.#directories.size > this.#limit) {
      const [oldest] = this.#directories.keys()
      this.#directories.delete(oldest!)
    }
    return directory
  }

  #partitionsOf(directory: OfDirectory, ino: Ino, map: ShardMap): readonly Partition[] {
    if (directory.shardCount !== map.length) {
      directory.shardCount = map.length
      directory.partitions = [...partitionsOf(ino, map, this.#partitionCount)]
    }
    return directory.partitions
  }
}

function knownOf({ known }: OfDirectory, partition: Partition): Known {
  const found = known.get(partition)
  if (found !== undefined) return found
  const fresh = { told: null, asked: null, meanwhile: null, doubts: 0 }
  known.set(partition, fresh)
  return fresh
}

function doubtOne(known: Known): void {
  known.told = null
  known.doubts++
}

function newer(one: ShardTotalsReply, other: ShardTotalsReply | null): ShardTotalsReply {
  return other !== null && other.totals.change > one.totals.change ? other : one
}

export function totalsOf({
  change,
  mtimeNs,
  ctimeNs,
  subdirectories,
  shards,
}: Holding): ShardTotals {
  let entries = 0
  for (const shard of shards) entries += shard.entries
  return { change, mtimeNs, ctimeNs, entries, subdirectories }
}

/** The inode of a split directory as programs see it. */
export function withTotals(inode: Inode, totals: Iterable<ShardTotals>): Inode {
  let { size, nlink, change, mtimeNs, ctimeNs } = inode
  for (const shard of totals) {
    size += shard.entries
    nlink += shard.subdirectories
    change += shard.change
    if (shard.mtimeNs > mtimeNs) mtimeNs = shard.mtimeNs
    if (shard.ctimeNs > ctimeNs) ctimeNs = shard.ctimeNs
  }
  return { ...inode, size, nlink, change, mtimeNs, ctimeNs }
}
