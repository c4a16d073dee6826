/** Requests and replies about blocks of file data. */
import type { Ino } from './ids.ts'
import type { Flushing } from './lease-messages.ts'
import type { Mutation } from './message.ts'

export interface BlockRequest {
  readonly ino: Ino
  readonly generation: number
  readonly block: number
}
export interface ReadBlockRequest extends BlockRequest {
  /** Within the block, bytes. */
  readonly offset: number
  readonly length: number
  /** The caller can read the server's data file by itself: it may be told where the data is. */
  readonly local?: boolean
}
/**
 * Payload: `length` bytes from `offset` on, holes and what lies behind the block's end as zeros, in
 * segments cut at chunk borders; `checksums` has 8 bytes for each. `present: false`: no such block
 * (no payload), which is a hole or a file truncated since: the client compares the generation.
 */
export interface ReadBlockReply {
  readonly present: boolean
  readonly checksums: Uint8Array
  /**
   * In place of a payload: three numbers for each run of data, in the order of the block: where it lies in the data file,
   * where in what was asked for, and how many bytes; the rest is zeros. It may be gone from there when it is read: the
   * checksums tell.
   */
  readonly places?: readonly number[]
}
/** A change that would take more than `mayTake` bytes is refused with EDQUOT. */
interface Bounded {
  readonly mayTake?: number
}
/**
 * Payload: the data of all ranges, one behind the other. `ranges`: offset and length of each in turn, as block-ranges.ts has them;
 * `checksums`: xxHash64, 8 bytes little-endian, of each range's data cut at chunk borders.
 */
export interface WriteBlockRequest extends BlockRequest, Bounded, Flushing, Mutation {
  readonly ranges: readonly number[]
  readonly checksums: Uint8Array
  /**
   * Of the clock that the server told with the session: what it comes upon later it refuses with STALE_WRITE, as what the client
   * was leased or granted may have ended, and others may have written since; unless, of a lease (`flushes`), the inode's server says
   * that it has not.
   */
  readonly notAfterMs?: number
  /**
   * In place of a payload, of who has shown that its memory can be read (`offerMemory`). What cannot be fetched is told as
   * UNFETCHED, and nothing is done.
   */
  readonly offered?: OfferedData
}
/** Where data lies in the memory of a process on the server's machine: `places` as network/memory/process-memory.ts has them. */
export interface OfferedData {
  readonly bytes: number
  readonly places: Uint8Array
}
export interface MemorySource {
  /** Number of its process, as that knows it. */
  readonly process: number
  readonly places: Uint8Array
}
/** First without, for the proof, then with where the caller has put that. */
export interface OfferMemoryRequest {
  readonly source?: MemorySource
}
export interface OfferMemoryReply {
  /** `offerProofBytes` that nobody else was told; none where nothing may be offered, or it was asked for before. */
  readonly proof?: Uint8Array
  /** It was found there: from now on the server fetches what it is offered. */
  readonly isFetched?: boolean
  /** What looking for it ended with; 0: it could be read. */
  readonly errno?: number
}
/** What a change of blocks took of the data disk, bytes; less than 0 where it gave back. */
export interface SpaceReply {
  readonly allocated: number
}
/** Under which boot of its machine: what was not synced under that may be back. */
export interface CutBlocksReply extends SpaceReply {
  readonly boot: string
}
/**
 * Makes zeros of what the partition addressed holds of the bytes from `offset` of `block` up to
 * `endOffset` of `endBlock`; whole chunks give their space back.
 */
export interface PunchBlocksRequest extends BlockRequest, Mutation {
  readonly offset: number
  readonly endBlock: number
  readonly endOffset: number
}
/** Gives these bytes of a block space; `zero`: and makes them zeros. */
export interface AllocateBlockRequest extends BlockRequest, Bounded, Mutation {
  readonly offset: number
  readonly length: number
  readonly zero: boolean
}
/**
 * Copies `length` bytes of another block into this one: its server asks the source's. Where there is no
 * source, which is a hole or was truncated since (`present: false`), a hole is made.
 */
export interface CopyBlockRequest extends BlockRequest, Mutation {
  readonly offset: number
  readonly length: number
  readonly sourceIno: Ino
  readonly sourceGeneration: number
  readonly sourceBlock: number
  readonly sourceOffset: number
}
export interface CopyBlockReply extends SpaceReply {
  readonly present: boolean
}
/**
 * The first byte of data (or of a hole) at or behind `offset` of `block`, among the blocks below `reach`
 * that live in the partition addressed; a hole is looked for in `block` alone.
 */
export interface SeekBlocksRequest extends BlockRequest {
  readonly offset: number
  readonly reach: number
  readonly hole: boolean
}
export interface SeekBlocksReply {
  /** -1: there is no such data. */
  readonly block: number
  /** Within the block, bytes; of a hole perhaps where the block ends. */
  readonly offset: number
}
/** Server to server. Drops bytes from `offset` on in `block`, and the blocks from block + 1 to reach - 1
 * that live in the partition addressed. */
export interface CutBlocksRequest {
  readonly ino: Ino
  readonly generation: number
  readonly block: number
  readonly offset: number
  readonly reach: number
  /** Nobody is to write blocks of this generation any more: what is still on its way is refused. */
  readonly purge: boolean
  /** Answer when it is on the disk, not only safe from the end of the process. */
  readonly durable: boolean
  /**
   * Of the inode's partition, as who asks serves it, where the file lives on: whoever served that before, and still asks,
   * is refused from then on. A later write, of which he does not know, could go with his cut.
   */
  readonly epoch?: number
}
