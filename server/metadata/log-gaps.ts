/**
 * Finds gaps in the logs of a store of Level, before it is opened. What Level cannot read of a log it passes over without a
 * word, up to the next 32 KiB, and goes on with what was written later. A loss of power may leave a gap among what was
 * not synced, and a disk that decays anywhere: somebody has to be told, as later records may rest on what is missing.
 *
 * Blocks of 32 KiB hold records: CRC-32C (masked), length, type, bytes (leveldb, doc/log_format.md).
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

export interface LogGap {
  readonly file: string
  /** Offset of what cannot be read. */
  readonly position: number
}

const logName = /^\d+\.log$/
const blockBytes = 32 * 1024
const headerBytes = 7
const lastType = 4

/** The first gap of each log. What is cut short or torn at the end of a log is none: nothing came later. */
export async function gapsInLogs(directory: string): Promise<readonly LogGap[]> {
  const gaps: LogGap[] = []
  for (const name of (await readdir(directory)).filter(each => logName.test(each)).sort()) {
    const file = join(directory, name)
    const position = await firstGap(file)
    if (position !== null) gaps.push({ file, position })
  }
  return gaps
}

async function firstGap(path: string): Promise<number | null> {
  await using file = await open(path)
  const block = Buffer.alloc(blockBytes)
  let bad: number | null = null
  for (let start = 0; ; start += blockBytes) {
    const { bytesRead } = await file.read(block, 0, blockBytes, start)
    if (bytesRead === 0) return null
    const { count, end } = readable(block.subarray(0, bytesRead))
    if (bad !== null && count > 0) return bad
    if (end < bytesRead && bytesRead - end >= headerBytes) bad ??= start + end
  }
}

/** How many records of a block can be read one after the other, and where they end. */
function readable(block: Buffer): { readonly count: number; readonly end: number } {
  let count = 0
  let at = 0
  while (at + headerBytes <= block.length) {
    const end = at + headerBytes + block.readUInt16LE(at + 4)
    const type = block[at + 6]!
    if (type === 0 || type > lastType || end > block.length) break
    if (block.readUInt32LE(at) !== masked(crc32c(block.subarray(at + 6, end)))) break
    count++
    at = end
  }
  return { count, end: at }
}

const polynomial = 0x82f63b78
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 1 ? (rest >>> 1) ^ polynomial : rest >>> 1
  return rest
})

/** CRC-32C (Castagnoli), RFC 3720 B.4. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255]!
  return ~crc >>> 0
}

/** As leveldb keeps it (util/crc32c.h). */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
