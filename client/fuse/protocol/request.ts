/**
 * One request in its slot: reads the header and the fields behind it. One object per slot, used again
 * and again.
 *
 * 1. Nothing is read outside of the request's own bytes: what is missing throws EIO.
 * 2. Only `data` is a view into the slot, true until the answer (`Session.lend`: until it is given back); names and values are copies, since a
 *    file system may hold them longer than a program waits.
 */
import { PosixError } from '../../../network/errors.ts'
import { inHeaderBytes, inoHighLimit } from './numbers.ts'

const two32 = 2 ** 32

export class Request {
  readonly slot: number
  readonly #pool: Buffer
  readonly #view: DataView
  readonly #start: number
  #end = 0
  opcode = 0
  uniqueLow = 0
  uniqueHigh = 0
  /** Inode number, or 1 for the top of the mount; which alias of it makes no difference. */
  node = 0
  uid = 0
  gid = 0
  /** Number of the thread that asks; 0 when it is none that this process can see. */
  thread = 0
  /** Whether its data is needed when it was answered, as long as that is so; and whether it was answered. */
  isLent = false
  isAnswered = false

  constructor(slot: number, pool: Buffer, view: DataView, start: number) {
    this.slot = slot
    this.#pool = pool
    this.#view = view
    this.#start = start
  }

  /** Takes a new request of `length` bytes; false when not even its header can be trusted. */
  begin(length: number): boolean {
    const at = this.#start
    if (length < inHeaderBytes) return false
    const view = this.#view
    this.isLent = false
    this.isAnswered = false
    this.#end = at + length
    this.opcode = view.getUint32(at + 4, true)
    this.uniqueLow = view.getUint32(at + 8, true)
    this.uniqueHigh = view.getUint32(at + 12, true)
    const nodeHigh = view.getUint32(at + 20, true) % inoHighLimit
    this.node = nodeHigh * two32 + view.getUint32(at + 16, true)
    this.uid = view.getUint32(at + 24, true)
    this.gid = view.getUint32(at + 28, true)
    this.thread = view.getUint32(at + 32, true)
    return view.getUint32(at, true) === length
  }

  /** Offsets below count from behind the header. */
  u32(offset: number): number {
    return this.#view.getUint32(this.#at(offset, 4), true)
  }

  /** @throws EFBIG beyond the safe integers: only offsets and sizes can be there, no file of ours is as large. */
  u64(offset: number): number {
    const at = this.#at(offset, 8)
    const high = this.#view.getUint32(at + 4, true)
    if (high >= inoHighLimit) throw new PosixError('EFBIG', 'beyond 2^53')
    return high * two32 + this.#view.getUint32(at, true)
  }

  /** Where something is looked for, which is nowhere as far out: what `u64` refuses, and a negative one, counts as its largest. */
  position(offset: number): number {
    const at = this.#at(offset, 8)
    const high = this.#view.getUint32(at + 4, true)
    if (high >= inoHighLimit) return Number.MAX_SAFE_INTEGER
    return high * two32 + this.#view.getUint32(at, true)
  }

  /** As `node`, of another inode. */
  nodeAt(offset: number): number {
    const at = this.#at(offset, 8)
    const high = this.#view.getUint32(at + 4, true) % inoHighLimit
    return high * two32 + this.#view.getUint32(at, true)
  }

  i64(offset: number): bigint {
    return this.#view.getBigInt64(this.#at(offset, 8), true)
  }

  /** Offset of the NUL that closes the text which begins at `offset`. */
  textEnd(offset: number): number {
    const from = this.#at(offset, 1)
    const pool = this.#pool
    let at = from
    while (at < this.#end && pool[at] !== 0) at += 1
    if (at === this.#end) throw new PosixError('EIO', 'name without an end')
    return at - this.#start - inHeaderBytes
  }

  /** Copy of the text from `offset` to `end`. */
  text(offset: number, end: number): Uint8Array {
    const base = this.#start + inHeaderBytes
    return Uint8Array.prototype.slice.call(this.#pool, base + offset, base + end)
  }

  /** The last field of many requests: a name. @throws EIO when it is empty. */
  name(offset: number): Uint8Array {
    const end = this.textEnd(offset)
    if (end === offset) throw new PosixError('EIO', 'empty name')
    return this.text(offset, end)
  }

  /** The bytes themselves, not a copy: true until the answer. */
  data(offset: number, length: number): Uint8Array {
    const at = this.#at(offset, length)
    return this.#pool.subarray(at, at + length)
  }

  #at(offset: number, length: number): number {
    const at = this.#start + inHeaderBytes + offset
    if (at + length > this.#end) throw new PosixError('EIO', 'request too short')
    return at
  }
}
