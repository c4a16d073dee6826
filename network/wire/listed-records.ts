/**
 * Names of a directory with what they lead to, one behind the other: each as directory-records.ts has it, and behind it, little-endian,
 * u32 nameMs, leaseMs, 1 where attributes follow and 0 where only zeros do, mode, nlink, uid, gid, rdev, blockBytes, inlineBytes,
 * xattrFlags, 0; f64 size; i64 atimeNs, mtimeNs, ctimeNs; f64 change, generation, cuts, reach, allocated. A listing has hundreds:
 * in msgpack they would be a quarter of its price.
 */
import { ClusterError } from '../errors.ts'
import type { Attributes } from './attributes.ts'
import {
  DirectoryRecordReader,
  directoryRecordBytes,
  RecordRoom,
  writeDirectoryRecord,
} from './directory-records.ts'
import type { Ino } from './ids.ts'
import type { ListedEntry } from './operations.ts'

/** Behind the name. */
const leadsToBytes = 120

export function listedRecordBytes(nameBytes: number): number {
  return directoryRecordBytes(nameBytes) + leadsToBytes
}

/** Gathers records. */
export class ListedRecords {
  readonly #room: RecordRoom
  lastCookie = 0

  /** @param roomBytes that it will probably need. */
  constructor(roomBytes: number) {
    this.#room = new RecordRoom(roomBytes)
  }

  get length(): number {
    return this.#room.length
  }

  /** The attributes are those of the inode that the entry names. */
  add(entry: ListedEntry): void {
    const from = this.#room.take(listedRecordBytes(entry.name.length))
    const { bytes, view } = this.#room
    const at = writeDirectoryRecord(bytes, view, from, entry)
    view.setUint32(at, entry.nameMs, true)
    view.setUint32(at + 4, entry.leaseMs, true)
    if (entry.attributes !== null) writeAttributes(view, at, entry.attributes)
    this.lastCookie = entry.cookie
  }

  bytes(): Uint8Array {
    return this.#room.written()
  }
}

/** Their names are parts of `records`. @throws ClusterError MALFORMED */
export function entriesOfListed(records: Uint8Array): ListedEntry[] {
  const reader = new DirectoryRecordReader(records)
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength)
  const entries: ListedEntry[] = []
  for (let at = 0; at < records.length; ) {
    const { name, ino, type, cookie } = reader.entryAt(at)
    at = reader.endAt(at)
    if (records.length - at < leadsToBytes) {
      throw new ClusterError('MALFORMED', 'what a name leads to is cut short')
    }
    const nameMs = view.getUint32(at, true)
    const leaseMs = view.getUint32(at + 4, true)
    const attributes = view.getUint32(at + 8, true) === 0 ? null : attributesAt(view, at, ino)
    entries.push({ name, ino, type, cookie, attributes, nameMs, leaseMs })
    at += leadsToBytes
  }
  return entries
}

function writeAttributes(view: DataView, at: number, attributes: Attributes): void {
  view.setUint32(at + 8, 1, true)
  view.setUint32(at + 12, attributes.mode, true)
  view.setUint32(at + 16, attributes.nlink, true)
  view.setUint32(at + 20, attributes.uid, true)
  view.setUint32(at + 24, attributes.gid, true)
  view.setUint32(at + 28, attributes.rdev, true)
  view.setUint32(at + 32, attributes.blockBytes, true)
  view.setUint32(at + 36, attributes.inlineBytes, true)
  view.setUint32(at + 40, attributes.xattrFlags, true)
  view.setFloat64(at + 48, attributes.size, true)
  view.setBigInt64(at + 56, attributes.atimeNs, true)
  view.setBigInt64(at + 64, attributes.mtimeNs, true)
  view.setBigInt64(at + 72, attributes.ctimeNs, true)
  view.setFloat64(at + 80, attributes.change, true)
  view.setFloat64(at + 88, attributes.generation, true)
  view.setFloat64(at + 96, attributes.cuts, true)
  view.setFloat64(at + 104, attributes.reach, true)
  view.setFloat64(at + 112, attributes.allocated, true)
}

function attributesAt(view: DataView, at: number, ino: Ino): Attributes {
  return {
    ino,
    mode: view.getUint32(at + 12, true),
    nlink: view.getUint32(at + 16, true),
    uid: view.getUint32(at + 20, true),
    gid: view.getUint32(at + 24, true),
    rdev: view.getUint32(at + 28, true),
    size: view.getFloat64(at + 48, true),
    atimeNs: view.getBigInt64(at + 56, true),
    mtimeNs: view.getBigInt64(at + 64, true),
    ctimeNs: view.getBigInt64(at + 72, true),
    change: view.getFloat64(at + 80, true),
    generation: view.getFloat64(at + 88, true),
    cuts: view.getFloat64(at + 96, true),
    reach: view.getFloat64(at + 104, true),
    blockBytes: view.getUint32(at + 32, true),
    inlineBytes: view.getUint32(at + 36, true),
    xattrFlags: view.getUint32(at + 40, true),
    allocated: view.getFloat64(at + 112, true),
  }
}
