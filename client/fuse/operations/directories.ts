/**
 * Requests about an open directory: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR.
 *
 * 1. Offset 0 is `.`, 1 is `..`; behind offset 2 and on, offsets are the file system's cookies (16 and up).
 * 2. A handle keeps one batch of entries at most, so memory is bounded however large the directory is.
 */

import { readdirLimitBytes } from '../../../network/limits.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import type { DirectoryEntry } from '../../../network/wire/operations.ts'
import type { OpenDirectory } from '../handles.ts'
import { entryBytes, openFlag, openReplyBytes, outHeaderBytes } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

const dot = Buffer.from('.')
const dotDot = Buffer.from('..')
const never = { entryMs: 0, attributesMs: 0 }
/** Fixed part of a fuse_dirent. */
const recordBytes = 24

export function opendir(session: Session, request: Request): undefined {
  session.handles.reserve()
  const handle = session.handles.addDirectory(session.inoOf(request.node))
  session.reply.opened(outHeaderBytes, handle, 0)
  session.send(request, outHeaderBytes + openReplyBytes)
}

export function readdir(session: Session, request: Request): Promise<void> {
  return readEntries(session, request, false)
}

export function readdirplus(session: Session, request: Request): Promise<void> {
  return readEntries(session, request, true)
}

async function readEntries(session: Session, request: Request, plus: boolean): Promise<void> {
  const directory = session.handles.directory(request.u64(0))
  const offset = request.u64(8)
  const limit = outHeaderBytes + Math.min(request.u32(16), readdirLimitBytes)
  const cookie = offset <= 2 ? 0 : offset
  const wanted = plus && session.fileSystem.cache.keepsListed
  if (offset === 0 || !seek(directory, cookie)) {
    const quiet = (request.u32(32) & openFlag.quiet) !== 0
    const options = { plus: wanted, limitBytes: readdirLimitBytes, quiet }
    const batch = await session.fileSystem.readdir(directory.ino, cookie, options)
    const { entries, end } = batch
    Object.assign(directory, { entries, end, start: cookie, next: 0, fresh: true })
    if (cookie === 0) directory.parent = batch.parent
  }
  let at = writeDots(session, directory, { offset, limit, plus })
  while (directory.next < directory.entries.length) {
    const entry = directory.entries[directory.next]!
    const place = { thread: request.thread, entry, directory, limit, plus }
    const after = writeEntry(session, at, place)
    if (after === at) break
    at = after
    directory.next += 1
  }
  directory.fresh = false
  session.send(request, at)
}

/** Finds `cookie` in the batch at hand; false when the batch is another one or used up. */
function seek(directory: OpenDirectory, cookie: number): boolean {
  const { entries, next } = directory
  if (directory.start === -1) return false
  let index = next > 0 && entries[next - 1]!.cookie === cookie ? next : -1
  if (index === -1) {
    index = directory.start === cookie ? 0 : 1 + entries.findIndex(one => one.cookie === cookie)
    if (index === 0 && directory.start !== cookie) return false
  }
  if (index === entries.length && !directory.end) return false
  directory.next = index
  return true
}

interface Room {
  readonly offset: number
  readonly limit: number
  readonly plus: boolean
}

function writeDots(session: Session, { ino, parent }: OpenDirectory, room: Room): number {
  let at = outHeaderBytes
  const type = fileType.directory
  if (room.offset === 0) {
    const entry = { name: dot, ino, type, cookie: 1 }
    at = writeRecord(session, at, entry, room.plus)
  }
  if (room.offset <= 1 && at + entryBytes + recordBytes + 8 <= room.limit) {
    at = writeRecord(session, at, { name: dotDot, ino: parent, type, cookie: 2 }, room.plus)
  }
  return at
}

interface Place {
  readonly thread: number
  readonly entry: DirectoryEntry
  readonly directory: OpenDirectory
  readonly limit: number
  readonly plus: boolean
}

/** @returns the position behind the entry; `at` when there is no room left for it. */
function writeEntry(session: Session, at: number, place: Place): number {
  const { entry, directory, plus } = place
  const size = ((recordBytes + entry.name.length + 7) & ~7) + (plus ? entryBytes : 0)
  if (at + size > place.limit) return at
  const { attributes } = entry
  if (!plus || attributes === null) return writeRecord(session, at, entry, plus)
  /** Those of an earlier moment must not be told as if they were of now, unless they are leased. */
  const { cache } = session.fileSystem
  const isTrue = directory.fresh || cache.isCurrent(directory.ino, entry.name, attributes)
  if (!isTrue) return writeRecord(session, at, entry, plus)
  session.writeEntry(at, place.thread, directory.ino, entry.name, attributes)
  return session.reply.directoryEntry(at + entryBytes, entry)
}

/** An entry without attributes; node 0 tells READDIRPLUS that there are none. */
function writeRecord(
  session: Session,
  at: number,
  entry: Omit<DirectoryEntry, 'attributes'>,
  plus: boolean,
): number {
  if (!plus) return session.reply.directoryEntry(at, entry)
  session.reply.entry(at, 0, null, never)
  return session.reply.directoryEntry(at + entryBytes, entry)
}

export function releasedir(session: Session, request: Request): undefined {
  session.handles.dropDirectory(request.u64(0))
  session.done(request)
}

export async function fsyncdir(session: Session, request: Request): Promise<void> {
  await session.fileSystem.fsync(session.inoOf(request.node))
  session.done(request)
}
