/**
 * xxHash64 (seed 0) of data and frames: what protects bytes between the client that wrote them, the
 * wires, the disks and the client that reads them. Stored as 8 bytes little-endian each.
 */
import assert from 'node:assert/strict'
import xxhash from 'xxhash-wasm'
import { xxhash64 } from './xxhash64.ts'

const { h64Raw } = await xxhash()

export const checksumBytes = 8

const none = new Uint8Array(0)
/** More than any pieces have together: one checksum of them all. */
const uncut = 2 ** 32 - 1

/** For what is short and wanted as a number; data is hashed where it lies by the functions below. */
export function checksum64(data: Uint8Array): bigint {
  return h64Raw(data)
}

/** Stores the checksum of the concatenated pieces at `offset` of `target`. */
export function writeChecksum(
  target: Uint8Array,
  offset: number,
  pieces: readonly Uint8Array[],
): void {
  assert(offset >= 0 && offset + checksumBytes <= target.byteLength, 'no room for a checksum')
  const to = target.subarray(offset, offset + checksumBytes)
  if (pieces.length <= 2) xxhash64.checksum(pieces[0] ?? none, pieces[1] ?? none, to)
  else if (xxhash64.checksums(pieces, uncut, uncut, to) === 0) xxhash64.checksum(none, none, to)
}

/**
 * Checksums of data that begins at `offset` of its block, 8 bytes for each segment between two chunk
 * borders of the block. Where `pieces` themselves are cut means nothing.
 */
export function checksumsOf(
  pieces: readonly Uint8Array[],
  offset: number,
  chunkBytes: number,
): Uint8Array {
  assert(offset >= 0 && chunkBytes > 0, 'an offset and a chunk size')
  let length = 0
  for (const piece of pieces) length += piece.byteLength
  const before = offset % chunkBytes
  const checksums = new Uint8Array(Math.ceil((before + length) / chunkBytes) * checksumBytes)
  const count = xxhash64.checksums(pieces, chunkBytes - before, chunkBytes, checksums)
  return count * checksumBytes === checksums.length
    ? checksums
    : checksums.subarray(0, count * checksumBytes)
}

/** The concatenation of `pieces`, which begins at `offset` of a block, cut at the block's chunk borders. */
export function cutAtChunks(
  pieces: readonly Uint8Array[],
  offset: number,
  chunkBytes: number,
): Uint8Array[][] {
  assert(offset >= 0 && chunkBytes > 0, 'an offset and a chunk size')
  const segments: Uint8Array[][] = []
  let segment: Uint8Array[] = []
  let room = chunkBytes - (offset % chunkBytes)
  for (const piece of pieces) {
    let taken = 0
    while (taken < piece.byteLength) {
      if (room === 0) {
        segments.push(segment)
        segment = []
        room = chunkBytes
      }
      const length = Math.min(room, piece.byteLength - taken)
      segment.push(length === piece.byteLength ? piece : piece.subarray(taken, taken + length))
      taken += length
      room -= length
    }
  }
  if (segment.length > 0) segments.push(segment)
  return segments
}

export function sameChecksums(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false
  for (let i = 0; i < a.byteLength; i++) {
    if (a[i] !== b[i]) return false
  }
  return true
}
