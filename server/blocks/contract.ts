/** The block store contract: blocks of file data, checksummed by chunk, indexed on the metadata disk. */
import type { BlockRange } from '../../network/wire/block-ranges.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { DataFile } from '../../network/wire/operations.ts'
import type { KeyMutation } from '../metadata/contract.ts'

export type { BlockRange }

export interface BlockKey {
  /** Partition that the block lives in. */
  readonly partition: number
  readonly ino: Ino
  readonly generation: number
  /** Number of the block in its file. */
  readonly block: number
}

export interface BlockData {
  /** `length` bytes, cut at chunk borders of the block; holes are zeros. */
  readonly pieces: readonly Uint8Array[]
  /** xxHash64 of each piece, 8 bytes little-endian each. */
  readonly checksums: Uint8Array
}

/** Data of a block that is still on the device. */
export interface PlacedBlock {
  /** As in `ReadBlockReply`. */
  readonly places: readonly number[]
  /** xxHash64 of each chunk, zeros where there is none, 8 bytes little-endian each. */
  readonly checksums: Uint8Array
}

/**
 * A change of a block whose data is on the device but not yet indexed. Until it is settled, other
 * changes of the same block wait. Exactly one of the two functions is to be called.
 */
export interface StagedBlock {
  /** To be committed in one batch with whatever else belongs to the operation. */
  readonly mutations: readonly KeyMutation[]
  /** Blocks the partition gains (1), keeps (0) or loses (-1), and its data bytes likewise. */
  readonly blockDelta: number
  readonly byteDelta: number
  /** Bytes of the device that the block takes more, or less: its share in st_blocks. */
  readonly spaceDelta: number
  /** The mutations are staged and visible: the space of what they replaced may be freed in time. */
  staged(): void
  /** They never will be: the new space is free again. */
  abandoned(): void
}

export interface BlockStoreStatistics {
  readonly capacityBytes: number
  /** For new data: without what is kept for changes of what is there. */
  readonly freeBytes: number
  /** Of these, what nobody else who shares the disk could have. */
  readonly ownFreeBytes: number
  readonly usedBytes: number
  readonly blocks: number
  readonly checksumErrors: number
}

export interface BlockStore {
  /** Where others on this machine find what `place` tells of; undefined where they cannot. */
  readonly file?: DataFile | undefined
  /**
   * @returns null when there is no such block.
   * @throws ClusterError CHECKSUM when what the disk gave is not what was written; DISK.
   */
  read(key: BlockKey, offset: number, length: number): Promise<BlockData | null>
  /**
   * Where that lies now. Others may come to lie there as soon as the block is changed.
   * @returns null when there is no such block, or a part of a chunk would be needed: then it is to be read.
   * @throws ClusterError DISK.
   */
  place(key: BlockKey, offset: number, length: number): PlacedBlock | null
  /**
   * Puts data on the device, merged with what its chunks hold.
   * @param ranges where it lies, as block-ranges.ts has them.
   * @param checksums xxHash64 of each range's data cut at chunk borders, verified before anything is changed.
   * @throws ClusterError CHECKSUM, DISK, MALFORMED; PosixError ENOSPC; nothing is changed then.
   */
  write(
    key: BlockKey,
    ranges: readonly BlockRange[],
    data: readonly Uint8Array[],
    checksums: Uint8Array,
  ): Promise<StagedBlock>
  /** Drops the block's bytes from `offset` on; 0 removes the block. null when there is nothing to do. */
  cut(key: BlockKey, offset: number): Promise<StagedBlock | null>
  /**
   * Makes these bytes zeros. Whole chunks give their space back; what is left of one is written anew.
   * @returns null when they are a hole already.
   * @throws as `write`.
   */
  punch(key: BlockKey, range: BlockRange): Promise<StagedBlock | null>
  /**
   * Gives these bytes space where they have none: it reads as zeros, and later writes there find room.
   * @param zero makes them zeros also where they are data.
   * @returns null when there is nothing to do.
   * @throws as `write`.
   */
  allocate(key: BlockKey, range: BlockRange, zero: boolean): Promise<StagedBlock | null>
  /**
   * Where data, or a hole, begins at or behind `offset`; what was allocated and never written is a hole.
   * @returns offset within the block, for a hole perhaps its very end; -1 when no data comes any more.
   * @throws ClusterError DISK.
   */
  seek(key: BlockKey, offset: number, wanted: 'data' | 'hole'): number
  /**
   * All data written before the call is on the disk. To be called before the index is synced.
   * @returns what says so, to be committed in the very batch that the index is synced with.
   */
  sync(): Promise<readonly KeyMutation[]>
  /** Names all changes that were `staged` so far. To be taken before `sync` is called. */
  stagedMark(): number
  /**
   * The index is on the disk as it was when `mark` was taken (without one: as it is staged now), and
   * with it what `sync` gave: the space of what those changes replaced may be reused.
   */
  indexSynced(mark?: number): void
  /**
   * Reads the whole block from the device, for scrubbing.
   * @returns false when what the disk gave is not what was written; true when there is no such block.
   * @throws ClusterError DISK.
   */
  verify(key: BlockKey): Promise<boolean>
  /** Why the block is known to be damaged whatever the disk gives; null when nothing is known. */
  damageOf(key: BlockKey): string | null
  statistics(): Promise<BlockStoreStatistics>
  close(): Promise<void>
}
