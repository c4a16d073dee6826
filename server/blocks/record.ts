/**
 * A block's record in the metadata store. It says of each chunk how long it is, its checksum, and where
 * it lies; and of a chunk whose data may not be on the disk yet, which change wrote it and what was
 * there before (fallback.ts).
 *
 * 1. A record has at least one chunk and does not end in a hole: a block of holes has no record.
 * 2. A chunk's extents hold exactly the units that its length needs, in the order of its bytes.
 * 3. Beyond a chunk's length, up to the next chunk, the block reads as zeros.
 * 4. A fallback is older than its chunk and no longer; a chunk has at most `maxFallbacks` behind it.
 * 5. An unwritten chunk has its space and nothing there to be read: it is zeros, and needs no fallback.
 */
import { chunkBytes, maxBlockBytes } from '../../network/limits.ts'
import type { Extent } from './allocator.ts'

/** Unit of allocation: a page, so that neighbours never share one. */
export const unitBytes = 4096
export const checksumBytes = 8

export interface StoredChunk {
  /** 1 to `chunkBytes`. */
  readonly length: number
  readonly checksum: Uint8Array
  readonly extents: readonly Extent[]
  /** null: its data was on the disk when the record was made. */
  readonly unsynced: Unsynced | null
  /** Space that was allocated and never written; its checksum is that of zeros. */
  readonly unwritten: boolean
}

export interface Unsynced {
  /** Number of the change that wrote the data; numbers rise from one write of the store to the next. */
  readonly change: number
  /** What the chunk was before, to be taken when its data did not reach the disk; null is a hole. */
  readonly fallback: StoredChunk | null
}

/** One that a running sync brings to the disk, and one that is there already. */
export const maxFallbacks = 2

/** Chunk by chunk; null is a hole. */
export type BlockRecord = readonly (StoredChunk | null)[]

export function unitsOf(length: number): number {
  return Math.ceil(length / unitBytes)
}

/** Bytes of data that the record accounts for; holes have none. */
export function storedBytes(record: BlockRecord): number {
  let bytes = 0
  for (const chunk of record) if (chunk) bytes += chunk.length
  return bytes
}

/** What its chunks take of the device, bytes; without what they may fall back to. */
export function spaceOf(record: BlockRecord): number {
  let units = 0
  for (const chunk of record) if (chunk) units += unitsOf(chunk.length)
  return units * unitBytes
}

/** Offset behind the last stored byte. */
export function blockEnd(record: BlockRecord): number {
  const last = record.at(-1)
  return last ? (record.length - 1) * chunkBytes + last.length : 0
}

export function withoutHolesAtEnd(record: BlockRecord): BlockRecord {
  let length = record.length
  while (length > 0 && !record[length - 1]) length--
  return record.slice(0, length)
}

const recordVersion = 3
const headerBytes = 2 + 6
const chunkHeaderBytes = 1 + 3 + checksumBytes
const extentBytes = 5 + 1
const ageBytes = 4
/** Beside the count of extents: the chunk has a fallback; its change is not the record's newest. */
const unsyncedFlag = 0x20
const olderFlag = 0x40
const unwrittenFlag = 0x80
const countMask = 0x1f

/**
 * Version, count of chunks, newest change; of each chunk: count of extents (0 a hole) and flags, length,
 * checksum, its extents, how many changes it is older than the newest, and its fallback likewise.
 */
export function encodeRecord(record: BlockRecord): Uint8Array {
  const newest = newestChange(record)
  let size = headerBytes
  for (const chunk of record) size += sizeOf(chunk, newest)
  const bytes = Buffer.allocUnsafeSlow(size)
  bytes[0] = recordVersion
  bytes[1] = record.length
  let at = bytes.writeUIntLE(newest, 2, 6)
  for (const chunk of record) at = encodeChunk(bytes, at, chunk, newest)
  return bytes
}

/** 0 when all of its data was on the disk. */
export function newestChange(record: BlockRecord): number {
  let newest = 0
  for (const chunk of record) newest = Math.max(newest, chunk?.unsynced?.change ?? 0)
  return newest
}

function sizeOf(chunk: StoredChunk | null, newest: number): number {
  if (!chunk) return 1
  const bytes = chunkHeaderBytes + chunk.extents.length * extentBytes
  if (!chunk.unsynced) return bytes
  const { change, fallback } = chunk.unsynced
  return bytes + (change === newest ? 0 : ageBytes) + sizeOf(fallback, newest)
}

function encodeChunk(
  bytes: Buffer,
  start: number,
  chunk: StoredChunk | null,
  newest: number,
): number {
  if (!chunk) return bytes.writeUInt8(0, start)
  const { length, checksum, extents, unsynced, unwritten } = chunk
  const age = unsynced ? newest - unsynced.change : 0
  const flags = (unsynced ? unsyncedFlag : 0) | (age > 0 ? olderFlag : 0)
  bytes[start] = extents.length | flags | (unwritten ? unwrittenFlag : 0)
  bytes.writeUIntLE(length, start + 1, 3)
  bytes.set(checksum, start + 4)
  let at = start + chunkHeaderBytes
  for (const { unit, units } of extents) {
    at = bytes.writeUIntLE(unit, at, 5)
    at = bytes.writeUInt8(units, at)
  }
  if (age > 0) at = bytes.writeUInt32LE(age, at)
  return unsynced ? encodeChunk(bytes, at, unsynced.fallback, newest) : at
}

/** @returns null when the bytes are not a record that this version wrote. */
export function decodeRecord(value: Uint8Array): BlockRecord | null {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const count = bytes[1] ?? 0
  if (bytes[0] !== recordVersion || count === 0 || count * chunkBytes > maxBlockBytes) return null
  if (bytes.length < headerBytes) return null
  const reader = new ChunkReader(bytes)
  const record: (StoredChunk | null)[] = []
  for (let index = 0; index < count; index++) {
    const chunk = reader.next(maxFallbacks)
    if (chunk === undefined) return null
    record.push(chunk)
  }
  return reader.atEnd && record.at(-1) ? record : null
}

class ChunkReader {
  readonly #bytes: Buffer
  readonly #newest: number
  #at = headerBytes

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#newest = bytes.readUIntLE(2, 6)
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** undefined when what comes is not a chunk with at most so many fallbacks. */
  next(fallbacks: number): StoredChunk | null | undefined {
    const start = this.#at
    const head = this.#bytes[start]
    if (head === undefined) return undefined
    this.#at++
    if (head === 0) return null
    const end = start + chunkHeaderBytes + (head & countMask) * extentBytes
    if (end > this.#bytes.length) return undefined
    this.#at = end
    const length = this.#bytes.readUIntLE(start + 1, 3)
    const checksum = this.#bytes.subarray(start + 4, start + chunkHeaderBytes)
    const extents = this.#extents(start + chunkHeaderBytes, end, length)
    const unwritten = (head & unwrittenFlag) !== 0
    const unsynced = this.#unsynced(head & (unsyncedFlag | olderFlag), fallbacks)
    if (!extents || unsynced === undefined || (unwritten && unsynced)) return undefined
    return { length, checksum, extents, unsynced, unwritten }
  }

  #extents(start: number, end: number, length: number): Extent[] | undefined {
    const extents: Extent[] = []
    let total = 0
    for (let at = start; at < end; at += extentBytes) {
      const units = this.#bytes[at + 5]!
      if (units === 0) return undefined
      extents.push({ unit: this.#bytes.readUIntLE(at, 5), units })
      total += units
    }
    if (length === 0 || length > chunkBytes || total !== unitsOf(length)) return undefined
    return extents
  }

  #unsynced(flags: number, fallbacks: number): Unsynced | null | undefined {
    if (flags === 0) return null
    const older = flags === (unsyncedFlag | olderFlag)
    if ((flags !== unsyncedFlag && !older) || fallbacks === 0) return undefined
    if (older && this.#at + ageBytes > this.#bytes.length) return undefined
    const age = older ? this.#bytes.readUInt32LE(this.#at) : 0
    if (older) this.#at += ageBytes
    const fallback = this.next(fallbacks - 1)
    const change = this.#newest - age
    const sound = fallback !== undefined && change > (fallback?.unsynced?.change ?? 0)
    return sound ? { change, fallback } : undefined
  }
}
