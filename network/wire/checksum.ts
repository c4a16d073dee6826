/**
 * xxHash64 (seed 0) of data and frames: what protects bytes between the client that wrote them, the
 * wires, the disks and the client that reads them. Stored as 8 bytes little-endian each.
 */
import assert from 'node:assert/strict'
import xxhash from 'xxhash-wasm'

const { h64Raw, create64 } = await xxhash()

export const checksumBytes = 8

export function checksum64(data: Uint8Array): bigint {
  return h64Raw(data)
}

/** Of the concatenation of `pieces`. */
export function checksum64Of(pieces: readonly Uint8Array[]): bigint {
  if (pieces.length === 1) return h64Raw(pieces[0]!)
  const hash = create64()
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}

/** Stores the checksum of the concatenated pieces at `offset` of `target`. */
export function writeChecksum(
  target: Uint8Array,
  offset: number,
  pieces: readonly Uint8Array[],
): void {
  assert(offset >= 0 && offset + checksumBytes <= target.byteLength, 'no room for a checksum')
  viewOf(target).setBigUint64(offset, checksum64Of(pieces), true)
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
  const segments = cutAtChunks(pieces, offset, chunkBytes)
  const checksums = new Uint8Array(segments.length * checksumBytes)
  const view = viewOf(checksums)
  for (let i = 0; i < segments.length; i++) {
    view.setBigUint64(i * checksumBytes, checksum64Of(segments[i]!), true)
  }
  return checksums
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

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
