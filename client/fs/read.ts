/** read(2): inline data, blocks in parallel, read-ahead; holes are zeros, a wrong byte is EIO. */
import { PosixError } from '../../network/errors.ts'
import { maxBlocksInFlight, maxReadRedos } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Payload } from '../cluster/contract.ts'
import { inParallel } from '../cluster/parallel.ts'
import { getattr } from './attributes.ts'
import { type Extent, extentsOf, readExtent, sliceOf } from './blocks.ts'
import type { Context } from './context.ts'
import type { OpenFile, ReadOptions } from './contract.ts'
import { fetchInline } from './inline.ts'
import { handleOf, type OpenHandle } from './open-handle.ts'

const noPieces: Payload = []

export async function read(
  context: Context,
  file: OpenFile,
  offset: number,
  length: number,
  options?: ReadOptions,
): Promise<Payload> {
  const handle = handleOf(file)
  const { inode } = handle
  handle.heardFrom(context.pages)
  const data = await readNow(context, handle, offset, length, options?.asked === true)
  if (!context.quiet && options?.quiet !== true) context.accesses.read(inode)
  return data
}

/** @param asked the attributes have just been asked for. */
async function readNow(
  context: Context,
  handle: OpenHandle,
  offset: number,
  length: number,
  asked: boolean,
): Promise<Payload> {
  const { inode } = handle
  let fresh = asked
  for (let redo = 0; redo <= maxReadRedos; redo++) {
    const { attributes, inline } = inode
    const { size } = attributes
    if (inline !== null && offset < size && fresh) {
      return sliceOfInline(inline, size, offset, length)
    }
    if (inline === null && !inode.inBlocks) {
      await fetchInline(context, inode)
      fresh = true
      continue
    }
    if (!fresh && (offset >= size || inline !== null)) {
      await getattr(context, inode.ino)
      fresh = true
      continue
    }
    if (offset >= size || length === 0) return noPieces
    // Whether the file is still the one we know, and where it ends, is asked while it is read: mostly so.
    const asks: boolean = !fresh
    const [pieces, latest] = await Promise.all([
      readBlocks(context, handle, offset, Math.min(length, size - offset)),
      asks ? getattr(context, inode.ino) : attributes,
    ])
    if (pieces !== null && latest.change === attributes.change) return pieces
    fresh ||= asks
  }
  throw new PosixError('EIO', `file ${inode.ino} was truncated again and again during a read`)
}

/** @returns null when the file was truncated meanwhile: what came may be neither before nor after. */
async function readBlocks(
  context: Context,
  handle: OpenHandle,
  offset: number,
  length: number,
): Promise<Payload | null> {
  const { inode, ahead } = handle
  const { attributes } = inode
  const extents = extentsOf(offset, length, attributes.blockBytes)
  const reading = inParallel(extents.length, maxBlocksInFlight, index =>
    readPart(context, handle, attributes, extents[index]!),
  )
  ahead.advance(attributes, offset, offset + length, block =>
    readExtent(context, attributes, wholeBlock(attributes, block)),
  )
  const parts = await reading
  if (parts.includes(null) && (await truncatedSince(context, handle, attributes))) return null
  if (parts.length === 1 && parts[0]) return parts[0]
  return parts.flatMap((part, index) => part ?? [new Uint8Array(extents[index]!.length)])
}

async function readPart(
  context: Context,
  handle: OpenHandle,
  attributes: Attributes,
  extent: Extent,
): Promise<Payload | null> {
  const fetched = handle.ahead.get(attributes, extent.block)
  if (fetched === undefined) return readExtent(context, attributes, extent)
  const whole = await fetched.catch(() => undefined)
  // The fetch ahead failed: this reader asks by itself, and hears the reason itself.
  if (whole === undefined) return readExtent(context, attributes, extent)
  return whole === null ? null : sliceOf(whole, extent.offset, extent.length)
}

/** An absent block is a hole, unless the file it belonged to has been cut since. */
async function truncatedSince(
  context: Context,
  handle: OpenHandle,
  then: Attributes,
): Promise<boolean> {
  const { inode } = handle
  await fetchInline(context, inode)
  const { generation, cuts } = inode.attributes
  return !inode.inBlocks || generation !== then.generation || cuts !== then.cuts
}

function wholeBlock({ size, blockBytes }: Attributes, block: number): Extent {
  return { block, offset: 0, length: Math.min(blockBytes, size - block * blockBytes) }
}

/** A file that was lengthened by truncate(2) may have less data than its size. */
function sliceOfInline(
  data: Uint8Array,
  size: number,
  offset: number,
  length: number,
): Uint8Array[] {
  const end = Math.min(size, offset + length)
  const present = data.subarray(offset, end)
  const missing = end - offset - present.length
  if (missing === 0) return [present]
  const zeros = new Uint8Array(missing)
  return present.length === 0 ? [zeros] : [present, zeros]
}
