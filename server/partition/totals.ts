/**
 * What the shards of split directories count, as the directory's own partition knows it: in memory only, so
 * that asking a directory for its attributes again is one request, however many shards it has.
 *
 * 1. What a shard has told counts until the shard tells of a change, before anyone hears of that (shard-reports.ts), or it
 *    is doubted: what a transaction changes in a shard by a promise is doubted before that is decided. A shard of which
 *    nothing is known is asked when somebody wants to know, and answers when it knows.
 * 2. What a shard answers counts if it has neither told of a change nor been doubted since it was asked. So of all that
 *    is known in one tick nobody has been told anything newer, and it may be added up.
 * 3. What a shard tells of a change is kept where somebody has wanted to know since it told last, beside whom it was asked
 *    for. Else nothing is known of it any more, and it need not tell of the next.
 * 4. A server that was started again may have lost what it had told: what it tells under another incarnation is not
 *    newer than what it told before, nor older.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { gatherHoldMs, maxTotalsRemembered } from '../../network/limits.ts'
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
  /** How often somebody has wanted to know since it was told; the one whom it was asked for does not count. */
  wanted: number
  /** While it is being asked. */
  asked: Promise<void> | null
  doubts: number
}

interface OfDirectory {
  /** Of the map with so many shards: maps only grow. */
  shardCount: number
  partitions: readonly Partition[]
  readonly known: Map<Partition, Known>
  /** While some want to know what all count. */
  gathering: Promise<void> | null
  /** Nobody has been shown the whole since the last doubt, when nobody had a lease on it. */
  unleased: boolean
}

export interface DirectoryTotalsInit {
  readonly incarnation: string
  readonly env: Pick<Env, 'timers'>
  readonly peers: Pick<Peers, 'call'>
  readonly partitionCount: number
  readonly limit?: number
}

export class DirectoryTotals {
  /** Names this life of the server. */
  readonly incarnation: string
  readonly #init: DirectoryTotalsInit
  readonly #limit: number
  /** In the order of their last use. */
  readonly #directories = new Map<Ino, OfDirectory>()

  constructor(init: DirectoryTotalsInit) {
    this.#init = init
    this.incarnation = init.incarnation
    this.#limit = init.limit ?? maxTotalsRemembered
  }

  /** All partitions that hold shards of a split directory. */
  holders(inode: Inode): readonly Partition[] {
    return this.#partitionsOf(this.#of(inode.ino), inode.ino, inode.shards)
  }

  /** The inode with what its shards count. @throws LockedKey until all of them have been asked. */
  merged(batch: Batch, inode: Inode): Inode {
    const { totals, unknown } = this.#counted(batch, inode, 1)
    if (unknown.length === 0) return withTotals(inode, totals)
    const key = inodeKey(partitionOfIno(inode.ino), inode.ino)
    // Who has a lease from before this was forgotten says what it was told then.
    if (this.mayBeLeased(inode.ino)) batch.assertUnleased(key)
    throw new LockedKey(key, this.#gather(inode.ino, unknown))
  }

  /** As `merged`; null when shards would have to be asked. */
  mergedIfKnown(batch: Batch, inode: Inode): Inode | null {
    const { totals, unknown } = this.#counted(batch, inode, 0)
    return unknown.length === 0 ? withTotals(inode, totals) : null
  }

  #counted(
    batch: Batch,
    inode: Inode,
    wanted: 0 | 1,
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
      else {
        known.wanted += wanted
        totals.push(known.told.totals)
      }
    }
    if (unknown.length === 0) directory.unleased = false
    return { totals, unknown }
  }

  /** Whether anybody, but whose change it is, may have a lease on what all shards counted. */
  mayBeLeased(ino: Ino): boolean {
    return this.#directories.get(ino)?.unleased !== true
  }

  /** Whether the shard is not known to have counted so already. */
  isNews(ino: Ino, partition: Partition, told: ShardTotalsReply): boolean {
    const before = this.#directories.get(ino)?.known.get(partition)?.told ?? null
    if (before === null || isOtherLife(before, told)) return true
    return before.totals.change !== told.totals.change
  }

  /**
   * A shard has changed: to be called with news, and as `doubt`.
   * @returns whether that is known from now on; else nothing is.
   */
  learn(ino: Ino, partition: Partition, told: ShardTotalsReply): boolean {
    const known = this.#directories.get(ino)?.known.get(partition)
    const before = known?.told ?? null
    this.doubt(ino, [partition])
    if (known === undefined || before === null || known.wanted <= 0) return false
    // An older one may have come late; or what is known was told before a loss of power, and nobody else has said so.
    if (isOtherLife(before, told) || before.totals.change > told.totals.change) return false
    known.told = told
    known.wanted = 0
    return true
  }

  /**
   * What these shards counted is not true any more, or not for long. To be called where nobody has a lease on it, but for
   * the client that changes it and keeps nothing meanwhile.
   */
  doubt(ino: Ino, partitions: Iterable<Partition>): void {
    const directory = this.#directories.get(ino)
    if (directory === undefined) return
    directory.unleased = true
    for (const partition of partitions) {
      const known = directory.known.get(partition)
      if (known === undefined) continue
      known.told = null
      known.doubts++
    }
  }

  /** Resolves when those who want to know what all shards count have seen it, or it takes too long. */
  async gathered(ino: Ino): Promise<void> {
    const gathering = this.#directories.get(ino)?.gathering ?? null
    if (gathering === null) return
    const { timers } = this.#init.env
    const late = new AbortController()
    const pause = timers.sleep(gatherHoldMs, late.signal).catch(() => undefined)
    await Promise.race([gathering, pause])
    late.abort()
    // Who has waited for it looks first.
    await new Promise<void>(resolve => timers.soon(resolve))
  }

  /** The partition is served elsewhere, with the directories that are at home in it. */
  forget(partition: Partition): void {
    for (const ino of this.#directories.keys()) {
      if (partitionOfIno(ino) === partition) this.#directories.delete(ino)
    }
  }

  #gather(ino: Ino, unknown: readonly [Partition, Known][]): Promise<void> {
    const directory = this.#of(ino)
    const asked = unknown.map(([partition, known]) => this.#ask(ino, partition, known))
    const all = Promise.all(asked).then(() => undefined)
    const ended = Promise.allSettled([directory.gathering, all]).then(() => {
      if (directory.gathering === ended) directory.gathering = null
    })
    directory.gathering = ended
    return all
  }

  #ask(ino: Ino, partition: Partition, known: Known): Promise<void> {
    known.asked ??= this.#askNow(ino, partition, known).finally(() => {
      known.asked = null
    })
    return known.asked
  }

  async #askNow(ino: Ino, partition: Partition, known: Known): Promise<void> {
    const { doubts } = known
    try {
      const { body } = await this.#init.peers.call('shardTotals', partition, { ino })
      if (known.doubts !== doubts) return
      known.told = body
      known.wanted = -1
    } catch (cause) {
      if (!isPassing(cause) || isAbsent(cause)) throw cause
      // Whoever asked here is not to take its way to this server for the one that is silent.
      const text = `partition ${partition} does not tell what it counts of directory ${ino}`
      throw new ClusterError('NOT_READY', text, { cause })
    }
  }

  #of(ino: Ino): OfDirectory {
    const found = this.#directories.get(ino)
    if (found !== undefined) {
      this.#directories.delete(ino)
      this.#directories.set(ino, found)
      return found
    }
    const nothing = { shardCount: 0, partitions: [], gathering: null, unleased: false }
    const directory: OfDirectory = { ...nothing, known: new Map() }
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
      directory.partitions = [...partitionsOf(ino, map, this.#init.partitionCount)]
    }
    return directory.partitions
  }
}

function knownOf({ known }: OfDirectory, partition: Partition): Known {
  const found = known.get(partition)
  if (found !== undefined) return found
  const fresh = { told: null, wanted: 0, asked: null, doubts: 0 }
  known.set(partition, fresh)
  return fresh
}

function isOtherLife(one: ShardTotalsReply, other: ShardTotalsReply): boolean {
  return one.incarnation !== other.incarnation
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
