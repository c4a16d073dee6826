/**
 * All names of one directory, as this client has made and removed them: what its server would list.
 *
 * 1. `#places` has each name that was ever made or removed, by its hash: where its record is, or `removed`.
 * 2. Records are as they are listed, one behind the other in the order in which they were made; those of names that were removed
 *    are dropped when they are half of all.
 * 3. `#order` has every name that is there, in the order of a listing, and perhaps some that were removed since.
 * 4. Where two names share a hash only their server knows in which order they are: then there are no records any more.
 */
import { maxBucketEntries } from '../../network/limits.ts'
import { hashOfCookie } from '../../network/placement/shards.ts'
import {
  directoryRecordBytes,
  RecordRoom,
  writeDirectoryRecord,
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

export class MadeNames {
  readonly #places = new Map<number, number>()
  /** null when there are none any more. */
  #room: RecordRoom | null = new RecordRoom(firstRoomBytes)
  #removedBytes = 0
  /** Hashes. */
  #order: Float64Array | null = null

  /** Hashes that were ever used here. */
  get size(): number {
    return this.#places.size
  }

  /** What its records take. */
  get bytes(): number {
    return this.#room?.bytes.length ?? 0
  }

  /** Whether `page` can tell. */
  get isWhole(): boolean {
    return this.#room !== null
  }

  /** Whether a name with this hash may be there. */
  has(hash: number): boolean {
    return this.#places.has(hash)
  }

  add(hash: number, name: Name, { ino, type }: Made): void {
    if ((this.#places.get(hash) ?? removed) !== removed) this.forgetRecords()
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
    this.#removedBytes += writtenRecordBytes(this.#room.view, at)
    if (2 * this.#removedBytes > this.#room.length) this.#room = this.#withoutRemoved(this.#room)
  }

  /** Records behind the cookie: at least one, if there is any, and no more than there is room for. */
  page({ cookie, limitBytes }: PageRequest): MadePage | undefined {
    const room = this.#room
    if (room === null) return undefined
    const order = this.#inOrder()
    const page = new RecordRoom(Math.min(limitBytes, room.length))
    let next = cookie
    let index = firstBehind(order, hashOfCookie(cookie))
    for (; index < order.length; index++) {
      const hash = order[index]!
      const at = this.#places.get(hash) ?? removed
      if (at === removed) continue
      const bytes = writtenRecordBytes(room.view, at)
      if (page.length > 0 && page.length + bytes > limitBytes) break
      const to = page.take(bytes)
      page.bytes.set(room.bytes.subarray(at, at + bytes), to)
      next = hash * maxBucketEntries
    }
    const end = index === order.length
    return { records: page.written(), end, next: end ? 0 : next }
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

  #inOrder(): Float64Array {
    this.#order ??= Float64Array.from(this.#places.keys()).sort()
    return this.#order
  }

  #withoutRemoved({ bytes, view, length }: RecordRoom): RecordRoom {
    const left = new RecordRoom(Math.max(firstRoomBytes, length - this.#removedBytes))
    for (const [hash, at] of this.#places) {
      if (at === removed) continue
      const recordBytes = writtenRecordBytes(view, at)
      const to = left.take(recordBytes)
      left.bytes.set(bytes.subarray(at, at + recordBytes), to)
      this.#places.set(hash, to)
    }
    this.#removedBytes = 0
    return left
  }
}

/** The first index of a hash above this one. */
function firstBehind(order: Float64Array, hash: number): number {
  let [from, to] = [0, order.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if (order[middle]! <= hash) from = middle + 1
    else to = middle
  }
  return from
}
