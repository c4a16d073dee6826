/** Requests about an open file: OPEN, READ, WRITE, FLUSH, FSYNC, RELEASE. */
import { PosixError } from '../../../network/errors.ts'
import { maxFuseDataBytes } from '../../../network/limits.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import type { OpenFile } from '../../fs/contract.ts'
import {
  initFlag2,
  openFlag,
  openKillSuidgid,
  openReplyBytes,
  openReplyFlag,
  outHeaderBytes,
  writeFlag,
} from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

export async function open(session: Session, request: Request): Promise<void> {
  const flags = request.u32(0)
  const truncate = (flags & openFlag.truncate) !== 0
  const killPrivileges = (request.u32(4) & openKillSuidgid) !== 0
  const ino = session.inoOf(request.node)
  session.handles.reserve()
  if (truncate && killPrivileges) await session.fileSystem.setattr(ino, { killPrivileges })
  const file = await session.fileSystem.open(ino, { truncate })
  const keepPages = file.keepPages && (await keepsPages(session, file, flags))
  const replyFlags = openFlagsOf(session, { ino, keepPages }, flags, truncate)
  session.reply.opened(outHeaderBytes, session.opened(file, flags, replyFlags), replyFlags)
  session.send(request, outHeaderBytes + openReplyBytes)
}

/**
 * A read from pages that the kernel keeps would not be heard of, and the access time not move: the first page,
 * which a reader wants first, is given up for it. Of a small file, whose data came with the answer to the open, all of them:
 * that the kernel does by itself as it opens the file.
 */
async function keepsPages(session: Session, file: OpenFile, flags: number): Promise<boolean> {
  if (!willMoveAccessTime(file, flags)) return true
  return file.attributes.reach > 0 && (await giveUpStart(session, file.ino))
}

function willMoveAccessTime({ attributes, accessDue }: OpenFile, flags: number): boolean {
  const writesOnly = (flags & openFlag.accessMode) === openFlag.writeOnly
  return accessDue && attributes.size > 0 && !writesOnly && (flags & openFlag.quiet) === 0
}

/** @returns false when the kernel could not be told: it is to drop all pages then, as it opens the file. */
async function giveUpStart(session: Session, ino: Ino): Promise<boolean> {
  try {
    await session.invalidateStart(ino)
    return true
  } catch (error) {
    session.events.onUnexpected(error, 'open')
    return false
  }
}

/**
 * Flags of the reply to OPEN and CREATE.
 * @param flags those of open(2).
 * @param isEmpty it has just been made, or emptied.
 */
export function openFlagsOf(
  session: Session,
  file: Pick<OpenFile, 'ino' | 'keepPages'>,
  flags: number,
  isEmpty: boolean,
): number {
  const isThrough = isEmpty || session.handles.isReadWrittenThrough(file.ino)
  const direct = goesPastPages(session, flags, isThrough) ? openReplyFlag.directIo : 0
  const keep = direct | (file.keepPages ? openReplyFlag.keepCache : 0)
  const { writesThrough, locks } = session.fileSystem
  const mayLeavePages = session.writtenPages.times !== null && (flags & openFlag.accessMode) !== 0
  // A process's record locks end when it closes the file: FLUSH tells who does.
  const isFlushed = writesThrough !== true || locks !== undefined || mayLeavePages
  return isFlushed ? keep : keep | openReplyFlag.noFlush
}

/**
 * Through its pages the kernel writes what does not fill the first of them by itself: an append would be two,
 * and what another mount appends could come between them. Past them it is one, up to the size of a request.
 * What is read and written (a database, mostly) goes past them, as the kernel takes no word of what other mounts
 * have changed while a program here writes to the file: its pages, and where it ends for those, could be old. But for what
 * was empty when it was opened, which is written first and read by others later: `dropStale` looks after its pages.
 * @param isThrough what is read and written goes through them.
 */
function goesPastPages(session: Session, flags: number, isThrough: boolean): boolean {
  const access = flags & openFlag.accessMode
  const append = (flags & openFlag.append) !== 0
  if ((session.agreed2 & initFlag2.directIoAllowMmap) === 0) {
    return append && access === openFlag.writeOnly
  }
  return append || (access === openFlag.readWrite && !isThrough)
}

export async function read(session: Session, request: Request): Promise<void> {
  const handle = request.u64(0)
  const file = session.handles.file(handle)
  const length = Math.min(request.u32(16), maxFuseDataBytes)
  if (request.i64(8) > Number.MAX_SAFE_INTEGER) {
    // No file of ours reaches so far: past its pages the kernel asks all the same.
    session.sendPieces(request, [], 0)
    return
  }
  const flags = request.u32(32)
  const direct = (flags & openFlag.direct) !== 0 || session.handles.goesPastPages(handle)
  // Before it reads through its pages the kernel asks for the attributes (FUSE_AUTO_INVAL_DATA), unless it goes by leased ones.
  const options = { quiet: (flags & openFlag.quiet) !== 0, asked: !direct }
  const step = () => session.fileSystem.read(file, request.u64(8), length, options)
  const pieces = await (direct ? step() : session.writtenPages.read(file.ino, step))
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  if (bytes > length) throw new PosixError('EIO', 'more was read than was asked for')
  session.sendPieces(request, pieces, bytes)
}

export async function write(session: Session, request: Request): Promise<void> {
  const handle = request.u64(0)
  const file = session.handles.file(handle)
  const length = request.u32(16)
  const flags = request.u32(20)
  const data = request.data(40, length)
  /** What comes from mapped pages has its place, however the file was opened. */
  const mapped = (flags & writeFlag.cache) !== 0
  if (mapped) session.handles.sawMapped(file.ino)
  const opened = mapped ? 0 : request.u32(32)
  const options = {
    append: (opened & openFlag.append) !== 0,
    killPrivileges: (flags & writeFlag.killSuidgid) !== 0,
    lend: () => session.lend(request),
  }
  const pastPages = !mapped && session.handles.goesPastPages(handle)
  const step = async () => {
    await session.fileSystem.write(file, request.u64(8), data, options)
    // Of what goes through its pages the kernel asks for that itself (generic_write_sync), of what goes past them it does not.
    if (pastPages && (opened & openFlag.dataSync) !== 0) {
      await session.fileSystem.fsync(file.ino, file)
    }
  }
  try {
    if (pastPages) await session.writtenPages.writePast(file.ino, step)
    else await session.writtenPages.writeThrough(file.ino, length, step)
  } catch (error) {
    session.pageDrops.begin(file.ino)
    throw error
  } finally {
    session.writtenPages.answered(request.thread, file.ino)
  }
  session.wrote(length)
  session.reply.u32(outHeaderBytes, length)
  session.reply.u32(outHeaderBytes + 4, 0)
  session.send(request, outHeaderBytes + 8)
}

export function flush(session: Session, request: Request): Promise<void> | undefined {
  const { fileSystem } = session
  const file = session.handles.file(request.u64(0))
  const unlocked = fileSystem.locks?.closed(file, request.i64(16)) ?? null
  // Of a loss of power fsync tells: a copy of the descriptor may be closed by who does not look.
  const settled = fileSystem.settle?.(file) ?? null
  const isDone = unlocked === null && settled === null && fileSystem.writesThrough === true
  if (isDone && !session.writtenPages.isUntold(file.ino)) {
    session.done(request)
    return
  }
  return flushLater(session, request, file, [unlocked, settled])
}

async function flushLater(
  session: Session,
  request: Request,
  file: OpenFile,
  before: readonly (Promise<void> | null)[],
): Promise<void> {
  try {
    await Promise.all(before)
  } catch (error) {
    session.pageDrops.begin(file.ino)
    throw error
  }
  if (session.fileSystem.writesThrough !== true) await session.fileSystem.flush(file)
  await session.writtenPages.closing(file.ino)
  session.done(request)
}

export async function fsync(session: Session, request: Request): Promise<void> {
  const ino = session.inoOf(request.node)
  try {
    await session.fileSystem.fsync(ino, session.handles.file(request.u64(0)))
  } catch (error) {
    session.pageDrops.begin(ino)
    throw error
  }
  session.done(request)
}

export function release(session: Session, request: Request): undefined {
  const file = session.handles.takeFile(request.u64(0))
  if (!session.handles.told.isOpen(file.ino)) session.writtenPages.closed(file.ino)
  session.fileSystem.release(file)
  session.done(request)
}
