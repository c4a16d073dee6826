/**
 * write(2), write-through: small files go inline in one request; others reserve, write their blocks in
 * parallel, and commit.
 *
 * 1. No block is written before the inode's `reach` covers it: a purge finds every block.
 * 2. Nothing of a write shows before `commitWrite`, which refuses (STALE_WRITE) what was built on a state
 *    that is no more; then the whole write is done again.
 * 3. An append writes its blocks only while the inode is reserved to it: nobody else commits there. When a
 *    part of that time has passed since it asked, it sends no more of them and begins again.
 */
import { PosixError } from '../../network/errors.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { WriteInlineRequest } from '../../network/wire/operations.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import { isStaleWrite, retryDelayMs } from '../cluster/retry.ts'
import { getattr } from './attributes.ts'
import { type Context, changedHere } from './context.ts'
import { inTurn } from './in-turn.ts'
import { checksumOf } from './inline.ts'
import { holdingSpace, type SpaceHold } from './space-hold.ts'
import { writeBlocks } from './write-blocks.ts'

/** One call of write(2). */
export interface Writing {
  readonly inode: OpenInode
  readonly data: Uint8Array
  /** Meaningless for an append. */
  readonly offset: number
  readonly append: boolean
  readonly killPrivileges: boolean
  readonly space: SpaceHold
}

export async function writeThrough(
  context: Context,
  writing: Omit<Writing, 'space'>,
): Promise<void> {
  const { inode, offset, data, append } = writing
  // Writers that change neither size nor place need not wait for each other.
  const shared = !append && inode.inBlocks && offset + data.length <= inode.attributes.size
  await inTurn(context, inode, shared, () =>
    holdingSpace(context, inode, space => writeInTurn(context, { ...writing, space })),
  )
}

function writeInTurn(context: Context, writing: Writing): Promise<void> {
  return untilUndisturbed(context, writing.inode.ino, async () => {
    if (mayStayInline(writing) && (await writeSmall(context, writing))) return
    await writeBlocks(context, writing)
  })
}

/**
 * Makes a change that others may overtake, on the newer state each time; for as long as a reservation that
 * stands in its way may hold, and longer.
 * @throws PosixError EIO when it was overtaken until `operationDeadlineMs` had passed.
 */
export async function untilUndisturbed(
  context: Context,
  ino: Ino,
  attempt: () => Promise<void>,
): Promise<void> {
  const { env } = context.cluster
  const lateMs = env.clock.monotonicMs() + operationDeadlineMs
  for (let redo = 0; ; redo++) {
    if (redo > 1) await env.timers.sleep(retryDelayMs(redo, env.random))
    try {
      return await attempt()
    } catch (error) {
      if (!isStaleWrite(error)) throw error
      if (redo > 1 && env.clock.monotonicMs() > lateMs) {
        const message = `a write to file ${ino} was overtaken or delayed each time`
        throw new PosixError('EIO', message, { cause: error })
      }
      await getattr(context, ino)
    }
  }
}

function writeSmall(context: Context, writing: Writing): Promise<boolean> {
  const { inode, data, append, offset, killPrivileges } = writing
  const where = { offset: append ? 0 : offset, append, killPrivileges }
  return writeInline(context, inode, data, { ...where, ...inode.asksBehind })
}

function mayStayInline({ inode, data, offset, append }: Writing): boolean {
  const { size, inlineBytes } = inode.attributes
  const end = (append ? size : offset) + data.length
  return !inode.inBlocks && Math.max(size, end) <= inlineBytes
}

/** @returns false when the file is in blocks, or would have to be. */
export async function writeInline(
  context: Context,
  inode: OpenInode,
  data: Uint8Array,
  where: Pick<WriteInlineRequest, 'offset' | 'append' | 'killPrivileges' | 'behind' | 'flushes'>,
): Promise<boolean> {
  const { ino } = inode
  const payload = [data]
  const home = partitionOfIno(ino)
  const { leases, writing } = context.cluster
  const asked = leases.asking(home)
  const request = { ino, ...where, checksum: checksumOf(payload) }
  const { body, boot } = await writing.during(ino, () =>
    context.cluster.mutate('writeInline', home, request, payload),
  )
  if (body.written) {
    leases.keepChanged(body.attributes, asked, body.leaseMs)
    context.dirty.mark(ino, home, boot)
    changedHere(context, body.attributes, body.previousChange)
    if (where.flushes !== undefined) inode.behind.change = body.attributes.change
  }
  inode.learn(body.attributes)
  inode.limited = body.limited === true
  return body.written
}
