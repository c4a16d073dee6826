/** What a server needs for directories that are split, put together. */
import { splitEntries as defaultSplitEntries } from '../network/limits.ts'
import type { MetadataStore } from './metadata/metadata-store.ts'
import { ShardReports } from './partition/shard-reports.ts'
import { DirectoryTotals } from './partition/totals.ts'
import type { Peers } from './peers.ts'
import { Splitter, type SplitterInit } from './transactions/splitter.ts'

export interface ShardRoomsInit extends Omit<SplitterInit, 'splitEntries'> {
  readonly store: MetadataStore
  readonly peers: Peers
  readonly partitionCount: number
  /** Entries that make a shard of a directory too large, for tests. */
  readonly splitEntries?: number | undefined
}

export interface ShardRooms {
  readonly totals: DirectoryTotals
  readonly reports: ShardReports
  readonly splitter: Splitter
  readonly partitionCount: number
}

export function openShardRooms(init: ShardRoomsInit): ShardRooms {
  const { env, peers, store, partitionCount, splitEntries = defaultSplitEntries } = init
  const incarnation = env.random.id()
  const totals = new DirectoryTotals({ incarnation, peers, partitionCount })
  const reports = new ShardReports({ incarnation, store, peers })
  const splitter = new Splitter({ ...init, splitEntries })
  return { totals, reports, splitter, partitionCount }
}
