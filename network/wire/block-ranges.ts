/**
 * Which bytes of one block a payload holds, the pieces one behind the other.
 *
 * 1. Ranges are in the order of the block, and have at least one byte each and none twice: so they can be stored in any order, and one checksum is of
 *    bytes of one chunk.
 */
import { ClusterError } from '../errors.ts'
import { chunkBytes, maxBlockBytes, maxWritePieces } from '../limits.ts'
import { checksumsOf } from './checksum.ts'

/** Bytes of one block. */
export interface BlockRange {
  readonly offset: number
  readonly length: number
}

/** As they travel: offset and length of each in turn. */
export function packRanges(ranges: readonly BlockRange[]): number[] {
  const packed: number[] = []
  for (const { offset, length } of ranges) packed.push(offset, length)
  return packed
}

/** @throws ClusterError MALFORMED when they are no such ranges. */
export function unpackRanges(packed: readonly number[]): readonly BlockRange[] {
  if (!Array.isArray(packed) || packed.length % 2 !== 0 || packed.length > 2 * maxWritePieces) {
    throw new ClusterError('MALFORMED', 'what is to be written of a block')
  }
  const ranges: BlockRange[] = []
  for (let at = 0; at < packed.length; at += 2) {
    ranges.push({ offset: packed[at]!, length: packed[at + 1]! })
  }
  assertRanges(ranges)
  return ranges
}

/** @throws ClusterError MALFORMED */
export function assertRanges(ranges: readonly BlockRange[]): void {
  if (ranges.length === 0) throw new ClusterError('MALFORMED', 'a write of no bytes')
  let end = 0
  for (const { offset, length } of ranges) {
    const isSound = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
    if (!isSound || offset < end || length <= 0 || offset + length > maxBlockBytes) {
      throw new ClusterError('MALFORMED', `${length} bytes at ${offset} of a block, after ${end}`)
    }
    end = offset + length
  }
}

/** The payload cut into what each range has of it. @throws ClusterError MALFORMED when it has more or fewer bytes. */
export function piecesOf(
  ranges: readonly BlockRange[],
  payload: readonly Uint8Array[],
): readonly (readonly Uint8Array[])[] {
  let index = 0
  let used = 0
  const pieces = ranges.map(({ length }) => {
    const piece: Uint8Array[] = []
    for (let left = length; left > 0; ) {
      const part = payload[index]
      if (part === undefined) throw new ClusterError('MALFORMED', 'fewer bytes than were told of')
      const taken = Math.min(left, part.length - used)
      if (taken > 0) piece.push(taken === part.length ? part : part.subarray(used, used + taken))
      left -= taken
      used += taken
      if (used === part.length) {
        used = 0
        index++
      }
    }
    return piece
  })
  while (payload[index]?.length === 0) index++
  if (index < payload.length) throw new ClusterError('MALFORMED', 'more bytes than were told of')
  return pieces
}

/** xxHash64 of each piece cut at chunk borders of the block, 8 bytes little-endian each. */
export function checksumsOfPieces(
  ranges: readonly BlockRange[],
  pieces: readonly (readonly Uint8Array[])[],
): Uint8Array {
  const each = ranges.map(({ offset }, index) => checksumsOf(pieces[index]!, offset, chunkBytes))
  if (each.length === 1) return each[0]!
  return joined(each)
}

function joined(each: readonly Uint8Array[]): Uint8Array {
  let bytes = 0
  for (const { length } of each) bytes += length
  const all = new Uint8Array(bytes)
  let at = 0
  for (const checksums of each) {
    all.set(checksums, at)
    at += checksums.length
  }
  return all
}
