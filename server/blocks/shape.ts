/** What a block's record says that is true of each copy of the block: all but where the chunks lie. */
import { chunkBytes } from '../../network/limits.ts'
import { checksum64 } from '../../network/wire/checksum.ts'
import { checksumBytes, decodeRecord } from './record.ts'

export interface BlockShape {
  /** Length of each chunk; 0 is a hole, a negative one is of space that was never written. */
  readonly chunks: readonly number[]
  /** Of those that were written. */
  readonly checksums: Uint8Array
}

/** Chunks that lie next to one another in the block, all but the last whole. */
export interface ShapeRun {
  readonly offset: number
  readonly length: number
  readonly isWritten: boolean
  readonly checksums: Uint8Array
}

/** null for a record that cannot be read. */
export function shapeOf(record: Uint8Array): BlockShape | null {
  const chunks = decodeRecord(record)
  if (chunks === null) return null
  const lengths: number[] = []
  const checksums: Uint8Array[] = []
  for (const chunk of chunks) {
    if (chunk === null) lengths.push(0)
    else lengths.push(chunk.unwritten ? -chunk.length : chunk.length)
    if (chunk !== null && !chunk.unwritten) checksums.push(chunk.checksum)
  }
  return { chunks: lengths, checksums: Buffer.concat(checksums) }
}

export function signatureOf({ chunks, checksums }: BlockShape): bigint {
  return checksum64(Buffer.concat([new Uint8Array(Int32Array.from(chunks).buffer), checksums]))
}

/** What is written, and what only has its space, piece by piece. */
export function runsOf({ chunks, checksums }: BlockShape): ShapeRun[] {
  const runs: ShapeRun[] = []
  let summed = 0
  for (let first = 0; first < chunks.length; ) {
    const isWritten = chunks[first]! > 0
    let end = first + 1
    while (
      end < chunks.length &&
      Math.abs(chunks[end - 1]!) === chunkBytes &&
      chunks[end] !== 0 &&
      chunks[end]! > 0 === isWritten
    ) {
      end++
    }
    if (chunks[first] !== 0) {
      const length = (end - 1 - first) * chunkBytes + Math.abs(chunks[end - 1]!)
      const count = isWritten ? end - first : 0
      const sums = checksums.subarray(summed, summed + count * checksumBytes)
      summed += count * checksumBytes
      runs.push({ offset: first * chunkBytes, length, isWritten, checksums: sums })
    }
    first = end
  }
  return runs
}
