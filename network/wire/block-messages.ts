/** Requests and replies about blocks of file data. */
import type { Ino } from './ids.ts'
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
}
/**
 * Payload: `length` bytes from `offset` on, holes and what lies behind the block's end as zeros, in
 * segments cut at chunk borders; `checksums` has 8 bytes for each. `present: false`: no such block
 * (no payload), which is a hole or a file truncated since: the client compares the generation.
 */
export interface ReadBlockReply {
  readonly present: boolean
  readonly checksums: Uint8Array
}
/** Payload: the data; `checksums`: xxHash64, 8 bytes little-endian, of each piece cut at chunk borders. */
export interface WriteBlockRequest extends BlockRequest, Mutation {
  readonly offset: number
  readonly checksums: Uint8Array
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
}
