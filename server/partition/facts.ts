/**
 * What a partition knows of itself: how much it holds, and the next inode number. One small record.
 *
 * 1. No number is given out twice, though a loss of power may take what carried it: others may remember it,
 *    or hold blocks of it. So under each boot of the machine numbers begin beyond all that earlier boots can
 *    have given out, and the record says so on the disk before the partition serves.
 */
import { ClusterError } from '../../network/errors.ts'
import {
  bootsToldApart,
  changesPerBoot,
  generationsPerBoot,
  inoSequenceLimit,
  inosPerSync,
} from '../../network/limits.ts'
import { checksum64 } from '../../network/wire/checksum.ts'
import { firstSequence, type Ino, makeIno } from '../../network/wire/ids.ts'
import type { Key, KeyMutation, KeyReader } from '../metadata/contract.ts'
import { factsKey } from '../metadata/keys.ts'
import type { CountChange } from './batch.ts'

/** f64 each, little-endian: next sequence, inodes, blocks, bytes in blocks, boots; then u64: hash of the last boot. */
const recordBytes = 48

export class PartitionFacts {
  readonly partition: number
  /** It was never served before. */
  readonly isNew: boolean = true
  readonly #key: Key
  #nextSequence = firstSequence
  #inodes = 0
  #blocks = 0
  #blockBytes = 0
  /** Boots of the machine under which the partition was served. */
  #boots = 0
  #boot = 0n
  #changed = false

  constructor(partition: number, reader: KeyReader) {
    this.partition = partition
    this.#key = factsKey(partition)
    const record = reader.get(this.#key)
    if (record === undefined) return
    this.isNew = false
    if (record.length !== recordBytes) {
      const text = `partition ${partition} was written by a version of Rookery that this one cannot read`
      throw new ClusterError('MALFORMED', text)
    }
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
    this.#nextSequence = view.getFloat64(0, true)
    this.#inodes = view.getFloat64(8, true)
    this.#blocks = view.getFloat64(16, true)
    this.#blockBytes = view.getFloat64(24, true)
    this.#boots = view.getFloat64(32, true)
    this.#boot = view.getBigUint64(40, true)
  }

  /**
   * To be called before anything is given out.
   * @param boot another one after every loss of power.
   * @returns whether it is another one: then what `mutations` gives has to be on the disk first.
   */
  startUnder(boot: string): boolean {
    const hash = checksum64(Buffer.from(boot))
    if (this.#boots > 0 && this.#boot === hash) return false
    if (this.#boots > 0) this.#nextSequence += inosPerSync
    this.#boots++
    this.#boot = hash
    this.#changed = true
    return true
  }

  /** No change counter of an inode that moves on is lower from now on. */
  get changeFloor(): number {
    return this.#earlierBoots * changesPerBoot
  }

  /** As `changeFloor`, for what is made again because its counter cannot be read: beyond what that can have been. */
  get changeFloorOfLost(): number {
    return this.changeFloor + changesPerBoot / 2
  }

  /** No new generation of a file's blocks is lower from now on. */
  get generationFloor(): number {
    return this.#earlierBoots * generationsPerBoot
  }

  get #earlierBoots(): number {
    return Math.min(Math.max(this.#boots - 1, 0), bootsToldApart)
  }

  get inodes(): number {
    return this.#inodes
  }

  get blocks(): number {
    return this.#blocks
  }

  get blockBytes(): number {
    return this.#blockBytes
  }

  /** A number that was never given out before; kept by the batch that is committed next. */
  allocateIno(): Ino {
    return this.allocateInos(1)
  }

  /** As `allocateIno`, of so many in a row. @returns the first. */
  allocateInos(count: number): Ino {
    if (this.#nextSequence + count > inoSequenceLimit) {
      throw new ClusterError('INTERNAL', `partition ${this.partition} is out of inode numbers`)
    }
    const first = makeIno(this.partition, this.#nextSequence)
    this.#changed = true
    this.#nextSequence += count
    return first
  }

  /** Whether the number was given out here, used or not. */
  isGivenOut(ino: Ino): boolean {
    const sequence = ino - makeIno(this.partition, 0)
    return Number.isSafeInteger(ino) && sequence >= firstSequence && sequence < this.#nextSequence
  }

  /** A number that is in use is not given out, whatever was known of it. */
  gaveOut(ino: Ino): void {
    const sequence = ino % inoSequenceLimit
    if (sequence < this.#nextSequence) return
    this.#nextSequence = sequence + 1
    this.#changed = true
  }

  add(counts: CountChange): void {
    if (counts.inodes === 0 && counts.blocks === 0 && counts.blockBytes === 0) return
    this.#inodes += counts.inodes
    this.#blocks += counts.blocks
    this.#blockBytes += counts.blockBytes
    this.#changed = true
  }

  /** The record, to be staged with what changed it; nothing when nothing changed. */
  *mutations(): Generator<KeyMutation> {
    if (!this.#changed) return
    this.#changed = false
    const record = new Uint8Array(recordBytes)
    const view = new DataView(record.buffer)
    view.setFloat64(0, this.#nextSequence, true)
    view.setFloat64(8, this.#inodes, true)
    view.setFloat64(16, this.#blocks, true)
    view.setFloat64(24, this.#blockBytes, true)
    view.setFloat64(32, this.#boots, true)
    view.setBigUint64(40, this.#boot, true)
    yield { key: this.#key, value: record }
  }
}
