/** Requests and replies about directories that are split: where their shards are, and what these count. */
import type { ShardMap } from '../placement/shards.ts'
import type { Ino, Partition } from './ids.ts'

export interface ShardsReply {
  /** Empty: the directory is not split. */
  readonly shards: ShardMap
}

/** What the shards of one partition add to what their directory says of itself. */
export interface ShardTotals {
  /** Orders them: of two of one incarnation, the higher is the newer. */
  readonly change: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly entries: number
  readonly subdirectories: number
}
export interface ShardTotalsReply {
  /** Of the server: with another one, it may have lost what it had told before. */
  readonly incarnation: string
  readonly totals: ShardTotals
}
/** Server to server, to the directory's own partition: what changed, before anyone else hears of it. */
export interface ShardChangedRequest extends ShardTotalsReply {
  readonly ino: Ino
  readonly partition: Partition
  /** Who changed it, and keeps nothing of the directory meanwhile; null when there are several, or nobody knows. */
  readonly client: string | null
}
/** Server to server: a transaction is about to change what this partition counts. Ask it again. */
export interface DoubtTotalsRequest {
  readonly ino: Ino
  readonly partition: Partition
  /** Who changes it, and keeps nothing of the directory meanwhile. */
  readonly client: string
}
/** Server to server, for a check: what there is of a directory in one partition, slot by slot. */
export interface CountShardsReply {
  readonly entries: readonly number[]
  readonly subdirectories: readonly number[]
}
