/**
 * Requests about an open directory: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR.
 *
 * 1. Offset 0 is `.`, 1 is `..`; behind offset 2 and on, offsets are the file system's cookies (16 and up).
 * 2. A handle keeps one batch of entries with attributes at most, and of names what Listing does: memory is bounded however
 *    large the directory is.
 */

import { firstListedBytes, readdirLimitBytes } from '../../../network/limits.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import { directoryRecordBytes, entriesOfRecords } from '../../../network/wire/directory-records.ts'
import type { DirectoryEntry, NamedEntry } from '../../../network/wire/operations.ts'
import type { DirectoryPage } from '../../fs/contract.ts'
import type { OpenDirectory } from '../handles.ts'
import { Listing } from '../listing.ts'
import { entryBytes, openFlag, openReplyBytes, outHeaderBytes } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

const dot = Buffer.from('.')
const dotDot = Buffer.from('..')
const never = { entryMs: 0, attributesMs: 0 }

export function opendir(session: Session, request: Request): undefined {
  session.handles.reserve()
  const ino = session.inoOf(request.node)
  const handle = session.handles.addDirectory(ino, new Listing(session.fileSystem, ino))
  session.reply.opened(outHeaderBytes, handle, 0)
  session.send(request, outHeaderBytes + openReplyBytes)
}

/** As the names came from the server; or what is left of those that came with attributes. */
export async function readdir(session: Session, request: Request): Promise<void> {
  const asked = askedFor(session, request, false)
  const { directory, offset, cookie, limit } = asked
  if (offset > 2 && seek(directory, cookie)) {
    sendBatch(session, request, asked)
    return
  }
  const { listing } = directory
  directory.isLookedAt = false
  if (offset === 0) {
    forgetBatch(directory)
    await listing.rewind(asked.quiet)
    await session.settle(directory.ino)
  }
  const dotsBytes = Math.max(0, 2 - offset) * directoryRecordBytes(dotDot.length)
  const pieces = await listing.read(cookie, limit - outHeaderBytes - dotsBytes)
  const at = writeDots(session, asked, listing.parent)
  session.sendWith(request, at, pieces)
}

/** With attributes that are leased: without, they are not worth fetching. */
export async function readdirplus(session: Session, request: Request): Promise<void> {
  const asked = askedFor(session, request, true)
  const { directory, offset, cookie, quiet } = asked
  if (offset === 0) directory.listing.forget()
  if (offset === 0 || !seek(directory, cookie)) {
    if (offset === 0) directory.isLookedAt = false
    const page = await fetchBatch(session, directory, cookie, quiet)
    const { entries, end, parent } = page
    const settling = offset === 0 ? session.settle(directory.ino) : undefined
    if (settling !== undefined) await settling
    const fresh = settling === undefined
    Object.assign(directory, { entries, end, start: cookie, next: 0, fresh })
    if (cookie === 0) directory.parent = parent
    directory.isLookedAt = true
  }
  sendBatch(session, request, asked)
}

async function fetchBatch(
  { fileSystem }: Session,
  { ino, isLookedAt }: OpenDirectory,
  cookie: number,
  quiet: boolean,
): Promise<DirectoryPage> {
  const options = { limitBytes: isLookedAt ? readdirLimitBytes : firstListedBytes, quiet }
  if (fileSystem.cache.keepsListed) return await fileSystem.readdirplus(ino, cookie, options)
  const page = await fileSystem.readdir(ino, cookie, options)
  const entries = entriesOfRecords(page.records).map(entry => ({ ...entry, attributes: null }))
  return { ...page, entries }
}

interface Asked {
  readonly directory: OpenDirectory
  readonly offset: number
  readonly cookie: number
  /** Of the reply, with its header. */
  readonly limit: number
  readonly plus: boolean
  readonly quiet: boolean
}

function askedFor({ handles }: Session, request: Request, plus: boolean): Asked {
  const offset = request.position(8)
  return {
    directory: handles.directory(request.u64(0)),
    offset,
    cookie: offset <= 2 ? 0 : offset,
    limit: outHeaderBytes + Math.min(request.u32(16), readdirLimitBytes),
    plus,
    quiet: (request.u32(32) & openFlag.quiet) !== 0,
  }
}

function sendBatch(session: Session, request: Request, asked: Asked): void {
  const { directory, limit, plus } = asked
  let at = writeDots(session, asked, directory.parent)
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

function forgetBatch(directory: OpenDirectory): void {
  Object.assign(directory, { entries: [], end: false, start: -1, next: 0 })
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

function writeDots(
  session: Session,
  { directory, offset, limit, plus }: Asked,
  parent: number,
): number {
  let at = outHeaderBytes
  const type = fileType.directory
  if (offset === 0) {
    at = writeRecord(session, at, { name: dot, ino: directory.ino, type, cookie: 1 }, plus)
  }
  const size = directoryRecordBytes(dotDot.length) + (plus ? entryBytes : 0)
  if (offset <= 1 && at + size <= limit) {
    at = writeRecord(session, at, { name: dotDot, ino: parent, type, cookie: 2 }, plus)
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
  const size = directoryRecordBytes(entry.name.length) + (plus ? entryBytes : 0)
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
function writeRecord(session: Session, at: number, entry: NamedEntry, plus: boolean): number {
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
