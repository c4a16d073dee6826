/** readdir, which has to wait for its store, and the way up from a directory. */
import { PosixError } from '../../../network/errors.ts'
import { readdirLimitBytes, shardSlots } from '../../../network/limits.ts'
import {
  cookieBefore,
  firstHashOf,
  hashBehindCookie,
  hashOfCookie,
  slotOf,
} from '../../../network/placement/shards.ts'
import { type Attributes, fileType } from '../../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../../network/wire/ids.ts'
import type { ListedEntry, ReaddirReply, ReaddirRequest } from '../../../network/wire/operations.ts'
import type { Key } from '../../metadata/contract.ts'
import { cookieOf, decodeEntries, type Entry } from '../../metadata/entries.ts'
import { decodeInode } from '../../metadata/inode.ts'
import {
  endOf,
  entriesKey,
  hashOfEntriesKey,
  inodeKey,
  inoPrefix,
  keyKind,
} from '../../metadata/keys.ts'
import type { Batch } from '../batch.ts'
import { readDirectory } from '../directories.ts'
import { leaseInode, readInode, toldAttributes } from '../inodes.ts'
import { noPayload, type Operation } from '../operation.ts'
import type { Partition } from '../partition.ts'
import { heldShard } from '../shards.ts'
import { noteAccess } from './access.ts'

/** Rough size of an entry in the reply beside its name: without and with attributes. */
const entryBytes = 24
const attributesBytes = 120

/**
 * One step, within one shard; the next begins at `next`, in another partition when this one has no more.
 * @throws LockedKey when the directory may have been changed by a transaction decided elsewhere; ClusterError
 * MISPLACED when another partition has what follows the cookie.
 */
export async function readdir(
  partition: Partition,
  request: ReaddirRequest,
  client: string,
): Promise<ReaddirReply> {
  const span = spanBehind(partition, request)
  const notes = request.cookie === 0 && request.quiet !== true
  const noting = notes ? noteAccess(partition, request.ino, client) : null
  // What it fails with is told at the end.
  noting?.catch(() => undefined)
  try {
    return await list(partition, request, span, client)
  } finally {
    await noting
  }
}

async function list(
  partition: Partition,
  request: ReaddirRequest,
  { from, to, next, parent }: Span,
  client: string,
): Promise<ReaddirReply> {
  partition.locks.checkPrefix(inoPrefix(partition.id, keyKind.entries, request.ino))
  const limit = Math.min(request.limitBytes, readdirLimitBytes)
  const { batch } = partition.contextFor(client, null, 'look')
  const entries: ListedEntry[] = []
  let bytes = 0
  for await (const [key, value] of partition.store.range(from, to)) {
    const hash = hashOfEntriesKey(key)
    // What is listed may have been changed since, and then is not what would be leased.
    const now = request.plus ? partition.store.get(key) : undefined
    const isNow = now !== undefined && Buffer.compare(now, value) === 0
    const nameMs = isNow ? batch.lease(key) : 0
    for (const entry of decodeEntries(value).sort((a, b) => a.place - b.place)) {
      const cookie = cookieOf(hash, entry.place)
      if (cookie <= request.cookie) continue
      const last = entries.at(-1)
      if (last !== undefined && !(bytes < limit)) {
        return { entries, end: false, parent, next: last.cookie }
      }
      const attributes = request.plus ? attributesAtHand(partition, batch, entry) : null
      const leaseMs = attributes === null ? 0 : leaseInode(batch, entry.ino)
      const { name, ino, type } = entry
      entries.push({ name, ino, type, cookie, attributes, nameMs, leaseMs })
      bytes += entry.name.length + entryBytes + (request.plus ? attributesBytes : 0)
    }
  }
  return { entries, end: next === 0, parent, next }
}

interface Span {
  readonly from: Key
  readonly to: Key
  /** Cookie behind all of it; 0 when that is the end of the directory. */
  readonly next: number
  /** Of the directory, when it is read from its start: that is in its own partition. */
  readonly parent: Ino
}

/** What may follow the cookie in the shard that has it. */
function spanBehind(partition: Partition, { ino, cookie }: ReaddirRequest): Span {
  const { batch } = partition.contextFor('', null, 'look')
  const from = entriesKey(partition.id, ino, hashOfCookie(cookie))
  const inode = partitionOfIno(ino) === partition.id ? readDirectory(batch, ino) : null
  const parent = cookie === 0 && inode !== null ? inode.parent : 0
  const whole = { from, to: endOf(inoPrefix(partition.id, keyKind.entries, ino)), next: 0, parent }
  if (inode?.shards.length === 0) return whole
  const slot = slotOf(hashBehindCookie(cookie))
  const { end } = heldShard(batch, { directory: ino, partition: partition.id }, slot).held
  if (end === shardSlots) return whole
  const hash = firstHashOf(end)
  return { from, to: entriesKey(partition.id, ino, hash), next: cookieBefore(hash), parent }
}

/** null for other partitions' inodes, for promised ones, and for those that others write behind: they are asked for one by one. */
function attributesAtHand(partition: Partition, batch: Batch, { ino }: Entry): Attributes | null {
  if (partitionOfIno(ino) !== partition.id) return null
  const key = inodeKey(partition.id, ino)
  const isAway = partition.locks.isPromised(key) || batch.isWrittenBehind(key)
  const record = isAway ? undefined : partition.store.get(key)
  const inode = record === undefined ? null : decodeInode(record)
  return inode !== null && inode.shards.length === 0 ? toldAttributes(batch, inode) : null
}

export const parent: Operation<'parent'> = ({ batch }, request) => {
  const inode = readInode(batch, request.ino)
  if ((inode.mode & fileType.mask) !== fileType.directory) throw new PosixError('ENOTDIR')
  return { body: { parent: inode.parent }, payload: noPayload }
}
