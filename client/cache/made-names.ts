/**
 * All names of one directory, as this client has made and removed them: what its server would list.
 *
 * 1. `#places` has each name that was ever made or removed, by its hash: where its record is, or `removed`.
 * 2. Records are as they are listed, one behind the other in the order in which they were made. Those of names that were removed
 *    have no inode number, and are dropped when they are half of all.
 * 3. `#order` has the place of every record of a name that is there, in the order of a listing, and perhaps of some that were
 *    removed since.
 * 4. Where two names share a hash only their server knows in which order they are: then there are no records any more. Nor of
 *    more names than are to be sorted for a listing.
 */
import { maxBucketEntries, maxSortedNames } from '../../network/limits.ts'
import { hashOfCookie } from '../../network/placement/shards.ts'
import {
  copyOfRecords,
  directoryRecordBytes,
  dropInode,
  hasInode,
  RecordRoom,
  writeDirectoryRecord,
  writtenCookie,
  writtenRecordBytes,
} from '../../network/wire/directory-records.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { PageRequest } from './kept-listings.ts'

/** What a name leads to: its inode number, and the bits of its type. */
export interface Made {
  readonly ino: Ino
  readonly type: number
}

/** As `ReaddirReply`. */
export interface MadePage {
  readonly records: Uint8Array
  readonly end: boolean
  readonly next: number
}

const firstRoomBytes = 256
const removed = -1
/** A cookie has 52 bits: of 36 of them and the number of a name a number of 53 can be made. */
const lowerBits = 2 ** 16

export class MadeNames {
  readonly #places = new Map<number, number>()
  /** null when there are none any more. */
  #room: RecordRoom | null = new RecordRoom(firstRoomBytes)
  #removedBytes = 0
  #order: Uint32Array | null = null

  /** Hashes that were ever used here. */
  get size(): number {
    return this.#places.size
  }

  /** What its records take. */
  get bytes(): number {
    return this.#room?.bytes.length ?? 0
  }

  /** Whether `page` tells. */
  get isListable(): boolean {
    return this.#room !== null
  }

  /** Whether a name with this hash may be there. */
  has(hash: number): boolean {
    return this.#places.has(hash)
  }

  add(hash: number, name: Name, { ino, type }: Made): void {
    const isShared = (this.#places.get(hash) ?? removed) !== removed
    if (isShared || this.size >= maxSortedNames) this.forgetRecords()
    this.#order = null
    if (this.#room === null) {
      this.#places.set(hash, removed)
      return
    }
    const at = this.#room.take(directoryRecordBytes(name.length))
    const entry = { name, ino, type, cookie: hash * maxBucketEntries }
    writeDirectoryRecord(this.#room.bytes, this.#room.view, at, entry)
    this.#places.set(hash, at)
  }

  remove(hash: number): void {
    const at = this.#places.get(hash) ?? removed
    this.#places.set(hash, removed)
    if (this.#room === null) return
    if (at === removed) {
      this.forgetRecords()
      return
    }
    dropInode(this.#room.view, at)
    this.#removedBytes += writtenRecordBytes(this.#room.view, at)
    if (2 * this.#removedBytes > this.#room.length) this.#dropRemoved(this.#room)
  }

  /**
   * Records behind the cookie: at least one, if there is any, and no more than there is room for; undefined when there are none
   * any more.
   */
  page({ cookie, limitBytes }: PageRequest): MadePage | undefined {
    if (this.#room === null) return undefined
    const { view } = this.#room
    this.#order ??= placesInOrder(this.#room)
    const order = this.#order
    const places: number[] = []
    let bytes = 0
    let index = firstBehind(view, order, cookie)
    for (; index < order.length; index++) {
      const at = order[index]!
      if (!hasInode(view, at)) continue
      const recordBytes = writtenRecordBytes(view, at)
      if (bytes > 0 && bytes + recordBytes > limitBytes) break
      bytes += recordBytes
      places.push(at)
    }
    const end = index === order.length
    const next = end ? 0 : writtenCookie(view, places.at(-1)!)
    return { records: copyOfRecords(this.#room, places, bytes), end, next }
  }

  /** Others are being listed. */
  forgetOrder(): void {
    this.#order = null
  }

  /** That a name may be there is still known, and no more. */
  forgetRecords(): void {
    this.#room = null
    this.#order = null
  }

  /** By what is in the room: many times as many names may have gone. */
  #dropRemoved({ bytes, view, length }: RecordRoom): void {
    const left = new RecordRoom(Math.max(firstRoomBytes, length - this.#removedBytes))
    let recordBytes = 0
    for (let at = 0; at < length; at += recordBytes) {
      recordBytes = writtenRecordBytes(view, at)
      if (!hasInode(view, at)) continue
      const to = left.take(recordBytes)
      left.bytes.set(bytes.subarray(at, at + recordBytes), to)
      this.#places.set(hashOfCookie(writtenCookie(view, at)), to)
    }
    this.#room = left
    this.#order = null
    this.#removedBytes = 0
  }
}

/** Of all names that are there; at most `maxSortedNames`. */
function placesInOrder({ view, length }: RecordRoom): Uint32Array {
  const places: number[] = []
  for (let at = 0; at < length; at += writtenRecordBytes(view, at)) {
    if (hasInode(view, at)) places.push(at)
  }
  // Numbers are sorted without a call for each pair: so the upper bits of a cookie, and which of the places it is.
  const keys = Float64Array.from(places, (at, index) => {
    return Math.floor(writtenCookie(view, at) / lowerBits) * maxSortedNames + index
  }).sort()
  const order = Uint32Array.from(keys, key => places[key % maxSortedNames]!)
  for (let index = 1; index < order.length; index++) sink(view, order, index)
  return order
}

/** Puts the place at `index` where it belongs among those before, which are in order: mostly there. */
function sink(view: DataView, order: Uint32Array, index: number): void {
  const at = order[index]!
  const cookie = writtenCookie(view, at)
  let to = index
  for (; to > 0 && writtenCookie(view, order[to - 1]!) > cookie; to--) order[to] = order[to - 1]!
  order[to] = at
}

/** The first index of a record behind the cookie. */
function firstBehind(view: DataView, order: Uint32Array, cookie: number): number {
  let [from, to] = [0, order.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if (writtenCookie(view, order[middle]!) <= cookie) from = middle + 1
    else to = middle
  }
  return from
}
