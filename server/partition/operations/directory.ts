/** readdir, which has to wait for its store, and the way up from a directory. */
import { PosixError } from '../../../network/errors.ts'
import { readdirLimitBytes } from '../../../network/limits.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import { partitionOfIno } from '../../../network/wire/ids.ts'
import type {
  DirectoryEntry,
  ReaddirReply,
  ReaddirRequest,
} from '../../../network/wire/operations.ts'
import { cookieOf, decodeEntries, type Entry, hashOfCookie } from '../../metadata/entries.ts'
import { attributesOf, decodeInode } from '../../metadata/inode.ts'
import {
  endOf,
  entriesKey,
  hashOfEntriesKey,
  inodeKey,
  inoPrefix,
  keyKind,
} from '../../metadata/keys.ts'
import { readDirectory } from '../directories.ts'
import { readInode } from '../inodes.ts'
import { noPayload, type Operation } from '../operation.ts'
import type { Partition } from '../partition.ts'
import { noteAccess } from './access.ts'

/** Rough size of an entry in the reply beside its name: without and with attributes. */
const entryBytes = 24
const attributesBytes = 120

/** @throws LockedKey when the directory may have been changed by a transaction decided elsewhere. */
export async function readdir(
  partition: Partition,
  request: ReaddirRequest,
): Promise<ReaddirReply> {
  const directory = readDirectory(partition.readingContextFor('').batch, request.ino)
  const parent = request.cookie === 0 ? directory.parent : 0
  if (request.cookie === 0 && request.quiet !== true) noteAccess(partition, request.ino)
  const prefix = inoPrefix(partition.id, keyKind.entries, request.ino)
  const from = entriesKey(partition.id, request.ino, hashOfCookie(request.cookie))
  partition.locks.checkPrefix(prefix)
  const limit = Math.min(request.limitBytes, readdirLimitBytes)
  const entries: DirectoryEntry[] = []
  let bytes = 0
  for await (const [key, value] of partition.store.range(from, endOf(prefix))) {
    const hash = hashOfEntriesKey(key)
    for (const entry of decodeEntries(value).sort((a, b) => a.place - b.place)) {
      const cookie = cookieOf(hash, entry.place)
      if (cookie <= request.cookie) continue
      if (entries.length > 0 && !(bytes < limit)) return { entries, end: false, parent }
      entries.push(describe(partition, entry, cookie, request.plus))
      bytes += entry.name.length + entryBytes + (request.plus ? attributesBytes : 0)
    }
  }
  return { entries, end: true, parent }
}

/** With attributes where they are at hand: not for other partitions' inodes nor for promised ones. */
function describe(
  partition: Partition,
  { name, ino, type }: Entry,
  cookie: number,
  plus: boolean,
): DirectoryEntry {
  const here = plus && partitionOfIno(ino) === partition.id
  const key = inodeKey(partition.id, ino)
  const record = here && !partition.locks.isPromised(key) ? partition.store.get(key) : undefined
  const attributes = record === undefined ? null : attributesOf(decodeInode(record))
  return { name, ino, type, cookie, attributes }
}

export const parent: Operation<'parent'> = ({ batch }, request) => {
  const inode = readInode(batch, request.ino)
  if ((inode.mode & fileType.mask) !== fileType.directory) throw new PosixError('ENOTDIR')
  return { body: { parent: inode.parent }, payload: noPayload }
}
