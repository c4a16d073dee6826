/** Writes what a feed brings into a copy: rows into the metadata store, blocks into this server's own block store. */
import assert from 'node:assert/strict'
import { ClusterError } from '../../network/errors.ts'
import { unpackRanges } from '../../network/wire/block-ranges.ts'
import type {
  BlockChange,
  BlockItem,
  BlockName,
  CompareItem,
} from '../../network/wire/operations.ts'
import type { BlockKey, BlockRange, BlockStore, StagedBlock } from '../blocks/contract.ts'
import { blockKeyOf, parseBlockKey } from '../blocks/index.ts'
import { runsOf } from '../blocks/shape.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import { partitionRange } from '../metadata/keys.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { signatureOfRow } from './comparing.ts'
import { type CopyRecord, copyMutation } from './copy-record.ts'
import { decodeRows, isBlockKey } from './rows.ts'

/** Staged, and committed when the promise in it resolves. */
export interface Committing {
  readonly committed: Promise<void>
}

export class CopyWriter {
  readonly #partition: number
  readonly #store: MetadataStore
  readonly #blocks: BlockStore

  constructor(partition: number, store: MetadataStore, blocks: BlockStore) {
    this.#partition = partition
    this.#store = store
    this.#blocks = blocks
  }

  /** @throws ClusterError MALFORMED for rows that are not the partition's, or blocks, which have a way of their own. */
  rows(encoded: Uint8Array | null, payload: readonly Uint8Array[]): KeyMutation[] {
    const rows = decodeRows(encoded ?? Buffer.concat(payload))
    const [from, to] = partitionRange(this.#partition)
    for (const { key } of rows) {
      if (key < from || key >= to || isBlockKey(key)) {
        throw new ClusterError('MALFORMED', `a row that is not of partition ${this.#partition}`)
      }
    }
    return rows
  }

  /** Stages rows, block and position in one batch. */
  async commit(
    rows: KeyMutation[],
    change: BlockChange | null,
    data: readonly Uint8Array[],
    record: CopyRecord | null,
  ): Promise<Committing> {
    const staged = change === null ? null : await this.#begin(change, data)
    const marked = record === null ? [] : [copyMutation(this.#partition, record)]
    return { committed: this.#stage(staged, [...rows, ...marked]) }
  }

  /** Where it could not be changed: what is missing is found when the copies are compared. */
  async removeBlock(name: BlockName | null): Promise<void> {
    if (name === null) return
    const staged = await this.#blocks.cut(this.#keyOf(name), 0)
    if (staged !== null) await this.#stage(staged, [])
  }

  /** @throws ClusterError CHECKSUM when it is not what was sent; PosixError ENOSPC. */
  async putBlock(item: BlockItem, payload: readonly Uint8Array[]): Promise<void> {
    const key = this.#keyOf(item)
    await this.removeBlock(item)
    let left = payload
    for (const { offset, length, isWritten, checksums } of runsOf(item)) {
      let staged: StagedBlock | null
      if (isWritten) {
        const [data, rest] = take(left, length)
        left = rest
        staged = await this.#write(key, [{ offset, length }], data, checksums)
      } else staged = await this.#blocks.allocate(key, { offset, length }, false)
      if (staged !== null) await this.#stage(staged, [])
    }
  }

  /** Deletes what is not to be there. @returns the indices of what is missing, or is another. */
  async compare({ from, to, keys, signatures }: CompareItem): Promise<number[]> {
    const range = this.#rangeOf(from, to)
    const wanted = new Map(keys.map((key, index) => [Buffer.from(key).toString('latin1'), index]))
    const sums = Buffer.from(signatures.buffer, signatures.byteOffset, signatures.byteLength)
    const equal = new Set<number>()
    const extra: Key[] = []
    const damaged: Key[] = []
    const onDamaged = (key: Key): void => void damaged.push(key)
    for await (const [key, value] of this.#store.range(...range, { onDamaged })) {
      const index = wanted.get(key)
      if (index === undefined) extra.push(key)
      else if (
        this.#isSound(key) &&
        signatureOfRow(key, value) === sums.readBigUInt64LE(8 * index)
      ) {
        equal.add(index)
      }
    }
    for (const key of damaged) if (!wanted.has(key)) extra.push(key)
    await this.delete(extra)
    return keys.map((_, index) => index).filter(index => !equal.has(index))
  }

  async delete(keys: readonly Key[]): Promise<void> {
    const committed: Promise<void>[] = []
    const rows = keys.filter(key => !isBlockKey(key)).map(key => ({ key, value: null }))
    if (rows.length > 0) committed.push(this.#store.commit(rows))
    for (const key of keys) {
      if (!isBlockKey(key)) continue
      const staged = await this.#blocks.cut(parseBlockKey(key), 0)
      if (staged !== null) committed.push(this.#stage(staged, []))
      else committed.push(this.#store.commit([{ key, value: null }]))
    }
    await Promise.all(committed)
  }

  /** What is known to be damaged is not taken for what its record says. */
  #isSound(key: Key): boolean {
    return !isBlockKey(key) || this.#blocks.damageOf(parseBlockKey(key)) === null
  }

  #rangeOf(from: Uint8Array, to: Uint8Array): readonly [Key, Key] {
    const [start, end] = partitionRange(this.#partition)
    const range = [
      Buffer.from(from).toString('latin1'),
      Buffer.from(to).toString('latin1'),
    ] as const
    if (range[0] >= start && range[1] <= end) return range
    throw new ClusterError('MALFORMED', `a range that is not of partition ${this.#partition}`)
  }

  #begin(change: BlockChange, data: readonly Uint8Array[]): Promise<StagedBlock | null> {
    const key = this.#keyOf(change)
    switch (change.kind) {
      case 'write':
        return this.#write(key, unpackRanges(change.ranges), data, change.checksums)
      case 'cut':
        return this.#blocks.cut(key, change.offset)
      case 'punch':
        return this.#blocks.punch(key, change)
      case 'allocate':
        return this.#blocks.allocate(key, change, change.zero)
      default:
        throw new ClusterError('MALFORMED', 'a change of a block that is none')
    }
  }

  #write(
    key: BlockKey,
    ranges: readonly BlockRange[],
    data: readonly Uint8Array[],
    checksums: Uint8Array,
  ): Promise<StagedBlock> {
    return this.#blocks.write(key, ranges, data, Uint8Array.from(checksums))
  }

  #stage(staged: StagedBlock | null, rows: readonly KeyMutation[]): Promise<void> {
    if (staged === null) return this.#store.commit(rows)
    let committed: Promise<void>
    try {
      committed = this.#store.commit([...rows, ...staged.mutations])
    } catch (error) {
      staged.abandoned()
      throw error
    }
    staged.staged()
    return committed
  }

  #keyOf({ ino, generation, block }: BlockName): BlockKey {
    const key = { partition: this.#partition, ino, generation, block }
    blockKeyOf(key)
    return key
  }
}

/** The first bytes, and the rest. */
function take(
  pieces: readonly Uint8Array[],
  length: number,
): readonly [readonly Uint8Array[], readonly Uint8Array[]] {
  const taken: Uint8Array[] = []
  let left = length
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index]!
    if (piece.length > left) {
      taken.push(piece.subarray(0, left))
      return [taken, [piece.subarray(left), ...pieces.slice(index + 1)]]
    }
    taken.push(piece)
    left -= piece.length
    if (left === 0) return [taken, pieces.slice(index + 1)]
  }
  assert(left >= 0)
  if (left > 0) throw new ClusterError('MALFORMED', 'a block with less data than it says')
  return [taken, []]
}
