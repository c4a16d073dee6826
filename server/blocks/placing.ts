/** Where the data of a block lies, for clients that read it from the disk themselves. */
import { chunkBytes } from '../../network/limits.ts'
import { writeChecksum } from '../../network/wire/checksum.ts'
import type { PlacedBlock } from './contract.ts'
import { planRuns } from './reading.ts'
import { type BlockRecord, checksumBytes } from './record.ts'

const zeros = new Uint8Array(chunkBytes)

/** @returns null where what is asked for has but a part of a chunk, which nobody could verify. */
export function placesOf(record: BlockRecord, offset: number, length: number): PlacedBlock | null {
  if (offset % chunkBytes !== 0) return null
  const first = offset / chunkBytes
  const checksums = new Uint8Array(Math.ceil(length / chunkBytes) * checksumBytes)
  for (let start = 0, at = 0; start < length; start += chunkBytes, at += checksumBytes) {
    const bytes = Math.min(chunkBytes, length - start)
    const chunk = record[first + start / chunkBytes]
    if (!chunk || chunk.unwritten) writeChecksum(checksums, at, [zeros.subarray(0, bytes)])
    else if (chunk.length === bytes) checksums.set(chunk.checksum, at)
    else return null
  }
  const runs = planRuns(record, first, length)
  const places = runs.flatMap(({ position, start, end }) => [position, start, end - start])
  return { places, checksums }
}
