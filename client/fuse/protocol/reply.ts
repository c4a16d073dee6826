/**
 * Writes replies into the channel's one reply buffer. Positions count from the start of the reply, so
 * the structure behind the header begins at 16.
 */

import { maxNameBytes } from '../../../network/limits.ts'
import { type Attributes, statBlocksOf } from '../../../network/wire/attributes.ts'
import { writeDirectoryRecord } from '../../../network/wire/directory-records.ts'
import type { NamedEntry } from '../../../network/wire/operations.ts'
import type { SpaceReport } from '../../fs/contract.ts'
import { inoHighLimit } from './numbers.ts'

const two32 = 2 ** 32
const nsPerSecond = 1_000_000_000n
/** What programs should read and write at a time (st_blksize): the most that a request carries. */
const preferredBytes = 128 * 1024

/** What names a request to the kernel. */
interface Answered {
  readonly uniqueLow: number
  readonly uniqueHigh: number
}

/** How long the kernel may keep what it is told. */
export interface Validity {
  readonly entryMs: number
  readonly attributesMs: number
}

export class Reply {
  readonly buffer: Buffer
  readonly #view: DataView

  constructor(buffer: Buffer) {
    this.buffer = buffer
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  }

  header(request: Answered, length: number, errno: number): void {
    const view = this.#view
    view.setUint32(0, length, true)
    view.setInt32(4, -errno, true)
    view.setUint32(8, request.uniqueLow, true)
    view.setUint32(12, request.uniqueHigh, true)
  }

  u16(at: number, value: number): void {
    this.#view.setUint16(at, value, true)
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true)
  }

  u64(at: number, value: number): void {
    this.#view.setUint32(at, value % two32, true)
    this.#view.setUint32(at + 4, Math.floor(value / two32), true)
  }

  i64(at: number, value: bigint): void {
    this.#view.setBigInt64(at, value, true)
  }

  /** Node id of an alias (see directory-nodes.ts). */
  node(at: number, node: number, alias: number): void {
    this.#view.setUint32(at, node % two32, true)
    this.#view.setUint32(at + 4, Math.floor(node / two32) + alias * inoHighLimit, true)
  }

  /** fuse_entry_out. @param node 0 says "no such name" (kept for `entryMs`). */
  entry(at: number, node: number, attributes: Attributes | null, validity: Validity): void {
    this.buffer.fill(0, at, at + 40)
    this.u64(at, node)
    this.#duration(at + 16, at + 32, validity.entryMs)
    this.#duration(at + 24, at + 36, validity.attributesMs)
    if (attributes === null) this.buffer.fill(0, at + 40, at + 128)
    else this.attributes(at + 40, attributes)
  }

  /** fuse_attr_out. */
  attributesReply(at: number, attributes: Attributes, attributesMs: number): void {
    this.#duration(at, at + 8, attributesMs)
    this.u32(at + 12, 0)
    this.attributes(at + 16, attributes)
  }

  /** fuse_attr. */
  attributes(at: number, attributes: Attributes): void {
    this.u64(at, attributes.ino)
    this.u64(at + 8, attributes.size)
    this.u64(at + 16, statBlocksOf(attributes))
    this.#times(at, attributes)
    this.u32(at + 60, attributes.mode)
    this.u32(at + 64, attributes.nlink)
    this.u32(at + 68, attributes.uid)
    this.u32(at + 72, attributes.gid)
    this.u32(at + 76, attributes.rdev)
    this.u32(at + 80, preferredBytes)
    this.u32(at + 84, 0)
  }

  /** fuse_open_out. */
  opened(at: number, handle: number, flags: number): void {
    this.u64(at, handle)
    this.u32(at + 8, flags)
    this.u32(at + 12, 0)
  }

  /** fuse_kstatfs. */
  space(at: number, report: SpaceReport): void {
    const blockBytes = 4096
    this.buffer.fill(0, at, at + 80)
    this.u64(at, Math.floor(report.totalBytes / blockBytes))
    this.u64(at + 8, Math.floor(report.freeBytes / blockBytes))
    this.u64(at + 16, Math.floor(report.availableBytes / blockBytes))
    this.u64(at + 24, report.files + report.freeFiles)
    this.u64(at + 32, report.freeFiles)
    this.u32(at + 40, blockBytes)
    this.u32(at + 44, maxNameBytes)
    this.u32(at + 48, blockBytes)
  }

  /** fuse_dirent; the name is padded to 8 bytes. @returns the position behind it. */
  directoryEntry(at: number, entry: NamedEntry): number {
    return writeDirectoryRecord(this.buffer, this.#view, at, entry)
  }

  /** Times of one inode are often the same: a division of bigints costs more than the rest together. */
  #times(at: number, attributes: Attributes): void {
    const { atimeNs, mtimeNs, ctimeNs } = attributes
    this.#time(at + 24, at + 48, atimeNs)
    if (mtimeNs === atimeNs) this.#repeatTime(at, 32, 52, 24, 48)
    else this.#time(at + 32, at + 52, mtimeNs)
    if (ctimeNs === mtimeNs) this.#repeatTime(at, 40, 56, 32, 52)
    else this.#time(at + 40, at + 56, ctimeNs)
  }

  #repeatTime(at: number, to: number, toNs: number, from: number, fromNs: number): void {
    const view = this.#view
    view.setUint32(at + to, view.getUint32(at + from, true), true)
    view.setUint32(at + to + 4, view.getUint32(at + from + 4, true), true)
    view.setUint32(at + toNs, view.getUint32(at + fromNs, true), true)
  }

  #time(at: number, nsAt: number, timeNs: bigint): void {
    let rest = Number(timeNs % nsPerSecond)
    let seconds = Number(timeNs / nsPerSecond)
    if (rest < 0) {
      rest += 1_000_000_000
      seconds -= 1
    }
    this.#view.setInt32(at + 4, Math.floor(seconds / two32), true)
    this.#view.setUint32(at, seconds >>> 0, true)
    this.u32(nsAt, rest)
  }

  #duration(at: number, nsAt: number, durationMs: number): void {
    this.u64(at, Math.floor(durationMs / 1000))
    this.u32(nsAt, Math.floor((durationMs % 1000) * 1_000_000))
  }
}
