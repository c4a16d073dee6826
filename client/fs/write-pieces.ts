/** Pieces of a file that were gathered by write-behind.ts, on their way to the servers together. One attempt. */
import { maxBlocksInFlight, maxWritePieces } from '../../network/limits.ts'
import type { BlockRange } from '../../network/wire/block-ranges.ts'
import type { Flushing } from '../../network/wire/operations.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Piece } from '../cache/write-buffer.ts'
import type { Payload } from '../cluster/contract.ts'
import { inParallel } from '../cluster/parallel.ts'
import { isStaleWrite } from '../cluster/retry.ts'
import { type BlockWrite, writeBlock } from './blocks.ts'
import type { Context } from './context.ts'
import { holdingSpace, mostSpaceOf, type SpaceHold } from './space-hold.ts'
import { type Base, baseOf, commit, giveBack, reachAhead, tellChanged } from './write-blocks.ts'
import { writeInline } from './write-through.ts'

/**
 * @param notAfterMs no block may be sent after this moment.
 * @throws ClusterError STALE_WRITE, PosixError.
 */
export async function writePieces(
  context: Context,
  inode: OpenInode,
  pieces: readonly Piece[],
  notAfterMs: number,
): Promise<void> {
  const left = await writeSmall(context, inode, pieces)
  if (left.length === 0) return
  await holdingSpace(context, inode, space => writeLarge(context, inode, left, notAfterMs, space))
}

/** What keeps a small file small. @returns the pieces that are left. */
async function writeSmall(
  context: Context,
  inode: OpenInode,
  pieces: readonly Piece[],
): Promise<readonly Piece[]> {
  const { size, inlineBytes } = inode.attributes
  for (const [index, { offset, data }] of pieces.entries()) {
    const fits = !inode.inBlocks && Math.max(size, offset + data.length) <= inlineBytes
    const where = {
      offset,
      append: false,
      killPrivileges: false,
      behind: true as const,
      ...flushingOf(inode),
    }
    if (!fits || !(await writeInline(context, inode, data, where))) return pieces.slice(index)
  }
  return []
}

async function writeLarge(
  context: Context,
  inode: OpenInode,
  pieces: readonly Piece[],
  notAfterMs: number,
  space: SpaceHold,
): Promise<void> {
  let bytes = 0
  for (const { offset, data } of pieces) {
    bytes += mostSpaceOf(inode.attributes, offset, data.length)
  }
  await space.obtain(bytes)
  const first = pieces[0]!
  const last = pieces.at(-1)!
  const end = last.offset + last.data.length
  const base = await baseOf(context, inode, first.offset, end, flushingOf(inode))
  const { attributes } = base
  try {
    space.checkObtained()
    await putPieces(context, inode, base, pieces, Math.min(notAfterMs, base.notAfterMs), space)
  } catch (error) {
    if (base.spilling !== null) await giveBack(context, inode)
    if (!isStaleWrite(error)) await tellChanged(context, inode, attributes)
    throw error
  }
  const reach = end > attributes.size ? reachAhead(attributes, attributes.size, end) : 0
  const asks = { behind: true as const, ...flushingOf(inode) }
  const how = { expectedSize: -1, killPrivileges: false, ...asks }
  await commit(context, inode, base, { end, reach, space, ...how })
}

async function putPieces(
  context: Context,
  inode: OpenInode,
  { attributes, spilling }: Base,
  pieces: readonly Piece[],
  notAfterMs: number,
  space: SpaceHold,
): Promise<void> {
  const put = (write: BlockWrite): Promise<void> =>
    writeBlock(context, inode, attributes, write, notAfterMs, space, flushingOf(inode))
  // Before what may lie over it.
  if (spilling !== null && spilling.length > 0) {
    const ranges = [{ offset: 0, length: spilling.length }]
    await put({ block: 0, ranges, pieces: [[spilling]] })
  }
  const atOnce = space.left === Infinity ? maxBlocksInFlight : 1
  const writes = byBlock(pieces, attributes.blockBytes)
  await inParallel(writes.length, atOnce, index => put(writes[index]!))
}

/** What is to be written of each block by one call. @param pieces in the order of the file, each within one block. */
function byBlock(pieces: readonly Piece[], blockBytes: number): readonly BlockWrite[] {
  const writes: { block: number; ranges: BlockRange[]; pieces: Payload[] }[] = []
  for (const { offset, data } of pieces) {
    const block = Math.floor(offset / blockBytes)
    const range = { offset: offset - block * blockBytes, length: data.length }
    const last = writes.at(-1)
    if (last?.block === block && last.ranges.length < maxWritePieces) {
      last.ranges.push(range)
      last.pieces.push([data])
    } else writes.push({ block, ranges: [range], pieces: [[data]] })
  }
  return writes
}

function flushingOf({ behind }: OpenInode): Flushing {
  return { flushes: behind.change }
}
