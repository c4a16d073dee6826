/**
 * copy_file_range(2) between servers: the server of each target block asks the source's for its bytes,
 * verifies and stores them; none comes here. What is small or lies beside an inode goes through the client.
 *
 * 1. A block that was not there is a hole, if the source was not cut meanwhile; else the copy is done again.
 * 2. The target changes as by a write: nothing behind its end shows before `commitWrite`.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { chunkBytes, maxBlocksInFlight, maxCopyBytes, maxFileBytes } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import { inParallel } from '../cluster/parallel.ts'
import { movedToBlocks, tellingChanges } from './allocate.ts'
import { getattr } from './attributes.ts'
import type { Context } from './context.ts'
import type { CopyOptions, OpenFile } from './contract.ts'
import { inTurn } from './in-turn.ts'
import { handleOf, type OpenHandle } from './open-handle.ts'
import { read } from './read.ts'
import { holdingSpace, mostSpaceOf, type SpaceHold } from './space-hold.ts'
import { write } from './write.ts'
import { commit, sizeKept, tellChanged, undisturbed } from './write-blocks.ts'
import { untilUndisturbed } from './write-through.ts'

export interface CopyRange extends CopyOptions {
  readonly from: number
  readonly to: number
  readonly length: number
}

/** What lies in one block of the source and in one of the target. */
interface Part {
  readonly from: number
  readonly to: number
  readonly length: number
}

/** @returns how many bytes were copied: fewer at the source's end, and where very many were asked for. */
export async function copyRange(
  context: Context,
  source: OpenFile,
  target: OpenFile,
  range: CopyRange,
): Promise<number> {
  const [sourceHandle, targetHandle] = [handleOf(source), handleOf(target)]
  const { ino } = sourceHandle.inode
  const { inode } = targetHandle
  const { from, to, killPrivileges = false } = range
  if (!(from >= 0 && to >= 0 && range.length >= 0)) throw new PosixError('EINVAL')
  if (to + range.length > maxFileBytes) throw new PosixError('EFBIG')
  const found = await getattr(context, ino)
  const length = lengthIn(found, range)
  if (length <= 0) return 0
  if (found.reach === 0 || length < chunkBytes) {
    return await copyThrough(context, sourceHandle, targetHandle, { ...range, length })
  }
  targetHandle.ahead.drop()
  let copied = 0
  let goesThrough = false
  const copy = (space: SpaceHold) =>
    untilUndisturbed(context, inode.ino, async () => {
      const attributes = await getattr(context, ino)
      copied = lengthIn(attributes, range)
      if (copied <= 0) return await tellChanged(context, inode, inode.attributes)
      const end = to + copied
      await space.obtain(mostSpaceOf(inode.attributes, to, copied))
      // It was written anew meanwhile, and is small; or the quota may not allow it all.
      goesThrough = attributes.reach === 0 || space.left < Infinity
      if (goesThrough) return await tellChanged(context, inode, inode.attributes)
      const base = await movedToBlocks(context, inode, to, end, space)
      const copies = { attributes, parts: partsOf({ from, to, length: copied }, attributes, base) }
      await tellingChanges(context, inode, base, () => copyParts(context, inode, base, copies))
      const committing = { ...sizeKept, end, killPrivileges, space }
      await commit(context, inode, undisturbed(base), committing)
    })
  await inTurn(context, inode, false, () => holdingSpace(context, inode, copy))
  // A part goes as a write does, which may be what is there already.
  const part = Math.min(copied, inode.attributes.blockBytes)
  if (goesThrough && part > 0) {
    return await copyThrough(context, sourceHandle, targetHandle, { ...range, length: part })
  }
  return Math.max(0, copied)
}

function lengthIn({ size }: Attributes, { from, length }: CopyRange): number {
  return Math.min(length, size - from, maxCopyBytes)
}

async function copyThrough(
  context: Context,
  source: OpenHandle,
  target: OpenHandle,
  { from, to, length, killPrivileges = false }: CopyRange,
): Promise<number> {
  const pieces = await read(context, source, from, length)
  const data = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  await write(context, target, to, data, { killPrivileges })
  return data.length
}

function partsOf({ from, to, length }: Part, source: Attributes, target: Attributes): Part[] {
  const parts: Part[] = []
  for (let done = 0; done < length; ) {
    const [fromAt, toAt] = [from + done, to + done]
    const sourceLeft = source.blockBytes - (fromAt % source.blockBytes)
    const targetLeft = target.blockBytes - (toAt % target.blockBytes)
    const part = Math.min(sourceLeft, targetLeft, length - done)
    parts.push({ from: fromAt, to: toAt, length: part })
    done += part
  }
  return parts
}

/** @throws ClusterError STALE_WRITE when the source was cut while holes were found in it. */
async function copyParts(
  context: Context,
  inode: OpenInode,
  target: Attributes,
  copies: { readonly attributes: Attributes; readonly parts: readonly Part[] },
): Promise<void> {
  const { attributes, parts } = copies
  const present = await inParallel(parts.length, maxBlocksInFlight, index =>
    copyPart(context, inode, attributes, target, parts[index]!),
  )
  if (!present.includes(false)) return
  const { generation, cuts, reach } = await getattr(context, attributes.ino)
  const same = generation === attributes.generation && cuts === attributes.cuts && reach > 0
  if (!same) throw new ClusterError('STALE_WRITE', `the source of a copy was cut meanwhile`)
}

/** @returns whether the source had such a block. */
async function copyPart(
  context: Context,
  inode: OpenInode,
  source: Attributes,
  { ino, generation, blockBytes }: Attributes,
  { from, to, length }: Part,
): Promise<boolean> {
  const { cluster } = context
  const block = Math.floor(to / blockBytes)
  const partition = partitionOfBlock(ino, generation, block, cluster.partitionCount)
  const { body, boot } = await cluster.mutate('copyBlock', partition, {
    ino,
    generation,
    block,
    offset: to - block * blockBytes,
    length,
    sourceIno: source.ino,
    sourceGeneration: source.generation,
    sourceBlock: Math.floor(from / source.blockBytes),
    sourceOffset: from % source.blockBytes,
  })
  context.dirty.mark(ino, partition, boot)
  inode.tookSpace(generation, body.allocated)
  return body.present
}
