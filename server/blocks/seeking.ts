/** Where data and holes lie in a block: by chunks, and within the last pages of each by units. */
import { chunkBytes } from '../../network/limits.ts'
import { type BlockRecord, unitBytes, unitsOf } from './record.ts'

/** @returns -1 when no data comes at or behind `offset`. */
export function seekData(record: BlockRecord, offset: number): number {
  for (let index = Math.floor(offset / chunkBytes); index < record.length; index++) {
    const start = Math.max(offset, index * chunkBytes)
    if (start < dataEnd(record, index)) return start
  }
  return -1
}

/** @returns at least `offset`; behind the block's data at the latest. */
export function seekHole(record: BlockRecord, offset: number): number {
  let at = offset
  for (let index = Math.floor(offset / chunkBytes); index < record.length; index++) {
    const end = dataEnd(record, index)
    if (at < index * chunkBytes || at >= end) return at
    at = end
  }
  return at
}

/** Offset behind the data of a chunk, rounded up to the unit; its start when it has none. */
function dataEnd(record: BlockRecord, index: number): number {
  const chunk = record[index]
  const units = chunk && !chunk.unwritten ? unitsOf(chunk.length) : 0
  return index * chunkBytes + units * unitBytes
}
