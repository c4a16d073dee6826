/** Chunks from the device into one buffer, laid out as the block is, each verified. */
import { ClusterError } from '../../network/errors.ts'
import { chunkBytes } from '../../network/limits.ts'
import { sameChecksums, writeChecksum } from '../../network/wire/checksum.ts'
import type { Device } from '../device/contract.ts'
import type { BlockData } from './contract.ts'
import { type BlockRecord, checksumBytes, unitBytes } from './record.ts'

/** One device read: bytes `start` to `end - 1` of the buffer lie at `position`. */
export interface Run {
  readonly position: number
  readonly start: number
  end: number
}

/**
 * Any bytes of the block: what was never written, and what is behind its end, reads as zeros.
 * @throws ClusterError CHECKSUM, DISK.
 */
export async function readRecord(
  device: Device,
  record: BlockRecord,
  offset: number,
  length: number,
): Promise<BlockData> {
  if (length === 0) return { pieces: [], checksums: new Uint8Array(0) }
  const end = offset + length
  const first = Math.floor(offset / chunkBytes)
  const last = Math.ceil(end / chunkBytes) - 1
  const base = first * chunkBytes
  const stored = last * chunkBytes + (record[last]?.length ?? 0)
  const buffer = Buffer.allocUnsafeSlow(Math.max(end, stored) - base)
  await readChunks(device, record, first, buffer)
  const pieces: Uint8Array[] = []
  const checksums = new Uint8Array((last - first + 1) * checksumBytes)
  for (let index = first; index <= last; index++) {
    const from = Math.max(offset, index * chunkBytes)
    const to = Math.min(end, (index + 1) * chunkBytes)
    const piece = buffer.subarray(from - base, to - base)
    const chunk = record[index]
    const whole = from === index * chunkBytes && chunk?.length === to - from
    if (whole) checksums.set(chunk.checksum, pieces.length * checksumBytes)
    else writeChecksum(checksums, pieces.length * checksumBytes, [piece])
    pieces.push(piece)
  }
  return { pieces, checksums }
}

/** The stored bytes of one chunk, for whoever replaces or verifies it, without the zeros behind them. @throws ClusterError CHECKSUM, DISK. */
export async function readChunk(
  device: Device,
  record: BlockRecord,
  index: number,
): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(record[index]?.length ?? 0)
  await readChunks(device, record, index, buffer, true)
  return buffer
}

/** Whether the error says that the disk does not have what was written. */
export function isLost(error: unknown): boolean {
  return error instanceof ClusterError && (error.code === 'CHECKSUM' || error.code === 'DISK')
}

/** Fills `buffer` from chunk `first` on; it ends where a chunk's stored bytes do, or behind them. */
async function readChunks(
  device: Device,
  record: BlockRecord,
  first: number,
  buffer: Uint8Array,
  isLast = false,
): Promise<void> {
  const runs = planRuns(record, first, buffer.length)
  zeroGaps(record, first, buffer)
  const [only] = runs
  if (only && runs.length === 1) {
    await device.read(only.position, buffer.subarray(only.start, only.end), isLast)
  } else {
    await Promise.all(
      runs.map(run => device.read(run.position, buffer.subarray(run.start, run.end), isLast)),
    )
  }
  verifyChunks(device, record, first, buffer)
}

/** Of the data in `length` bytes from chunk `first` on, which ends where a chunk does. */
export function planRuns(record: BlockRecord, first: number, length: number): readonly Run[] {
  const runs: Run[] = []
  for (let start = 0, index = first; start < length; start += chunkBytes, index++) {
    const chunk = record[index]
    if (!chunk || chunk.unwritten) continue
    let from = start
    for (const { unit, units } of chunk.extents) {
      const end = Math.min(from + units * unitBytes, start + chunk.length)
      addRun(runs, { position: unit * unitBytes, start: from, end })
      from = end
    }
  }
  return runs
}

/** Neighbours on the device and in the buffer are read as one. */
function addRun(runs: Run[], run: Run): void {
  const previous = runs.at(-1)
  const follows =
    previous !== undefined &&
    previous.end === run.start &&
    previous.position + (previous.end - previous.start) === run.position
  if (follows) previous.end = run.end
  else runs.push(run)
}

function zeroGaps(record: BlockRecord, first: number, buffer: Uint8Array): void {
  for (let start = 0, index = first; start < buffer.length; start += chunkBytes, index++) {
    const chunk = record[index]
    const stored = chunk && !chunk.unwritten ? start + chunk.length : start
    const end = Math.min(start + chunkBytes, buffer.length)
    if (stored < end) buffer.fill(0, stored, end)
  }
}

function verifyChunks(
  device: Device,
  record: BlockRecord,
  first: number,
  buffer: Uint8Array,
): void {
  const found = new Uint8Array(checksumBytes)
  for (let start = 0, index = first; start < buffer.length; start += chunkBytes, index++) {
    const chunk = record[index]
    if (!chunk || chunk.unwritten) continue
    writeChecksum(found, 0, [buffer.subarray(start, start + chunk.length)])
    if (sameChecksums(found, chunk.checksum)) continue
    const address = chunk.extents[0]!.unit * unitBytes
    throw new ClusterError(
      'CHECKSUM',
      `${device.name}: chunk ${index} at ${address} is not what was written`,
    )
  }
}
