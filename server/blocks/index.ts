/**
 * How a block is written down in the metadata store: its key and its record. The record says of each
 * chunk how long it is, its checksum, and where it lies.
 *
 * 1. A record has at least one chunk and does not end in a hole: a block of holes has no record.
 * 2. A chunk's extents hold exactly the units that its length needs, in the order of its bytes.
 * 3. Beyond a chunk's length, up to the next chunk, the block reads as zeros.
 */
import { ClusterError } from '../../network/errors.ts'
import { chunkBytes, maxBlockBytes } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Key } from '../metadata/contract.ts'
import type { Extent } from './allocator.ts'
import type { BlockKey } from './contract.ts'

/** Unit of allocation: a page, so that neighbours never share one. */
export const unitBytes = 4096
export const checksumBytes = 8

export interface StoredChunk {
  /** 1 to `chunkBytes`. */
  readonly length: number
  readonly checksum: Uint8Array
  readonly extents: readonly Extent[]
}

/** Chunk by chunk; null is a hole. */
export type BlockRecord = readonly (StoredChunk | null)[]

/** The letter 'b'. */
const kind = 0x62
const blockDigits = 5

const partitionLimit = 2 ** 16
const generationLimit = 2 ** 32
const blockLimit = 2 ** (8 * blockDigits)

/**
 * 2 bytes partition, 'b', 7 bytes ino, 4 bytes generation, 5 bytes block, all big-endian.
 * @throws ClusterError MALFORMED when a number, which may come from the wire, has no place in them.
 */
export function blockKeyOf({ partition, ino, generation, block }: BlockKey): Key {
  const sound =
    isBelow(partition, partitionLimit) &&
    isBelow(ino, Number.MAX_SAFE_INTEGER) &&
    isBelow(generation, generationLimit) &&
    isBelow(block, blockLimit)
  if (!sound) throw new ClusterError('MALFORMED', `no block: ${ino}.${generation} ${block}`)
  const low = block % 2 ** 32
  return (
    prefixOf(partition, ino, generation) +
    String.fromCharCode(
      Math.floor(block / 2 ** 32),
      low >>> 24,
      (low >>> 16) & 255,
      (low >>> 8) & 255,
      low & 255,
    )
  )
}

function isBelow(value: number, limit: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < limit
}

function prefixOf(partition: number, ino: Ino, generation: number): string {
  const high = Math.floor(ino / 2 ** 32)
  const low = ino % 2 ** 32
  return String.fromCharCode(
    partition >>> 8,
    partition & 255,
    kind,
    high >>> 16,
    (high >>> 8) & 255,
    high & 255,
    low >>> 24,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
    generation >>> 24,
    (generation >>> 16) & 255,
    (generation >>> 8) & 255,
    generation & 255,
  )
}

/** All blocks of one generation of a file that live in the partition: `from <= key < to`. */
export function blockRange(partition: number, ino: Ino, generation: number): readonly [Key, Key] {
  const prefix = prefixOf(partition, ino, generation)
  return [prefix, `${prefix}${'\xff'.repeat(blockDigits)}\0`]
}

/** All blocks of the partition: `from <= key < to`. */
export function partitionBlockRange(partition: number): readonly [Key, Key] {
  const from = String.fromCharCode(partition >>> 8, partition & 255, kind)
  const to = String.fromCharCode(partition >>> 8, partition & 255, kind + 1)
  return [from, to]
}

/** What `blockKeyOf` wrote. */
export function parseBlockKey(key: Key): BlockKey {
  const number = (from: number, to: number): number => {
    let value = 0
    for (let at = from; at < to; at++) value = value * 256 + key.charCodeAt(at)
    return value
  }
  return {
    partition: number(0, 2),
    ino: number(3, 10),
    generation: number(10, 14),
    block: number(14, 19),
  }
}

export function unitsOf(length: number): number {
  return Math.ceil(length / unitBytes)
}

/** Bytes of data that the record accounts for; holes have none. */
export function storedBytes(record: BlockRecord): number {
  let bytes = 0
  for (const chunk of record) if (chunk) bytes += chunk.length
  return bytes
}

/** Offset behind the last stored byte. */
export function blockEnd(record: BlockRecord): number {
  const last = record.at(-1)
  return last ? (record.length - 1) * chunkBytes + last.length : 0
}

const recordVersion = 1
const headerBytes = 2
const chunkHeaderBytes = 1 + 3 + checksumBytes
const extentBytes = 5 + 1

/** Version, count of chunks; of each: count of extents (0 a hole), length, checksum, its extents. */
export function encodeRecord(record: BlockRecord): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(sizeOf(record))
  bytes[0] = recordVersion
  bytes[1] = record.length
  let at = headerBytes
  for (const chunk of record) {
    bytes[at++] = chunk?.extents.length ?? 0
    if (!chunk) continue
    at = bytes.writeUIntLE(chunk.length, at, 3)
    bytes.set(chunk.checksum, at)
    at += checksumBytes
    for (const { unit, units } of chunk.extents) {
      at = bytes.writeUIntLE(unit, at, 5)
      at = bytes.writeUInt8(units, at)
    }
  }
  return bytes
}

function sizeOf(record: BlockRecord): number {
  let bytes = headerBytes
  for (const chunk of record) {
    bytes += chunk ? chunkHeaderBytes + chunk.extents.length * extentBytes : 1
  }
  return bytes
}

/** @returns null when the bytes are not a record that this version wrote. */
export function decodeRecord(value: Uint8Array): BlockRecord | null {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const count = bytes[1] ?? 0
  if (bytes[0] !== recordVersion || count === 0 || count * chunkBytes > maxBlockBytes) return null
  const record: (StoredChunk | null)[] = []
  let at = headerBytes
  for (let index = 0; index < count; index++) {
    const extentCount = bytes[at]
    if (extentCount === undefined) return null
    const size = extentCount === 0 ? 1 : chunkHeaderBytes + extentCount * extentBytes
    if (at + size > bytes.length) return null
    const chunk = extentCount === 0 ? null : decodeChunk(bytes, at, extentCount)
    if (chunk === undefined) return null
    record.push(chunk)
    at += size
  }
  return at === bytes.length && record.at(-1) ? record : null
}

function decodeChunk(bytes: Buffer, start: number, count: number): StoredChunk | undefined {
  const length = bytes.readUIntLE(start + 1, 3)
  const checksum = bytes.subarray(start + 4, start + chunkHeaderBytes)
  const extents: Extent[] = []
  let total = 0
  for (let at = start + chunkHeaderBytes; extents.length < count; at += extentBytes) {
    const units = bytes[at + 5]!
    if (units === 0) return undefined
    extents.push({ unit: bytes.readUIntLE(at, 5), units })
    total += units
  }
  if (length === 0 || length > chunkBytes || total !== unitsOf(length)) return undefined
  return { length, checksum, extents }
}
