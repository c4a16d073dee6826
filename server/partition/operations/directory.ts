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
import type { Reply } from '../../../network/rpc/contract.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import { DirectoryRecords } from '../../../network/wire/directory-records.ts'
import { type Ino, partitionOfIno } from '../../../network/wire/ids.ts'
import type { ReaddirRequest } from '../../../network/wire/operations.ts'
import type { Key } from '../../metadata/contract.ts'
import { cookieOf, entriesInOrder } from '../../metadata/entries.ts'
import { endOf, entriesKey, hashOfEntriesKey, inoPrefix, keyKind } from '../../metadata/keys.ts'
import { readDirectory } from '../directories.ts'
import { readInode } from '../inodes.ts'
import { noPayload, type Operation } from '../operation.ts'
import type { Partition } from '../partition.ts'
import { heldShard } from '../shards.ts'
import { noteAccess } from './access.ts'

/** A reply ends with a step of the store, which for each so many bytes that are asked for is one name. */
const limitBytesPerPair = 256
/** What a small directory needs. */
export const recordRoomBytes = 2048

/**
 * One step, within one shard; the next begins at `next`, in another partition when this one has no more. The names are the
 * payload (network/wire/directory-records.ts).
 * @throws LockedKey when the directory may have been changed by a transaction decided elsewhere; ClusterError
 * MISPLACED when another partition has what follows the cookie.
 */
export function readdir(
  partition: Partition,
  request: ReaddirRequest,
  client: string,
): Promise<Reply<'readdir'>> {
  return listing(partition, request, client, span => names(partition, request, span))
}

/** Lists what may follow the cookie, and notes that the directory was read. */
export async function listing<T>(
  partition: Partition,
  request: ReaddirRequest,
  client: string,
  list: (span: Span) => Promise<T>,
): Promise<T> {
  const span = spanBehind(partition, request)
  const notes = request.cookie === 0 && request.quiet !== true
  const noting = notes ? noteAccess(partition, request.ino, client) : null
  // What it fails with is told at the end.
  noting?.catch(() => undefined)
  try {
    partition.locks.checkPrefix(inoPrefix(partition.id, keyKind.entries, request.ino))
    return await list(span)
  } finally {
    await noting
  }
}

async function names(
  partition: Partition,
  { cookie, limitBytes }: ReaddirRequest,
  { from, to, next, parent }: Span,
): Promise<Reply<'readdir'>> {
  const limit = Math.min(limitBytes, readdirLimitBytes)
  const pairs = Math.max(1, Math.trunc(limit / limitBytesPerPair) || 1)
  const records = new DirectoryRecords(recordRoomBytes)
  for await (const step of partition.store.steps(from, to, pairs)) {
    for (const [key, value] of step) addNames(records, hashOfEntriesKey(key), value, cookie)
    if (records.length > 0 && !(records.length < limit)) {
      const body = { end: false, parent, next: records.lastCookie }
      return { body, payload: [records.bytes()] }
    }
  }
  return { body: { end: next === 0, parent, next }, payload: [records.bytes()] }
}

function addNames(
  records: DirectoryRecords,
  hash: number,
  value: Uint8Array,
  behindCookie: number,
): void {
  for (const { name, ino, type, place } of entriesInOrder(value)) {
    const cookie = cookieOf(hash, place)
    if (cookie > behindCookie) records.add({ name, ino, type, cookie })
  }
}

export interface Span {
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

export const parent: Operation<'parent'> = ({ batch }, request) => {
  const inode = readInode(batch, request.ino)
  if ((inode.mode & fileType.mask) !== fileType.directory) throw new PosixError('ENOTDIR')
  return { body: { parent: inode.parent }, payload: noPayload }
}
