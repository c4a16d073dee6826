/**
 * Directory entries, kept by hash of the name: all entries of a directory whose names share one 48-bit
 * hash are one value (nearly always a single one), so that looking up is one get, and the position of an
 * entry in its directory (its cookie: hash and place in the value) is stable while it exists.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxBucketEntries } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'

export interface Entry {
  readonly name: Uint8Array
  readonly ino: Ino
  /** File type bits. */
  readonly type: number
  /** 0 to 15, unique among the entries of one hash. */
  readonly place: number
}

/** For each entry: u8 place, u8 length of name, u16 type, f64 ino, name; little-endian. */
const entryHeadBytes = 12

export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  let length = 0
  for (const entry of entries) length += entryHeadBytes + entry.name.length
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const entry of entries) {
    bytes[at] = entry.place
    bytes[at + 1] = entry.name.length
    bytes.writeUInt16LE(entry.type, at + 2)
    bytes.writeDoubleLE(entry.ino, at + 4)
    bytes.set(entry.name, at + entryHeadBytes)
    at += entryHeadBytes + entry.name.length
  }
  return bytes
}

/** Names are parts of `value`. @throws ClusterError MALFORMED */
export function decodeEntries(value: Uint8Array | undefined): Entry[] {
  if (value === undefined) return []
  // Nearly always; a listing has many.
  if (value.length === entryHeadBytes + (value[1] ?? 0)) return [onlyEntry(value)]
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const entries: Entry[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + entryHeadBytes + (bytes[at + 1] ?? 0)
    if (end > bytes.length) throw new ClusterError('MALFORMED', 'a directory entry is cut short')
    entries.push({
      name: bytes.subarray(at + entryHeadBytes, end),
      ino: bytes.readDoubleLE(at + 4),
      type: bytes.readUInt16LE(at + 2),
      place: bytes[at]!,
    })
    at = end
  }
  return entries
}

const word = new Uint8Array(8)
const wordView = new DataView(word.buffer)

function onlyEntry(value: Uint8Array): Entry {
  for (let index = 0; index < 8; index++) word[index] = value[4 + index]!
  return {
    name: value.subarray(entryHeadBytes),
    ino: wordView.getFloat64(0, true),
    type: value[2]! + 256 * value[3]!,
    place: value[0]!,
  }
}

/** As `decodeEntries`, in the order of their places. */
export function entriesInOrder(value: Uint8Array): Entry[] {
  const entries = decodeEntries(value)
  return entries.length < 2 ? entries : entries.sort((a, b) => a.place - b.place)
}

export function findEntry(entries: readonly Entry[], name: Uint8Array): Entry | undefined {
  for (const entry of entries) if (Buffer.compare(entry.name, name) === 0) return entry
  return undefined
}

/** The lowest free place. @throws PosixError ENOSPC when more names share one hash than a value holds. */
export function freePlace(entries: readonly Entry[]): number {
  for (let place = 0; place < maxBucketEntries; place++) {
    if (!entries.some(entry => entry.place === place)) return place
  }
  throw new PosixError('ENOSPC', 'too many names of this directory share one hash')
}

/** Position behind this entry: at least 16, at most 2^52. */
export function cookieOf(hash: number, place: number): number {
  return hash * maxBucketEntries + place
}
