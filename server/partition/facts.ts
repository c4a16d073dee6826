/** What a partition knows of itself: how much it holds, and the next inode number. One small record. */
import { ClusterError } from '../../network/errors.ts'
import { inoSequenceLimit } from '../../network/limits.ts'
import { firstSequence, type Ino, makeIno } from '../../network/wire/ids.ts'
import type { Key, KeyMutation, KeyReader } from '../metadata/contract.ts'
import { factsKey } from '../metadata/keys.ts'
import type { CountChange } from './batch.ts'

/** f64 each, little-endian: next sequence, inodes, blocks, bytes in blocks. */
const recordBytes = 32

export class PartitionFacts {
  readonly partition: number
  readonly #key: Key
  #nextSequence = firstSequence
  #inodes = 0
  #blocks = 0
  #blockBytes = 0
  #changed = false

  constructor(partition: number, reader: KeyReader) {
    this.partition = partition
    this.#key = factsKey(partition)
    const record = reader.get(this.#key)
    if (record === undefined) return
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
    this.#nextSequence = view.getFloat64(0, true)
    this.#inodes = view.getFloat64(8, true)
    this.#blocks = view.getFloat64(16, true)
    this.#blockBytes = view.getFloat64(24, true)
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
    if (this.#nextSequence >= inoSequenceLimit) {
      throw new ClusterError('INTERNAL', `partition ${this.partition} is out of inode numbers`)
    }
    this.#changed = true
    return makeIno(this.partition, this.#nextSequence++)
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
    yield { key: this.#key, value: record }
  }
}
