/**
 * Where a directory or a block of a file lives: pure functions that every member computes alike.
 * Integers are hashed as 64 bits, little-endian.
 *
 * 1. Results never change: the data of existing clusters lies where these functions said.
 * 2. No path is ever hashed, only inode numbers and single names: renaming a directory moves nothing.
 */
import assert from 'node:assert/strict'
import { maxNameBytes } from '../limits.ts'
import type { Ino, Partition } from '../wire/ids.ts'
import { hash48 } from './hash.ts'

const inoBytes = 8
const directoryInput = new Uint8Array(inoBytes + maxNameBytes)
const directoryWords = new DataView(directoryInput.buffer)
const blockInput = new Uint8Array(3 * inoBytes)
const blockWords = new DataView(blockInput.buffer)

/** Partition of a new subdirectory `name` (raw bytes) of the directory `parent`. */
export function partitionOfDirectory(
  parent: Ino,
  name: Uint8Array,
  partitionCount: number,
): Partition {
  assert(name.length <= maxNameBytes, `a name of ${name.length} bytes`)
  putInteger(directoryWords, 0, parent)
  directoryInput.set(name, inoBytes)
  return hash48(directoryInput.subarray(0, inoBytes + name.length)) % partitionCount
}

/** Partition of block `block` (0, 1, …) of the file `ino` in its `generation`. */
export function partitionOfBlock(
  ino: Ino,
  generation: number,
  block: number,
  partitionCount: number,
): Partition {
  putInteger(blockWords, 0, ino)
  putInteger(blockWords, 8, generation)
  putInteger(blockWords, 16, block)
  return hash48(blockInput) % partitionCount
}

/** Blocks are counted out one by one up to this many for each partition; beyond, every partition counts. */
const countedPerPartition = 4

/** Partitions that may hold one of the blocks `block` to `reach - 1`. */
export function partitionsOfBlocks(
  blocks: {
    readonly ino: Ino
    readonly generation: number
    readonly block: number
    readonly reach: number
  },
  partitionCount: number,
): readonly Partition[] {
  const { ino, generation, block, reach } = blocks
  if (reach - block > countedPerPartition * partitionCount) return [...Array(partitionCount).keys()]
  const partitions = new Set<Partition>()
  for (let index = block; index < reach; index++) {
    partitions.add(partitionOfBlock(ino, generation, index, partitionCount))
  }
  return [...partitions]
}

/** Order of an entry in its directory, and the upper part of its cookie: 1 to 2^48 - 1. */
export function entryHash(name: Uint8Array): number {
  return hash48(name) || 1
}

function putInteger(words: DataView, at: number, value: number): void {
  words.setUint32(at, value, true)
  words.setUint32(at + 4, value / 2 ** 32, true)
}
