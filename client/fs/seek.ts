/**
 * lseek(2) SEEK_DATA and SEEK_HOLE. Some blocks are asked one by one; where no data is found in them,
 * every partition is asked for the first that it holds, so that a vast hole costs no more than that.
 *
 * 1. What is told was so at one moment: a file that changes meanwhile is asked again, some times. Where
 *    it goes on changing, what is told of each block was so at some moment of the call; and where it goes on
 *    being truncated, the file is told to be data all over, which lseek(2) allows of any file.
 */
import { PosixError } from '../../network/errors.ts'
import { maxBlocksInFlight, maxReadRedos } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { inParallel } from '../cluster/parallel.ts'
import { getattr } from './attributes.ts'
import type { Context } from './context.ts'
import type { OpenFile } from './contract.ts'
import { fetchInline } from './inline.ts'
import { handleOf } from './open-handle.ts'

type Wanted = 'data' | 'hole'

/** Inline data is told of by pages, as blocks are. */
const pageBytes = 4096

/** @throws PosixError ENXIO */
export async function seek(
  context: Context,
  file: OpenFile,
  wanted: Wanted,
  offset: number,
): Promise<number> {
  const { inode } = handleOf(file)
  const { ino } = inode
  let attributes = await getattr(context, ino)
  for (let redo = 0; ; redo++) {
    if (!(offset >= 0 && offset < attributes.size)) throw new PosixError('ENXIO')
    if (attributes.reach === 0) {
      await fetchInline(context, inode)
      const { inline } = inode
      attributes = inode.attributes
      if (inline !== null) return seekInline(inline, attributes.size, wanted, offset)
      if (redo < maxReadRedos) continue
      return allData(attributes.size, wanted, offset)
    }
    const found = await seekBlocks(context, attributes, wanted, offset)
    const latest = await getattr(context, ino)
    const cut = latest.generation !== attributes.generation || latest.cuts !== attributes.cuts
    if (latest.change === attributes.change || (redo >= maxReadRedos && !cut)) return told(found)
    if (redo >= maxReadRedos) return allData(latest.size, wanted, offset)
    attributes = latest
  }
}

/** @throws PosixError ENXIO */
function allData(size: number, wanted: Wanted, offset: number): number {
  if (offset >= size) throw new PosixError('ENXIO')
  return wanted === 'data' ? offset : size
}

function told(found: number | null): number {
  if (found === null) throw new PosixError('ENXIO')
  return found
}

/** The data may end before the file does. */
function seekInline(data: Uint8Array, size: number, wanted: Wanted, offset: number): number {
  if (offset >= size) throw new PosixError('ENXIO')
  const end = Math.min(size, Math.ceil(data.length / pageBytes) * pageBytes)
  if (wanted === 'hole') return Math.max(offset, end)
  return told(offset < end ? offset : null)
}

/** @returns null when no data comes any more; a hole begins at the end at the latest. */
async function seekBlocks(
  context: Context,
  attributes: Attributes,
  wanted: Wanted,
  offset: number,
): Promise<number | null> {
  const { size, blockBytes } = attributes
  const last = Math.ceil(size / blockBytes)
  let block = Math.floor(offset / blockBytes)
  do {
    const count = Math.min(maxBlocksInFlight, last - block)
    const from = Math.max(offset, block * blockBytes)
    const found = await (wanted === 'hole'
      ? holeAmong(context, attributes, from, count)
      : dataAmong(context, attributes, from, count))
    if (found !== null) return found < size ? found : wanted === 'hole' ? size : null
    block += count
  } while (wanted === 'hole' && block < last)
  if (wanted === 'hole') return size
  return block < last ? dataAnywhere(context, attributes, block, last) : null
}

/** In `count` blocks from the one on that `from` lies in. */
async function dataAmong(
  context: Context,
  attributes: Attributes,
  from: number,
  count: number,
): Promise<number | null> {
  const found = await askEach(context, attributes, from, count, false)
  return found.find(at => at !== null) ?? null
}

async function holeAmong(
  context: Context,
  attributes: Attributes,
  from: number,
  count: number,
): Promise<number | null> {
  const { blockBytes } = attributes
  const first = Math.floor(from / blockBytes)
  const found = await askEach(context, attributes, from, count, true)
  return found.find((at, index) => at !== null && at < (first + index + 1) * blockBytes) ?? null
}

function askEach(
  context: Context,
  attributes: Attributes,
  from: number,
  count: number,
  hole: boolean,
): Promise<(number | null)[]> {
  const { ino, generation, blockBytes } = attributes
  const { partitionCount } = context.cluster
  const first = Math.floor(from / blockBytes)
  return inParallel(count, maxBlocksInFlight, index => {
    const block = first + index
    const partition = partitionOfBlock(ino, generation, block, partitionCount)
    const offset = Math.max(0, from - block * blockBytes)
    return ask(context, attributes, partition, { block, offset, reach: block + 1, hole })
  })
}

/** @returns offset in the file. */
async function ask(
  context: Context,
  { ino, generation, blockBytes }: Attributes,
  partition: number,
  where: {
    readonly block: number
    readonly offset: number
    readonly reach: number
    readonly hole: boolean
  },
): Promise<number | null> {
  const request = { ino, generation, ...where }
  const { body } = await context.cluster.query('seekBlocks', partition, request)
  return body.block < 0 ? null : body.block * blockBytes + body.offset
}

/** The least of what the partitions have. */
async function dataAnywhere(
  context: Context,
  attributes: Attributes,
  block: number,
  reach: number,
): Promise<number | null> {
  const { partitionCount } = context.cluster
  const found = await inParallel(partitionCount, maxBlocksInFlight, partition =>
    ask(context, attributes, partition, { block, offset: 0, reach, hole: false }),
  )
  const least = found.reduce<number>((min, at) => Math.min(min, at ?? Infinity), Infinity)
  return least < attributes.size ? least : null
}
