/**
 * fallocate(2): space allocated, holes punched and ranges zeroed, in the way of a write: the blocks'
 * servers first, then `commitWrite`, which refuses what a truncation has overtaken.
 *
 * 1. What is allocated or zeroed lies in blocks: beside the inode no space can be promised.
 * 2. What blocks took or gave back is told to the inode by the commit, also by that of a failure.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxBlocksInFlight, maxFileBytes, quotaStepBytes } from '../../network/limits.ts'
import { partitionOfBlock, partitionsOfBlocks } from '../../network/placement/locate.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import { inParallel } from '../cluster/parallel.ts'
import { isStaleWrite } from '../cluster/retry.ts'
import { getattr } from './attributes.ts'
import { type Extent, extentsOf, writeExtent } from './blocks.ts'
import { type Context, changedHere } from './context.ts'
import type { AllocateMode, AllocateOptions, OpenFile } from './contract.ts'
import { inTurn } from './in-turn.ts'
import { handleOf } from './open-handle.ts'
import { holdingSpace, mostSpaceOf, type SpaceHold } from './space-hold.ts'
import { sumOf } from './statfs.ts'
import { baseOf, commit, giveBack, sizeKept, tellChanged, undisturbed } from './write-blocks.ts'
import { untilUndisturbed } from './write-through.ts'

export interface Allocation extends AllocateOptions {
  readonly mode: AllocateMode
  readonly offset: number
  readonly length: number
}

/** @throws PosixError EINVAL, EFBIG, ENOSPC. */
export async function allocate(
  context: Context,
  file: OpenFile,
  allocation: Allocation,
): Promise<void> {
  const handle = handleOf(file)
  const { inode } = handle
  const { mode, offset, length } = allocation
  if (!(offset >= 0 && length > 0)) throw new PosixError('EINVAL', `${length} bytes at ${offset}`)
  if (offset + length > maxFileBytes) throw new PosixError('EFBIG')
  handle.ahead.drop()
  await inTurn(context, inode, false, async () => {
    if (mode === 'punch') {
      await untilUndisturbed(context, inode.ino, () => punch(context, inode, allocation))
    } else await takeSpace(context, inode, allocation)
  })
}

async function punch(context: Context, inode: OpenInode, allocation: Allocation): Promise<void> {
  const { offset, length, killPrivileges = false } = allocation
  // What others have written since this client looked is to be punched, too.
  const attributes = await getattr(context, inode.ino)
  if (attributes.reach === 0) {
    if (await punchInline(context, inode, allocation)) return
    throw new ClusterError('STALE_WRITE', `file ${inode.ino} went to blocks meanwhile`)
  }
  const { reach, blockBytes } = attributes
  const end = Math.min(offset + length, reach * blockBytes)
  if (end > offset)
    await tellingChanges(context, inode, attributes, () =>
      punchBlocks(context, inode, attributes, offset, end),
    )
  await commit(context, inode, undisturbed(attributes), { ...sizeKept, killPrivileges })
}

/** @returns false when the file is in blocks. */
async function punchInline(
  context: Context,
  inode: OpenInode,
  { offset, length, killPrivileges = false }: Allocation,
): Promise<boolean> {
  const { ino } = inode
  const home = partitionOfIno(ino)
  const request = { ino, offset, length, killPrivileges }
  const { body, boot } = await context.cluster.mutate('punchInline', home, request)
  if (body.written) {
    context.dirty.mark(ino, home, boot)
    changedHere(context, body.attributes, body.previousChange)
  }
  inode.learn(body.attributes)
  return body.written
}

async function punchBlocks(
  context: Context,
  inode: OpenInode,
  { ino, generation, blockBytes }: Attributes,
  from: number,
  to: number,
): Promise<void> {
  const { cluster } = context
  const block = Math.floor(from / blockBytes)
  const endBlock = Math.ceil(to / blockBytes) - 1
  const offset = from - block * blockBytes
  const endOffset = to - endBlock * blockBytes
  const request = { ino, generation, block, offset, endBlock, endOffset }
  const blocks = { ino, generation, block, reach: endBlock + 1 }
  const partitions = partitionsOfBlocks(blocks, cluster.partitionCount)
  await inParallel(partitions.length, maxBlocksInFlight, async index => {
    const partition = partitions[index]!
    const { body, boot } = await cluster.mutate('punchBlocks', partition, request)
    context.dirty.mark(ino, partition, boot)
    inode.tookSpace(generation, body.allocated)
  })
}

async function takeSpace(
  context: Context,
  inode: OpenInode,
  allocation: Allocation,
): Promise<void> {
  await checkRoom(context, inode, allocation.length)
  if (!inode.limited) {
    return await holdingSpace(context, inode, space =>
      untilUndisturbed(context, inode.ino, () => takeAll(context, inode, allocation, space)),
    )
  }
  await checkQuota(context, inode, allocation)
  // The size moves with the last: a failure leaves it as it was.
  const { offset, length } = allocation
  for (let at = offset; at < offset + length; ) {
    const to = Math.min(offset + length, at + quotaStepBytes)
    const keepSize = allocation.keepSize === true || to < offset + length
    const step = { ...allocation, offset: at, length: to - at, keepSize }
    await holdingSpace(context, inode, space =>
      untilUndisturbed(context, inode.ino, () => takeAll(context, inode, step, space)),
    )
    at = to
  }
}

async function takeAll(
  context: Context,
  inode: OpenInode,
  allocation: Allocation,
  space: SpaceHold,
): Promise<void> {
  const { offset, length, keepSize, killPrivileges = false } = allocation
  const end = offset + length
  await space.obtain(mostSpaceOf(inode.attributes, offset, length))
  const attributes = await movedToBlocks(context, inode, offset, end, space)
  await tellingChanges(context, inode, attributes, () =>
    allocateBlocks(context, inode, attributes, allocation, space),
  )
  const committing = { end: keepSize ? 0 : end, expectedSize: -1, reach: 0, killPrivileges, space }
  await commit(context, inode, undisturbed(attributes), committing)
}

/** @throws PosixError EDQUOT where it is plain from the start that the quota does not allow it. */
async function checkQuota(
  context: Context,
  inode: OpenInode,
  { length }: Allocation,
): Promise<void> {
  await holdingSpace(context, inode, async space => {
    await space.obtain(length)
    if (space.left + inode.attributes.allocated < length) throw new PosixError('EDQUOT')
  })
}

/** @throws PosixError ENOSPC where it is plain from the start that there is not enough. */
async function checkRoom(context: Context, { ino }: OpenInode, length: number): Promise<void> {
  const [{ allocated }, shares] = await Promise.all([
    getattr(context, ino),
    context.space.allPresent(),
  ])
  if (shares === null) return
  if (length > sumOf(shares).availableBytes + allocated) throw new PosixError('ENOSPC')
}

/** Attributes of the file when its data is in blocks, and they reach `end`. */
export async function movedToBlocks(
  context: Context,
  inode: OpenInode,
  offset: number,
  end: number,
  space: SpaceHold,
): Promise<Attributes> {
  const base = await baseOf(context, inode, offset, end)
  const { attributes, spilling, notAfterMs } = base
  if (spilling === null) {
    space.checkObtained()
    return attributes
  }
  try {
    space.checkObtained()
    if (spilling.length > 0) {
      const extent = { block: 0, offset: 0, length: spilling.length }
      await writeExtent(context, inode, attributes, extent, [spilling], notAfterMs, space)
    }
  } catch (error) {
    await giveBack(context, inode)
    throw error
  }
  await commit(context, inode, base, sizeKept)
  return inode.attributes
}

async function allocateBlocks(
  context: Context,
  inode: OpenInode,
  attributes: Attributes,
  { mode, offset, length }: Allocation,
  space: SpaceHold,
): Promise<void> {
  const { blockBytes } = attributes
  const count = Math.ceil((offset + length) / blockBytes) - Math.floor(offset / blockBytes)
  const atOnce = space.left === Infinity ? maxBlocksInFlight : 1
  await inParallel(count, atOnce, index => {
    const extent = nthExtent(index, offset, length, blockBytes)
    return allocateExtent(context, inode, attributes, { ...extent, zero: mode === 'zero' }, space)
  })
}

function nthExtent(index: number, offset: number, length: number, blockBytes: number): Extent {
  const block = Math.floor(offset / blockBytes) + index
  const from = Math.max(offset, block * blockBytes)
  const to = Math.min(offset + length, (block + 1) * blockBytes)
  return extentsOf(from, to - from, blockBytes)[0]!
}

async function allocateExtent(
  context: Context,
  inode: OpenInode,
  { ino, generation }: Attributes,
  { block, offset, length, zero }: Extent & { readonly zero: boolean },
  space: SpaceHold,
): Promise<void> {
  const { cluster } = context
  const partition = partitionOfBlock(ino, generation, block, cluster.partitionCount)
  const bounded = space.left === Infinity ? {} : { mayTake: space.left }
  const request = { ino, generation, block, offset, length, zero, ...bounded }
  const { notAfterMs } = space
  const changed = await cluster.mutate('allocateBlock', partition, request, [], notAfterMs)
  context.dirty.mark(ino, partition, changed.boot)
  inode.tookSpace(generation, changed.body.allocated)
  space.took(changed.body.allocated)
}

/** Also what a failure leaves behind is told; the failure itself is what its caller hears. */
export async function tellingChanges(
  context: Context,
  inode: OpenInode,
  attributes: Attributes,
  change: () => Promise<void>,
): Promise<void> {
  try {
    await change()
  } catch (error) {
    if (!isStaleWrite(error)) await tellChanged(context, inode, attributes)
    throw error
  }
}
