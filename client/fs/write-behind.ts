/**
 * Writing behind: a file that this client alone works on (a write lease) takes what is written to it at once.
 *
 * 1. Nobody sees that: others that look at the inode have the lease called back, which is answered when all of it is on the
 *    servers; whoever asks through this client has it sent first (`WritesBehind.settled`).
 * 2. Blocks are sent only while the lease holds. What is left when it has ended unheard is sent when it was granted again
 *    and nobody has changed its data since; else it is lost.
 * 3. What is lost is told to each open file once (`OpenHandle.assertWritten`), and the file is written through for a while.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  behindErrorRestMs,
  behindResumeMs,
  chunkBytes,
  maxBehindTermWaits,
  maxBehindWriteBytes,
  maxFileBytes,
  operationDeadlineMs,
} from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Piece } from '../cache/write-buffer.ts'
import type { Sender } from '../cache/writes-behind.ts'
import { isStaleWrite } from '../cluster/retry.ts'
import { getattr } from './attributes.ts'
import { type Context, changedHere } from './context.ts'
import type { Lend } from './contract.ts'
import { inTurnBehind } from './in-turn.ts'
import { writePieces } from './write-pieces.ts'

/**
 * Takes what was written, if the file may be written behind: then the write is done.
 * @param offset null: at the end.
 * @param lend spares whole blocks the copy.
 * @returns whether it was taken; a promise of that where there is no room now.
 * @throws PosixError EFBIG
 */
export function takeBehind(
  context: Context,
  inode: OpenInode,
  offset: number | null,
  data: Uint8Array,
  lend?: Lend,
): boolean | Promise<boolean> {
  const { behind, pages } = context
  const { ino } = inode
  if (!mayWriteBehind(context, inode)) return false
  // Where the file will end by then is not known.
  if (offset === null && inode.behind.changing > 0) return false
  const term = context.cluster.writing.termOf(ino)
  // What is left of another term has yet to find out whether it may be sent.
  const before = term === inode.behind.term ? null : behind.settled(ino)
  const at = offset ?? Math.max(inode.attributes.size, behind.endOf(ino))
  const isLent = lend !== undefined && isWholeBlocks(inode, at, data)
  const room = before ?? behind.room(ino, data.length, pages, isLent)
  if (room === false) return false
  if (room !== null) return room.then(() => takeBehind(context, inode, offset, data, lend))
  if (at + data.length > maxFileBytes) throw new PosixError('EFBIG')
  const giveBack = isLent ? lend() : null
  if (giveBack === null && data.length > maxBehindWriteBytes) return false
  inode.behind.term = term
  inode.behind.change = inode.attributes.change
  inode.behind.end = Math.max(inode.behind.end, at + data.length)
  behind.add(ino, at, data, () => senderOf(context, inode), giveBack)
  return true
}

function isWholeBlocks(
  { attributes: { blockBytes } }: OpenInode,
  offset: number,
  data: Uint8Array,
) {
  return offset % blockBytes === 0 && data.length % blockBytes === 0
}

function mayWriteBehind({ cluster }: Context, inode: OpenInode): boolean {
  if (inode.limited || inode.gone || !cluster.writing.mayWrite(inode.ino)) return false
  return inode.behind.throughUntilMs <= cluster.env.clock.monotonicMs()
}

function senderOf(context: Context, inode: OpenInode): Sender {
  return {
    surface: context.pages,
    blockBytes: inode.attributes.blockBytes,
    send: async pieces => {
      try {
        await inTurnBehind(context, inode, false, () => sendOrSpare(context, inode, pieces))
      } catch (error) {
        inode.behind.failed(error, restsUntilMs(context))
        // Programs that have the file open are told; of what was closed, or is unmounted, nobody else would know.
        context.cluster.log.warn(
          { ino: inode.ino, bytes: bytesOf(pieces), error },
          'what was written to a file could not be kept',
        )
        context.pages.forget(inode.ino)
      }
    },
  }
}

function bytesOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { data }) => sum + data.length, 0)
}

function restsUntilMs({ cluster }: Context): number {
  return cluster.env.clock.monotonicMs() + behindErrorRestMs
}

/**
 * Data that is written over takes space until it is indexed: where there is too little for all of it at a time, it goes
 * chunk by chunk.
 * @throws PosixError
 */
async function sendOrSpare(
  context: Context,
  inode: OpenInode,
  pieces: readonly Piece[],
): Promise<void> {
  try {
    await send(context, inode, pieces)
  } catch (error) {
    if (!(error instanceof PosixError && error.code === 'ENOSPC')) throw error
    inode.behind.throughUntilMs = restsUntilMs(context)
    for (const piece of pieces) {
      for (const part of chunksOf(piece)) await send(context, inode, [part])
    }
  }
}

function* chunksOf({ offset, data }: Piece): Generator<Piece> {
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + chunkBytes - ((offset + at) % chunkBytes))
    yield { offset: offset + at, data: data.subarray(at, end) }
    at = end
  }
}

/** @throws PosixError */
async function send(context: Context, inode: OpenInode, pieces: readonly Piece[]): Promise<void> {
  const { env } = context.cluster
  const lateMs = env.clock.monotonicMs() + operationDeadlineMs
  for (let waits = 0; ; ) {
    const untilMs = untilMsOf(context, inode)
    if (untilMs <= env.clock.uptimeMs()) {
      if (waits++ < maxBehindTermWaits && !isInTerm(context, inode)) {
        await env.timers.sleep(behindResumeMs)
      } else await resume(context, inode, lateMs)
      continue
    }
    try {
      await writePieces(context, inode, pieces, untilMs)
      return
    } catch (error) {
      if (!isStaleWrite(error)) throw error
      if (env.clock.monotonicMs() > lateMs) {
        const text = `the lease of file ${inode.ino} ended again and again`
        throw new PosixError('EIO', text, { cause: error })
      }
      await lookAgain(context, inode)
    }
  }
}

/**
 * Whether what is asked for now can be kept; else a term is asked for. What is granted and not kept is called back for who waits
 * for what is left, and given up before it was asked for again.
 */
function isInTerm({ cluster }: Context, { ino }: OpenInode): boolean {
  return cluster.leases.asking(partitionOfIno(ino)).term !== null
}

/** Until when it may be sent, as `writesUntilMs`; in the past where the lease has ended. */
function untilMsOf({ cluster: { writing } }: Context, { ino, behind }: OpenInode): number {
  return writing.termOf(ino) === behind.term ? writing.writesUntilMs(ino) : Number.NEGATIVE_INFINITY
}

/** As long as the lease holds, what has changed was changed by this client. */
async function lookAgain(context: Context, inode: OpenInode): Promise<void> {
  const { env } = context.cluster
  await env.timers.sleep(1)
  const { change } = await getattr(context, inode.ino)
  if (untilMsOf(context, inode) > env.clock.uptimeMs()) inode.behind.change = change
}

/** The lease has ended unheard: asks for it again. @throws PosixError EIO when another has changed the file. */
async function resume(context: Context, inode: OpenInode, lateMs: number): Promise<void> {
  const { env, writing } = context.cluster
  const asking = askAgain(context, inode)
  inode.behind.resuming = asking.catch(() => undefined)
  await asking.finally(() => {
    inode.behind.resuming = null
  })
  if (writing.writesUntilMs(inode.ino) > env.clock.uptimeMs()) return
  if (env.clock.monotonicMs() > lateMs) {
    throw new PosixError('EIO', `the lease of file ${inode.ino} ended, and there was no other`)
  }
  await env.timers.sleep(behindResumeMs)
}

/** @throws PosixError EIO when another has changed the file. */
async function askAgain(context: Context, inode: OpenInode): Promise<void> {
  const { cluster } = context
  const { writing } = cluster
  const { ino } = inode
  const before = inode.behind.change
  const request = { ino, reach: 0, exclusive: false, resumes: true as const, flushes: before }
  try {
    const { body } = await writing.during(ino, () =>
      cluster.mutate('reserve', partitionOfIno(ino), request),
    )
    const { change } = body.attributes
    // Else others may have changed attributes before.
    if (body.leaseMs > 0 && change === before + 1) {
      changedHere(context, body.attributes, before)
    }
    inode.behind.change = change
    inode.learn(body.attributes)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    const text = `file ${ino} was changed by others while its server could not be reached`
    throw new PosixError('EIO', text, { cause: error })
  }
  if (writing.writesUntilMs(ino) > cluster.env.clock.uptimeMs()) {
    inode.behind.term = writing.termOf(ino)
  }
}
