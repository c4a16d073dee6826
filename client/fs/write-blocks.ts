/** The way of blocks: reserve, write them in parallel, commit. One attempt; see write-through.ts. */
import { PosixError } from '../../network/errors.ts'
import {
  appendWritesMs,
  maxAppendRedos,
  maxBlocksInFlight,
  maxFileBytes,
  reserveAheadBlocks,
} from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { CommitWriteRequest, Flushing } from '../../network/wire/operations.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Payload } from '../cluster/contract.ts'
import { inParallel } from '../cluster/parallel.ts'
import { isStaleWrite } from '../cluster/retry.ts'
import { bytesIn, type Extent, extentsOf, sliceOf, writeExtent } from './blocks.ts'
import { type Context, changedHere } from './context.ts'
import { verifiedInline } from './inline.ts'
import { mostSpaceOf, mostSpaceOfAppend, type SpaceHold } from './space-hold.ts'
import type { Writing } from './write-through.ts'

/** What a write is built on. */
export interface Base {
  readonly attributes: Attributes
  /** Inline data that has to move to block 0; null when the file is in blocks already. */
  readonly spilling: Uint8Array | null
  /** No block may be sent after this moment: others may append, or move the inline data, by then. */
  readonly notAfterMs: number
}

/** @throws ClusterError STALE_WRITE, PosixError. */
export async function writeBlocks(context: Context, writing: Writing): Promise<void> {
  const { append, inode, data, killPrivileges, space } = writing
  await space.obtain(
    append
      ? mostSpaceOfAppend(inode.attributes, data.length)
      : mostSpaceOf(inode.attributes, writing.offset, data.length),
  )
  let base: Base | null = null
  let offset: number
  try {
    base = await (append ? appendBaseOf(context, writing) : baseOfWrite(context, writing))
    space.checkObtained()
    offset = append ? base.attributes.size : writing.offset
    await putBlocks(context, inode, base, offset, data, space)
  } catch (error) {
    const spills = base !== null && base.spilling !== null
    if (append || spills) await giveBack(context, inode)
    if (base !== null && !isStaleWrite(error)) await tellChanged(context, inode, base.attributes)
    throw error
  }
  const { attributes } = base
  const end = offset + data.length
  const ahead = reachAhead(attributes, offset, end)
  const expectedSize = append ? attributes.size : -1
  const asks = killPrivileges ? {} : inode.asksBehind
  const committing = { end, expectedSize, reach: ahead, killPrivileges, space, ...asks }
  return commit(context, inode, base, committing)
}

/** What `commitWrite` is to do. */
type Committing = Pick<
  CommitWriteRequest,
  'end' | 'expectedSize' | 'reach' | 'killPrivileges' | 'behind' | 'flushes'
> & {
  /** What is held for it ends with it. */
  readonly space?: SpaceHold
}

/** @throws ClusterError STALE_WRITE, PosixError. */
export async function commit(
  context: Context,
  inode: OpenInode,
  { attributes, spilling }: Base,
  { end, expectedSize, reach, killPrivileges, space, behind, flushes }: Committing,
): Promise<void> {
  const { ino, generation, cuts } = attributes
  const home = partitionOfIno(ino)
  const spilled = spilling === null ? 0 : attributes.change
  const allocated = inode.takeUntold(generation)
  const where = { ino, end, generation, cuts, spilled, expectedSize, reach }
  const hold = space?.id ?? null
  const asks = {
    ...(hold === null ? {} : { hold }),
    ...(behind && { behind }),
    ...(flushes !== undefined && { flushes }),
  }
  const request = { ...where, killPrivileges, allocated, ...asks }
  try {
    const { leases, writing } = context.cluster
    const asked = leases.asking(home)
    const { body, boot } = await writing.during(ino, () =>
      context.cluster.mutate('commitWrite', home, request),
    )
    leases.keepChanged(body.attributes, asked, body.leaseMs)
    context.dirty.mark(ino, home, boot)
    changedHere(context, body.attributes, body.previousChange)
    if (flushes !== undefined) inode.behind.change = body.attributes.change
    inode.learn(body.attributes)
    inode.limited = body.limited === true
    space?.spent()
  } catch (error) {
    inode.tookSpace(generation, allocated)
    throw error
  }
}

function baseOfWrite(context: Context, { inode, data, offset }: Writing): Promise<Base> {
  return baseOf(context, inode, offset, offset + data.length)
}

/** A commit that leaves the size as it is. */
export const sizeKept = { end: 0, expectedSize: -1, reach: 0, killPrivileges: false } as const

/** A base that has nothing to move to blocks. */
export function undisturbed(attributes: Attributes): Base {
  return { attributes, spilling: null, notAfterMs: Infinity }
}

/**
 * Of blocks that changed for what then failed: they take their space all the same, and what others keep of
 * the file is out of date.
 */
export async function tellChanged(
  context: Context,
  inode: OpenInode,
  attributes: Attributes,
): Promise<void> {
  if (!inode.hasUntold(attributes.generation)) return
  // What cannot be told now is told by the next commit.
  await commit(context, inode, undisturbed(attributes), sizeKept).catch(() => undefined)
}

/**
 * Attributes whose reach covers the range, and the inline data if there is any. Also made sure of: that nobody has written
 * behind, before this write began, what would then come over it.
 */
export async function baseOf(
  context: Context,
  inode: OpenInode,
  offset: number,
  end: number,
  flushing: Flushing = {},
): Promise<Base> {
  const { attributes } = inode
  const needed = blocksUpTo(end, attributes.blockBytes)
  const isCalm = context.cluster.writing.isCalm(inode.ino)
  if (inode.inBlocks && attributes.reach >= needed && isCalm)
    return { attributes, spilling: null, notAfterMs: Infinity }
  return reserve(
    context,
    inode,
    Math.max(needed, reachAhead(attributes, offset, end)),
    false,
    flushing,
  )
}

/** As `baseOf`, with the inode reserved for this append. */
async function appendBaseOf(context: Context, { inode, data }: Writing): Promise<Base> {
  const { blockBytes } = inode.attributes
  let { size } = inode.attributes
  for (let redo = 0; redo <= maxAppendRedos; redo++) {
    const end = size + data.length
    if (end > maxFileBytes) throw new PosixError('EFBIG')
    const ahead = reachAhead(inode.attributes, size, end)
    const reach = Math.max(blocksUpTo(end, blockBytes), ahead)
    const base = await reserve(context, inode, reach, true)
    size = base.attributes.size
    if (blocksUpTo(size + data.length, blockBytes) <= reach) return base
    // Others have appended since we looked, and now it does not reach far enough.
    await giveBack(context, inode)
  }
  throw new PosixError('EIO', `file ${inode.ino} grew during each of ${maxAppendRedos} appends`)
}

async function reserve(
  context: Context,
  inode: OpenInode,
  reach: number,
  exclusive: boolean,
  flushing: Flushing = {},
): Promise<Base> {
  const { ino } = inode
  const request = { ino, reach, exclusive, ...flushing }
  const { cluster } = context
  const { body, payload, sentMs } = await cluster.writing.during(ino, () =>
    cluster.mutate('reserve', partitionOfIno(ino), request),
  )
  const notAfterMs = exclusive || body.inline ? sentMs + appendWritesMs : Infinity
  const { attributes } = body
  inode.learn(attributes)
  inode.limited = body.limited === true
  if (!body.inline) return { attributes, spilling: null, notAfterMs }
  const spilling = verifiedInline(payload, body.checksum)
  if (spilling !== null) return { attributes, spilling, notAfterMs }
  throw new PosixError('EIO', `the data of file ${ino} does not match its checksum`)
}

/** Ends the reservation of an append or a spill, so that others need not wait for its deadline. */
export async function giveBack(context: Context, { ino }: OpenInode): Promise<void> {
  const request = { ino, reach: 0, exclusive: false }
  try {
    await context.cluster.mutate('reserve', partitionOfIno(ino), request)
  } catch {
    // The append itself reports what went wrong; the server's deadline ends the reservation.
  }
}

async function putBlocks(
  context: Context,
  inode: OpenInode,
  { attributes, spilling, notAfterMs }: Base,
  offset: number,
  data: Uint8Array,
  space: SpaceHold,
): Promise<void> {
  const extents = extentsOf(offset, data.length, attributes.blockBytes)
  const pieces = extents.map(({ block, offset: within, length }) => {
    const from = block * attributes.blockBytes + within - offset
    return [data.subarray(from, from + length)]
  })
  if (spilling !== null && spilling.length > 0) spillInto(extents, pieces, spilling)
  const atOnce = space.left === Infinity ? maxBlocksInFlight : 1
  await inParallel(extents.length, atOnce, index =>
    writeExtent(context, inode, attributes, extents[index]!, pieces[index]!, notAfterMs, space),
  )
}

/** Puts the inline data below what is written to block 0, or into a block 0 of its own. */
function spillInto(extents: Extent[], pieces: Uint8Array[][], spilling: Uint8Array): void {
  const first = extents[0]!
  if (first.block > 0) {
    extents.unshift({ block: 0, offset: 0, length: spilling.length })
    pieces.unshift([spilling])
    return
  }
  const merged = overlay([spilling], first.offset, pieces[0]!)
  extents[0] = { block: 0, offset: 0, length: bytesIn(merged) }
  pieces[0] = merged
}

/** `upper` at `offset` over `lower`, with zeros where neither says anything. */
function overlay(lower: Payload, offset: number, upper: Payload): Uint8Array[] {
  const before = sliceOf(lower, 0, offset)
  const gap = offset - bytesIn(before)
  const end = offset + bytesIn(upper)
  const after = sliceOf(lower, end, Math.max(0, bytesIn(lower) - end))
  return gap > 0 ? [...before, new Uint8Array(gap), ...upper] : [...before, ...upper, ...after]
}

/**
 * How far a file that grows from its end on should be reserved: as far again as it is long, within
 * bounds, in steps that spare most writes the request. 0 where nothing is to be gained.
 */
export function reachAhead(
  { size, reach, blockBytes }: Attributes,
  offset: number,
  end: number,
): number {
  const needed = blocksUpTo(end, blockBytes)
  if (offset !== size || needed <= 1) return 0
  const ahead = Math.min(needed, reserveAheadBlocks)
  if (reach - needed >= ahead / 2) return 0
  return Math.min(needed + ahead, blocksUpTo(maxFileBytes, blockBytes))
}

function blocksUpTo(end: number, blockBytes: number): number {
  return Math.ceil(end / blockBytes)
}
