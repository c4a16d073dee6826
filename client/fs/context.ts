/** What the families of operations of one mounted volume share. */
import type { Attributes } from '../../network/wire/attributes.ts'
import { AccessTimes } from '../cache/access-times.ts'
import { ChangesBehind } from '../cache/changes-behind.ts'
import { DirtyPartitions } from '../cache/dirty-partitions.ts'
import { EntryHints } from '../cache/entry-hints.ts'
import { KeptListings } from '../cache/kept-listings.ts'
import { KnownNames } from '../cache/known-names.ts'
import { ListedDirectories } from '../cache/listed-directories.ts'
import { type OpenInode, OpenInodes } from '../cache/open-inodes.ts'
import { PageRecords } from '../cache/page-records.ts'
import { ReadAheadBudget } from '../cache/read-ahead.ts'
import { ShardMaps } from '../cache/shard-maps.ts'
import { SpaceShares } from '../cache/space-shares.ts'
import { SyncedChanges } from '../cache/synced-changes.ts'
import { WritesBehind } from '../cache/writes-behind.ts'
import type { Cluster } from '../cluster/contract.ts'
import type { OpenHandle } from './open-handle.ts'

export interface Context {
  readonly cluster: Cluster
  readonly inodes: OpenInodes
  readonly dirty: DirtyPartitions
  readonly synced: SyncedChanges
  readonly accesses: AccessTimes
  readonly space: SpaceShares
  readonly hints: EntryHints
  readonly shards: ShardMaps
  readonly names: KnownNames
  readonly listed: ListedDirectories
  readonly listings: KeptListings
  readonly readAhead: ReadAheadBudget
  readonly behind: WritesBehind
  readonly changes: ChangesBehind
  /** Number of the next hold of space: no two of one client have the same. */
  readonly holds: { next: number }
  /** Of this volume alone, like `pages`; the rest is shared by all that one client has open. */
  readonly handles: Set<OpenHandle>
  /** Reading leaves access times alone (noatime). */
  readonly quiet: boolean
  /** What a surface holds is true after writes that went through it, not after those of another. */
  readonly pages: PageRecords
}

type Shared = Omit<Context, 'handles' | 'pages' | 'quiet'>

const sharedByCluster = new WeakMap<Cluster, Shared>()

export function contextOf(cluster: Cluster, quiet = false): Context {
  return { ...sharedOf(cluster), handles: new Set(), pages: new PageRecords(), quiet }
}

/** This client changed the inode; `previous` was the change before. */
export function changedHere(context: Context, attributes: Attributes, previous: number): void {
  context.pages.changedHere(attributes, previous)
  context.synced.changedHere(attributes, previous)
}

/** One client is one writer to its servers, so all its volumes must know the same of an inode. */
function sharedOf(cluster: Cluster): Shared {
  const known = sharedByCluster.get(cluster)
  if (known !== undefined) return known
  const inodes = new OpenInodes()
  const behind = new WritesBehind(cluster.env.timers)
  const changes = new ChangesBehind(partition => cluster.hurry(partition))
  cluster.leases.onRecall(async ({ inodes: recalled, partitions = [] }) => {
    await changes.settledIn(partitions)
    await Promise.all(recalled.map(ino => changes.settled(ino)))
    if (behind.isEmpty) return
    await Promise.all(recalled.map(ino => bringBack(behind, inodes.get(ino))))
  })
  const shared = {
    cluster,
    inodes,
    dirty: new DirtyPartitions(),
    synced: new SyncedChanges(),
    accesses: new AccessTimes(cluster),
    space: new SpaceShares(cluster),
    hints: new EntryHints(),
    shards: new ShardMaps(cluster.partitionCount),
    names: new KnownNames(),
    listed: new ListedDirectories(),
    listings: new KeptListings(),
    readAhead: new ReadAheadBudget(),
    behind,
    changes,
    holds: { next: 1 },
  }
  sharedByCluster.set(cluster, shared)
  return shared
}

/** Others are about to look at the inode: resolves when nothing is left that was written behind to it. */
async function bringBack(behind: WritesBehind, inode: OpenInode | undefined): Promise<void> {
  if (inode === undefined) return
  // It may have been granted, and called back at once.
  await inode.behind.resuming
  // What was written in a term that was ended is not what is called back, and may never get there. One that has only run out
  // may go on at its server: which is to hear that all is there, or that there is another term.
  const { term } = inode.behind
  if (term !== null && term.untilMs > Number.NEGATIVE_INFINITY) await behind.settled(inode.ino)
}
