/** Requests about one inode's attributes: GETATTR, SETATTR, READLINK, STATFS. */
import { PosixError } from '../../../network/errors.ts'
import type { Attributes } from '../../../network/wire/attributes.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import type { SetAttributes } from '../../fs/contract.ts'
import { changedWhileGone } from '../last-attributes.ts'
import { outHeaderBytes, setattrFlag } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

const nsPerSecond = 1_000_000_000n

export async function getattr(session: Session, request: Request): Promise<void> {
  const { lastChecks } = session
  const asked = lastChecks.asked(request.thread)
  const attributes = await attributesOf(session, session.inoOf(request.node))
  const { told } = session.handles
  told.tell(attributes)
  await dropStale(session, request.thread, attributes)
  lastChecks.told(request.thread, attributes, asked)
  session.sendAttributes(request, attributes)
}

/**
 * The kernel asks before it reads from pages, and drops what is stale when size or mtime differ; but not if a write of a program
 * here was answered meanwhile: then it takes nothing from the answer. And not where a program has put an mtime back.
 */
async function dropStale(session: Session, thread: number, attributes: Attributes): Promise<void> {
  const { fileSystem, handles, writtenPages } = session
  const { told } = handles
  const { ino } = attributes
  const suspicion = told.suspicion(ino)
  const mayBeIgnored = writtenPages.mayOvertake(thread, ino)
  const isUnheard = mayBeIgnored && !handles.isMapped(ino) && !fileSystem.cache.hearsOfChanges(ino)
  // Of another size it has to be told: a notice would keep it from taking that.
  if (suspicion === null && !(isUnheard && told.isTaken(attributes))) {
    told.answered(attributes, mayBeIgnored)
    return
  }
  if (suspicion === null) {
    await session.pageDrops.beside(ino)
    return
  }
  await session.invalidateInode(ino)
  told.invalidated(ino, suspicion)
}

async function attributesOf(session: Session, ino: Ino): Promise<Attributes> {
  try {
    return await session.fileSystem.getattr(ino)
  } catch (error) {
    return session.handles.last.goneBehind(error, ino)
  }
}

export async function setattr(session: Session, request: Request): Promise<void> {
  const changes = readChanges(request)
  const ino = session.inoOf(request.node)
  const { writtenPages, handles, fileSystem } = session
  const attributes = writtenPages.isOwn(request.thread)
    ? await writtenPages.answer(ino)
    : await changed(session, ino, changes)
  if (attributes === null) throw new PosixError('EAGAIN', 'others have changed the file meanwhile')
  handles.told.changed(attributes, fileSystem.cache.mayKeepPages(attributes))
  session.sendAttributes(request, attributes)
}

async function changed(session: Session, ino: Ino, changes: SetAttributes): Promise<Attributes> {
  try {
    return await session.fileSystem.setattr(ino, changes)
  } catch (error) {
    if (changes.size !== undefined) throw error
    return changedWhileGone(session.handles.last.goneBehind(error, ino), changes)
  }
}

/** struct fuse_setattr_in. */
function readChanges(request: Request): SetAttributes {
  const valid = request.u32(0)
  const has = (flag: number): boolean => (valid & flag) !== 0
  request.data(0, 88)
  return {
    ...(has(setattrFlag.mode) && { mode: request.u32(68) & 0o7777 }),
    ...(has(setattrFlag.uid) && { uid: request.u32(76) }),
    ...(has(setattrFlag.gid) && { gid: request.u32(80) }),
    ...(has(setattrFlag.size) && { size: request.u64(16) }),
    ...(has(setattrFlag.atime) && {
      atimeNs: has(setattrFlag.atimeNow) ? 'now' : time(request, 32, 56),
    }),
    ...(has(setattrFlag.mtime) && {
      mtimeNs: has(setattrFlag.mtimeNow) ? 'now' : time(request, 40, 60),
    }),
    ...(has(setattrFlag.ctime) && { ctimeNs: time(request, 48, 64) }),
    /** Without any: chown(2) that names neither owner nor group, yet takes privileges away. */
    ...((valid === 0 || has(setattrFlag.killSuidgid)) && { killPrivileges: true }),
  }
}

function time(request: Request, seconds: number, nanoseconds: number): bigint {
  return request.i64(seconds) * nsPerSecond + BigInt(request.u32(nanoseconds))
}

export async function readlink(session: Session, request: Request): Promise<void> {
  const target = await session.fileSystem.readlink(session.inoOf(request.node))
  session.sendPieces(request, [target], target.length)
}

export async function statfs(session: Session, request: Request): Promise<void> {
  session.reply.space(outHeaderBytes, await session.fileSystem.statfs())
  session.send(request, outHeaderBytes + 80)
}
