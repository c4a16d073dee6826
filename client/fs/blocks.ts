/** Blocks of large files: which pieces of a range lie in which, read and written with their checksums. */
import { PosixError } from '../../network/errors.ts'
import { chunkBytes } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { type BlockRange, checksumsOfPieces, packRanges } from '../../network/wire/block-ranges.ts'
import { checksumsOf, sameChecksums } from '../../network/wire/checksum.ts'
import type { Flushing } from '../../network/wire/operations.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Payload } from '../cluster/contract.ts'
import type { Context } from './context.ts'
import type { SpaceHold } from './space-hold.ts'

/** Part of a range that lies in one block. */
export interface Extent {
  readonly block: number
  /** Within the block, bytes. */
  readonly offset: number
  readonly length: number
}

export function extentsOf(offset: number, length: number, blockBytes: number): Extent[] {
  const extents: Extent[] = []
  for (let at = offset; at < offset + length; ) {
    const block = Math.floor(at / blockBytes)
    const within = at - block * blockBytes
    const part = Math.min(blockBytes - within, offset + length - at)
    extents.push({ block, offset: within, length: part })
    at += part
  }
  return extents
}

/**
 * @returns null when there is no such block.
 * @throws PosixError EIO when what came is not what was written, twice.
 */
export async function readExtent(
  context: Context,
  attributes: Attributes,
  extent: Extent,
): Promise<Payload | null> {
  const { ino, generation } = attributes
  const { block, offset, length } = extent
  const partition = partitionOfBlock(ino, generation, block, context.cluster.partitionCount)
  const request = { ino, generation, block, offset, length }
  let local = true
  for (let attempt = 0; attempt < 2; ) {
    const asked = local ? { ...request, local } : request
    const { body, payload } = await context.cluster.query('readBlock', partition, asked)
    if (!body.present) return null
    const whole = bytesIn(payload) === length
    if (whole && sameChecksums(checksumsOf(payload, offset, chunkBytes), body.checksums)) {
      return payload
    }
    // What a disk has no more where it was a moment ago, its server has.
    if (!local || body.places === undefined) attempt++
    local = false
  }
  throw new PosixError('EIO', `block ${block} of file ${ino} does not match its checksums`)
}

/** What one call writes of a block: at most `maxWritePieces`, in the order of the block and apart. */
export interface BlockWrite {
  readonly block: number
  readonly ranges: readonly BlockRange[]
  /** Of each range. */
  readonly pieces: readonly Payload[]
}

export function writeExtent(
  context: Context,
  inode: OpenInode,
  attributes: Attributes,
  { block, offset, length }: Extent,
  data: Payload,
  notAfterMs: number,
  space: SpaceHold,
): Promise<void> {
  const write = { block, ranges: [{ offset, length }], pieces: [data] }
  return writeBlock(context, inode, attributes, write, notAfterMs, space)
}

/** @param notAfterMs when what the write rests on may end: see `Cluster.mutate`. */
export async function writeBlock(
  context: Context,
  inode: OpenInode,
  attributes: Attributes,
  { block, ranges, pieces }: BlockWrite,
  notAfterMs: number,
  space: SpaceHold,
  flushing: Flushing = {},
): Promise<void> {
  const { ino, generation } = attributes
  const partition = partitionOfBlock(ino, generation, block, context.cluster.partitionCount)
  const checksums = checksumsOfPieces(ranges, pieces)
  const bounded = space.left === Infinity ? {} : { mayTake: space.left }
  const where = { ino, generation, block, ranges: packRanges(ranges) }
  const request = { ...where, checksums, ...bounded, ...flushing }
  const { cluster } = context
  const latestMs = Math.min(notAfterMs, space.notAfterMs)
  const data = pieces.flat()
  const { body, boot } = await cluster.mutate('writeBlock', partition, request, data, latestMs)
  context.dirty.mark(ino, partition, boot)
  inode.tookSpace(generation, body.allocated)
  space.took(body.allocated)
}

export function bytesIn(pieces: Payload): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

/** `length` bytes from `offset` on of the concatenated pieces, without a copy. */
export function sliceOf(pieces: Payload, offset: number, length: number): Uint8Array[] {
  const slices: Uint8Array[] = []
  let start = 0
  for (const piece of pieces) {
    const from = Math.max(0, offset - start)
    const to = Math.min(piece.length, offset + length - start)
    if (from < to) slices.push(from === 0 && to === piece.length ? piece : piece.subarray(from, to))
    start += piece.length
  }
  return slices
}
