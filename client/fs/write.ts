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
import { maxFileBytes, operationDeadlineMs } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import { isStaleWrite, retryDelayMs } from '../cluster/retry.ts'
import { getattr } from './attributes.ts'
import { type Context, changedHere } from './context.ts'
import type { OpenFile, WriteOptions } from './contract.ts'
import { checksumOf } from './inline.ts'
import { handleOf } from './open-handle.ts'
import { SpaceHold } from './space-hold.ts'
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

export async function write(
  context: Context,
  file: OpenFile,
  offset: number,
  data: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const handle = handleOf(file)
  const { inode } = handle
  handle.heardFrom(context.pages)
  if (data.length === 0) return
  const append = options.append === true
  if (!append && offset + data.length > maxFileBytes) throw new PosixError('EFBIG')
  const killPrivileges = options.killPrivileges === true
  handle.ahead.drop()
  // Writers that change neither size nor place need not wait for each other.
  const shared = !append && inode.inBlocks && offset + data.length <= inode.attributes.size
  await inTurn(context, inode, shared, () =>
    holdingSpace(context, inode, space =>
      writeInTurn(context, { inode, data, offset, append, killPrivileges, space }),
    ),
  )
}

/** Changes data in its turn among this client's writers of the file. */
export async function inTurn(
  context: Context,
  inode: OpenInode,
  shared: boolean,
  change: () => Promise<void>,
): Promise<void> {
  const turn = inode.turns.enter(shared)
  if (turn !== undefined) await turn
  try {
    await change()
  } catch (error) {
    // No more blocks for it: whoever purged it would not find them.
    if (error instanceof PosixError && error.code === 'ESTALE') context.inodes.wentAway(inode)
    throw error
  } finally {
    inode.turns.leave(shared)
  }
}

/** What is held of a quota for this change, and not spent by it, is given back. */
export async function holdingSpace(
  context: Context,
  inode: OpenInode,
  change: (space: SpaceHold) => Promise<void>,
): Promise<void> {
  const space = new SpaceHold(context, inode)
  try {
    await change(space)
  } finally {
    if (space.id !== null) await space.end()
  }
}

function writeInTurn(context: Context, writing: Writing): Promise<void> {
  return untilUndisturbed(context, writing.inode.ino, async () => {
    if (mayStayInline(writing) && (await writeInline(context, writing))) return
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

function mayStayInline({ inode, data, offset, append }: Writing): boolean {
  const { size, inlineBytes } = inode.attributes
  const end = (append ? size : offset) + data.length
  return !inode.inBlocks && Math.max(size, end) <= inlineBytes
}

/** @returns false when the file is in blocks, or would have to be. */
async function writeInline(context: Context, writing: Writing): Promise<boolean> {
  const { inode, data, append, killPrivileges } = writing
  const { ino } = inode
  const payload = [data]
  const home = partitionOfIno(ino)
  const { leases } = context.cluster
  const asked = leases.asking(home)
  const { body, boot } = await context.cluster.mutate(
    'writeInline',
    home,
    {
      ino,
      offset: append ? 0 : writing.offset,
      append,
      checksum: checksumOf(payload),
      killPrivileges,
    },
    payload,
  )
  if (body.written) {
    leases.keepChanged(body.attributes, asked, body.leaseMs)
    context.dirty.mark(ino, home, boot)
    changedHere(context, body.attributes, body.previousChange)
  }
  inode.learn(body.attributes)
  inode.limited = body.limited === true
  return body.written
}
