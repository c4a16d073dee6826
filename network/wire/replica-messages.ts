/** Requests and replies about copies of partitions: among servers, and from a primary to the manager. */
import type { Ino, Partition } from './ids.ts'
import type { MemberId } from './view.ts'

/** A primary tells the manager of its partition, in the epoch that it goes by; refused with STALE_EPOCH in another. */
export interface PartitionServedRequest {
  readonly partition: Partition
  readonly epoch: number
}
/** `member` has everything, compared at one point of the log, and nothing is acknowledged without it from now on. */
export interface ReplicaInSyncRequest extends PartitionServedRequest {
  readonly member: MemberId
}
/** `member` is in sync as the view has it, but does not answer: nothing is acknowledged until the view lets go of it. */
export interface ReplicaLostRequest extends ReplicaInSyncRequest {
  readonly reason: string
}

/** Where a copy stands: after which record, and of the primary of which epoch that is. */
export interface Position {
  readonly epoch: number
  readonly sequence: number
}

/** From a primary to a holder: what comes on this connection under this id continues one another. */
export interface OpenFeedRequest {
  readonly feed: string
}
export interface OpenFeedReply extends Position {
  /** It was complete at that position, and nothing of it can have been lost since. */
  readonly whole: boolean
  /** Names this life of the holder's process. */
  readonly incarnation: string
}

export interface BlockName {
  readonly ino: Ino
  readonly generation: number
  readonly block: number
}
/** What is done to one block: the same on each copy. */
export type BlockChange = BlockName &
  (
    | { readonly kind: 'write'; readonly ranges: readonly number[]; readonly checksums: Uint8Array }
    | { readonly kind: 'cut'; readonly offset: number }
    | { readonly kind: 'punch'; readonly offset: number; readonly length: number }
    | {
        readonly kind: 'allocate'
        readonly offset: number
        readonly length: number
        readonly zero: boolean
      }
  )

/** A batch as the primary committed it. Rows are encoded (server/replication/rows.ts), or come as the payload. */
export interface RecordItem extends Position {
  readonly kind: 'record'
  /** Sequence of the record before: there may be a gap where the primary was started again. */
  readonly previous: number
  readonly rows: Uint8Array | null
  readonly block: BlockChange | null
}
/** Rows as they are now. */
export interface RowsItem {
  readonly kind: 'rows'
  readonly rows: Uint8Array | null
}
/** A block as it is now; the payload has the data of the chunks that were written, one behind the other. */
export interface BlockItem extends BlockName {
  readonly kind: 'block'
  /** Length of each chunk; 0 is a hole, a negative one is of space that was never written. */
  readonly chunks: readonly number[]
  /** Of those that were written. */
  readonly checksums: Uint8Array
}
/** All that there is with `from <= key < to`: the holder deletes the rest, and answers what differs. */
export interface CompareItem {
  readonly kind: 'compare'
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly keys: readonly Uint8Array[]
  /** 8 bytes for each key. */
  readonly signatures: Uint8Array
}
/** The holder answers the digest of all it has at this point of the log. */
export interface DigestItem {
  readonly kind: 'digest'
}
/** At this point the copy is whole: equal to the primary's at this position. */
export interface WholeItem extends Position {
  readonly kind: 'whole'
}
export type FeedItem = RecordItem | RowsItem | BlockItem | CompareItem | DigestItem | WholeItem

/** One of the items may have the payload. Answered when all are committed. */
export interface FeedRequest {
  readonly feed: string
  /** Of the messages of this feed, from 0 on. */
  readonly number: number
  readonly items: readonly FeedItem[]
}
export interface FeedReply {
  /** Indices of the keys of a `compare`. */
  readonly differing: readonly number[]
  /** Of a `digest`, 8 bytes. */
  readonly digest: Uint8Array | null
}

/** May the caller serve these for another lease's time? Partition and epoch in turn. */
export interface BeaconRequest {
  readonly held: readonly number[]
}
export interface BeaconReply {
  /** Partitions of which it may not. */
  readonly refused: readonly Partition[]
}

/** From the primary of a new epoch to the one of before: stop. Answered when it has, and all is on its disks. */
export interface YieldRequest {
  /** Also when no client goes by what it had leased: what they had written behind the new primary takes meanwhile. */
  readonly withdrawn: boolean
}
export interface YieldReply extends Position {}

/** From a primary that may have lost something with its machine's power: feed me what you have. */
export interface PullRequest {
  readonly member: MemberId
}

/** To a holder, which has to be the one that acknowledged: all it has is on its disks when it answers. */
export interface SyncReplicaRequest {
  readonly incarnation: string
}

/** A copy that a primary is feeding, for people. */
export interface CopyReport {
  readonly partition: Partition
  readonly member: MemberId
  readonly doneBytes: number
  readonly totalBytes: number
  /** Why it cannot be made: something is damaged at the primary. Absent while it is fed. */
  readonly held?: string
}
