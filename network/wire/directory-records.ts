/**
 * Names of a directory, one behind the other, each as the kernel is told it (struct fuse_dirent of linux/fuse.h): so what
 * a server has written goes through a mount as it is. Little-endian: u64 ino, u64 cookie, u32 length of the name, u32
 * file type (its bits, 12 to the right), the name, zeros up to a multiple of 8.
 */
import { ClusterError } from '../errors.ts'
import type { NamedEntry } from './operations.ts'

const headBytes = 24
const two32 = 2 ** 32
const typeShift = 12

export function directoryRecordBytes(nameBytes: number): number {
  return (headBytes + nameBytes + 7) & ~7
}

/** @param view of `bytes`, which has room for it at `at`. @returns the position behind it. */
export function writeDirectoryRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  { name, ino, cookie, type }: NamedEntry,
): number {
  view.setUint32(at, ino % two32, true)
  view.setUint32(at + 4, ino / two32, true)
  view.setUint32(at + 8, cookie % two32, true)
  view.setUint32(at + 12, cookie / two32, true)
  view.setUint32(at + 16, name.length, true)
  view.setUint32(at + 20, type >> typeShift, true)
  bytes.set(name, at + headBytes)
  const end = at + headBytes + name.length
  const next = at + directoryRecordBytes(name.length)
  bytes.fill(0, end, next)
  return next
}

/** Of the record that was written at `at`. */
export function writtenRecordBytes(view: DataView, at: number): number {
  return directoryRecordBytes(view.getUint32(at + 16, true))
}

export function writtenCookie(view: DataView, at: number): number {
  return view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * two32
}

export function hasInode(view: DataView, at: number): boolean {
  return view.getUint32(at, true) !== 0 || view.getUint32(at + 4, true) !== 0
}

/** Makes it the record of what is gone. */
export function dropInode(view: DataView, at: number): void {
  view.setUint32(at, 0)
  view.setUint32(at + 4, 0)
}

/** The records at these places one behind the other, `bytes` together. Word by word: they are too short for anything else. */
export function copyOfRecords(
  { bytes: { buffer }, view }: RecordRoom,
  places: readonly number[],
  bytes: number,
): Uint8Array {
  const from = new Uint32Array(buffer, 0, buffer.byteLength >>> 2)
  const to = new Uint32Array(bytes >>> 2)
  let word = 0
  for (const at of places) {
    const end = (at + writtenRecordBytes(view, at)) >>> 2
    for (let source = at >>> 2; source < end; source++) to[word++] = from[source]!
  }
  return new Uint8Array(to.buffer)
}

/** Memory for records, one behind the other; taken as they need it. */
export class RecordRoom {
  bytes: Uint8Array
  view: DataView
  #length = 0

  /** @param roomBytes that they will probably need. */
  constructor(roomBytes: number) {
    this.bytes = new Uint8Array(roomBytes)
    this.view = new DataView(this.bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  /** @returns where the next record, of so many bytes, is to be written. */
  take(recordBytes: number): number {
    const at = this.#length
    this.#length += recordBytes
    if (this.#length > this.bytes.length) this.#grow(at)
    return at
  }

  written(): Uint8Array {
    return this.bytes.subarray(0, this.#length)
  }

  /** @param writtenBytes those that hold something. */
  #grow(writtenBytes: number): void {
    const larger = new Uint8Array(2 * this.#length)
    larger.set(this.bytes.subarray(0, writtenBytes))
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }
}

/** Gathers records. */
export class DirectoryRecords {
  readonly #room: RecordRoom
  lastCookie = 0

  /** @param roomBytes that it will probably need. */
  constructor(roomBytes: number) {
    this.#room = new RecordRoom(roomBytes)
  }

  get length(): number {
    return this.#room.length
  }

  add(entry: NamedEntry): void {
    const at = this.#room.take(directoryRecordBytes(entry.name.length))
    writeDirectoryRecord(this.#room.bytes, this.#room.view, at, entry)
    this.lastCookie = entry.cookie
  }

  bytes(): Uint8Array {
    return this.#room.written()
  }
}

/** Goes from record to record. @throws ClusterError MALFORMED where there is none. */
export class DirectoryRecordReader {
  readonly records: Uint8Array
  readonly #view: DataView

  constructor(records: Uint8Array) {
    this.records = records
    this.#view = new DataView(records.buffer, records.byteOffset, records.byteLength)
  }

  cookieAt(at: number): number {
    return writtenCookie(this.#view, at)
  }

  entryAt(at: number): NamedEntry {
    const name = this.records.subarray(at + headBytes, at + headBytes + this.#nameBytes(at))
    const type = this.#view.getUint32(at + 20, true) << typeShift
    return { name, ino: this.#u64(at), type, cookie: this.cookieAt(at) }
  }

  /** The position behind the record at `at`. */
  endAt(at: number): number {
    return at + directoryRecordBytes(this.#nameBytes(at))
  }

  #nameBytes(at: number): number {
    const left = this.records.length - at
    const bytes = left < headBytes ? left : this.#view.getUint32(at + 16, true)
    if (bytes > 0 && bytes <= left - headBytes && directoryRecordBytes(bytes) <= left) return bytes
    throw new ClusterError('MALFORMED', 'a record of a directory is cut short')
  }

  #u64(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * two32
  }
}

/** The records that came as payload, which is cut anywhere. */
export function recordsOf(payload: readonly Uint8Array[]): Uint8Array {
  return payload.length === 1 ? payload[0]! : Buffer.concat(payload)
}

/** Their names are parts of `records`. @throws ClusterError MALFORMED */
export function entriesOfRecords(records: Uint8Array): NamedEntry[] {
  const reader = new DirectoryRecordReader(records)
  const entries: NamedEntry[] = []
  for (let at = 0; at < records.length; at = reader.endAt(at)) entries.push(reader.entryAt(at))
  return entries
}
