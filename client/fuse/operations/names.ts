/** Requests about names in a directory: LOOKUP, CREATE, MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME. */
import { errnoByCode, posixCodeOf } from '../../../network/errors.ts'
import { type Attributes, fileType, isDirectory } from '../../../network/wire/attributes.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import type { Caller, OpenFile } from '../../fs/contract.ts'
import { entryBytes, openFlag, openReplyBytes, outHeaderBytes } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'
import { openFlagsOf } from './files.ts'

/** RENAME_EXCHANGE of renameat2(2). */
const renameExchange = 2

export function lookup(session: Session, request: Request): Promise<void> | undefined {
  const parent = session.inoOf(request.node)
  const name = request.name(0)
  // As before each file that is made: an error that is thrown from promise to promise costs more than all else about it.
  if (!session.fileSystem.cache.lacks(parent, name)) return found(session, request, parent, name)
  missing(session, request, parent, name)
  return undefined
}

async function found(
  session: Session,
  request: Request,
  parent: Ino,
  name: Uint8Array,
): Promise<void> {
  try {
    const attributes = await session.fileSystem.lookup(parent, name)
    const { nodes } = session.handles
    if (isDirectory(attributes.mode)) nodes.lookedUp(request.thread, attributes.ino, parent)
    session.sendEntry(request, parent, name, attributes)
  } catch (error) {
    if (posixCodeOf(error) !== 'ENOENT') throw error
    missing(session, request, parent, name)
  }
}

/** Node 0 with a validity lets the kernel remember that there is no such name. */
function missing(session: Session, request: Request, parent: Ino, name: Uint8Array): void {
  session.handles.toldDirectories.tell(parent, name, null)
  const entryMs = session.fileSystem.cache.entryMs(parent, name, 0)
  if (entryMs === 0) {
    session.fail(request, errnoByCode.ENOENT)
    return
  }
  session.reply.entry(outHeaderBytes, 0, null, { entryMs, attributesMs: 0 })
  session.send(request, outHeaderBytes + entryBytes)
}

export async function create(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const flags = request.u32(0)
  const name = request.name(16)
  session.handles.reserve()
  const options = {
    exclusive: (flags & openFlag.exclusive) !== 0,
    truncate: (flags & openFlag.truncate) !== 0,
  }
  const mode = fileType.regular | (request.u32(4) & 0o7777)
  const caller = callerOf(request, 8)
  const opened = await session.fileSystem.create(parent, name, mode, caller, options)
  try {
    await session.namesChanged(parent, request.thread)
  } catch (error) {
    session.fileSystem.release(opened.file)
    throw error
  }
  sendOpened(session, request, parent, name, opened)
}

/** The reply to CREATE and TMPFILE: fuse_entry_out and fuse_open_out. */
function sendOpened(
  session: Session,
  request: Request,
  parent: Ino,
  name: Uint8Array,
  opened: { readonly file: OpenFile; readonly attributes: Attributes },
): void {
  const isEmpty = opened.attributes.size === 0
  const replyFlags = openFlagsOf(session, opened.file, request.u32(0), isEmpty)
  const handle = session.opened(opened.file, request.u32(0), replyFlags)
  session.writeEntry(outHeaderBytes, request.thread, parent, name, opened.attributes)
  session.reply.opened(outHeaderBytes + entryBytes, handle, replyFlags)
  session.send(request, outHeaderBytes + entryBytes + openReplyBytes)
}

/** O_TMPFILE; a kernel older than Linux 6.2 does not ask. */
export async function tmpfile(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const flags = request.u32(0)
  session.handles.reserve()
  const options = { linkable: (flags & openFlag.exclusive) === 0 }
  const mode = fileType.regular | (request.u32(4) & 0o7777)
  const caller = callerOf(request, 8)
  const file = await session.fileSystem.createTemporary(parent, mode, caller, options)
  sendOpened(session, request, parent, request.name(16), { file, attributes: file.attributes })
}

export async function mknod(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const [mode, rdev] = [request.u32(0), request.u32(4)]
  const name = request.name(16)
  const caller = callerOf(request, 8)
  const attributes = await session.fileSystem.mknod(parent, name, mode, rdev, caller)
  await session.namesChanged(parent, request.thread)
  session.sendEntry(request, parent, name, attributes)
}

export async function mkdir(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const name = request.name(8)
  const mode = request.u32(0) & 0o7777
  const caller = callerOf(request, 4)
  const attributes = await session.fileSystem.mkdir(parent, name, mode, caller)
  await session.namesChanged(parent, request.thread)
  session.handles.nodes.placed(attributes.ino, parent)
  session.sendEntry(request, parent, name, attributes)
}

export async function symlink(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const end = request.textEnd(0)
  const name = request.text(0, end)
  const target = request.text(end + 1, request.textEnd(end + 1))
  const { uid, gid } = request
  const attributes = await session.fileSystem.symlink(parent, name, target, { uid, gid })
  await session.namesChanged(parent, request.thread)
  session.sendEntry(request, parent, name, attributes)
}

export async function link(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const name = request.name(8)
  const attributes = await session.fileSystem.link(session.inoOf(request.nodeAt(0)), parent, name)
  await session.namesChanged(parent, request.thread)
  session.sendEntry(request, parent, name, attributes)
}

export async function unlink(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  await session.fileSystem.unlink(parent, request.name(0))
  await session.namesChanged(parent, request.thread)
  session.done(request)
}

export async function rmdir(session: Session, request: Request): Promise<void> {
  const parent = session.inoOf(request.node)
  const name = request.name(0)
  const told = session.handles.toldDirectories.meant(parent, name)
  await onDirectoryMeant(session, request, told, meant =>
    session.fileSystem.rmdir(parent, name, meant),
  )
  await session.namesChanged(parent, request.thread)
  session.done(request)
}

export function rename(session: Session, request: Request): Promise<void> {
  return renameNames(session, request, { names: 8, flags: 0 })
}

export function rename2(session: Session, request: Request): Promise<void> {
  return renameNames(session, request, { names: 16, flags: request.u32(8) })
}

async function renameNames(
  session: Session,
  request: Request,
  where: { readonly names: number; readonly flags: number },
): Promise<void> {
  const parent = session.inoOf(request.node)
  const newParent = session.inoOf(request.nodeAt(0))
  const end = request.textEnd(where.names)
  const name = request.text(where.names, end)
  const newName = request.text(end + 1, request.textEnd(end + 1))
  const { uid, gid } = request
  const { flags } = where
  const { toldDirectories: told, nodes } = session.handles
  const [moved, there] = [told.meant(parent, name), told.meant(newParent, newName)]
  // In an exchange the kernel takes nothing for removed.
  const exchanges = (flags & renameExchange) !== 0
  await onDirectoryMeant(session, request, exchanges ? undefined : there, meant =>
    session.fileSystem.rename(parent, name, newParent, newName, flags, { uid, gid }, meant),
  )
  if (moved !== undefined) nodes.placed(moved, newParent)
  if (exchanges && there !== undefined) nodes.placed(there, parent)
  const [from, to] = [
    { parent, name },
    { parent: newParent, name: newName },
  ]
  told.renamed(from, to, exchanges)
  await session.namesChanged(parent, request.thread)
  await session.namesChanged(newParent, request.thread)
  const moves = [{ from, to }]
  if (exchanges) moves.push({ from: to, to: from })
  // The kernel takes the time of a name along to the new one.
  await session.fileSystem.cache.renamed(moves)
  session.done(request)
}

/**
 * Removes or replaces the directory that the kernel means and no other one; where it finds another one there twice,
 * the one that is there: a program may not see ESTALE. The one that was meant gets another alias, as the
 * kernel takes it for removed.
 */
async function onDirectoryMeant(
  session: Session,
  { thread }: Request,
  meant: Ino | undefined,
  change: (meant?: Ino) => Promise<void>,
): Promise<void> {
  const { nodes } = session.handles
  try {
    await change(meant)
  } catch (error) {
    const isOther = meant !== undefined && posixCodeOf(error) === 'ESTALE'
    if (isOther && !nodes.refusedTwice(thread)) throw error
    nodes.settled(thread)
    if (!isOther) throw error
    await change()
    nodes.renew(meant)
  }
  nodes.settled(thread)
}

function callerOf(request: Request, umaskAt: number): Caller {
  return { uid: request.uid, gid: request.gid, umask: request.u32(umaskAt) & 0o777 }
}
