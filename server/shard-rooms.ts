/** What a server needs for directories that are split, put together. */
import { splitEntries, splitEntriesOfOne } from '../network/limits.ts'
import { ShardReports, type ShardReportsInit } from './partition/shard-reports.ts'
import { DirectoryTotals } from './partition/totals.ts'
import type { Peers } from './peers.ts'
import { Splitter, type SplitterInit } from './transactions/splitter.ts'

export interface ShardRoomsInit extends Omit<SplitterInit, 'splitEntries' | 'splitEntriesOfOne'> {
  readonly storeOf: ShardReportsInit['storeOf']
  readonly peers: Peers
  readonly partitionCount: number
  /** Entries that make a shard of a directory too large, whoever makes them; for tests. */
  readonly splitEntries?: number | undefined
}

export interface ShardRooms {
  readonly totals: DirectoryTotals
  readonly reports: ShardReports
  readonly splitter: Splitter
  readonly partitionCount: number
}

export function openShardRooms(init: ShardRoomsInit): ShardRooms {
  const { env, peers, storeOf, partitionCount } = init
  const incarnation = env.random.id()
  const totals = new DirectoryTotals({ incarnation, peers, partitionCount })
  const reports = new ShardReports({ incarnation, storeOf, peers })
  const limits =
    init.splitEntries === undefined
      ? { splitEntries, splitEntriesOfOne }
      : { splitEntries: init.splitEntries, splitEntriesOfOne: init.splitEntries }
  const splitter = new Splitter({ ...init, ...limits })
  return { totals, reports, splitter, partitionCount }
}
