/** readdir with attributes: what is listed is leased to the caller, the names and what they lead to. */
import { readdirLimitBytes } from '../../../network/limits.ts'
import type { Reply } from '../../../network/rpc/contract.ts'
import type { Attributes } from '../../../network/wire/attributes.ts'
import { partitionOfIno } from '../../../network/wire/ids.ts'
import { ListedRecords } from '../../../network/wire/listed-records.ts'
import type { ReaddirRequest } from '../../../network/wire/operations.ts'
import type { Pair } from '../../metadata/contract.ts'
import { cookieOf, type Entry, entriesInOrder } from '../../metadata/entries.ts'
import { decodeInode } from '../../metadata/inode.ts'
import { hashOfEntriesKey, inodeKey } from '../../metadata/keys.ts'
import type { Batch } from '../batch.ts'
import { leaseInode, toldAttributes } from '../inodes.ts'
import type { Partition } from '../partition.ts'
import { listing, recordRoomBytes, type Span } from './directory.ts'

/** What a short name and its attributes take. */
const usualRecordBytes = 160
/** Others have their turn between two steps, which take some milliseconds. */
const mostPairsInStep = 256

/** As `readdir`; the payload is as network/wire/listed-records.ts has it. */
export function readdirplus(
  partition: Partition,
  request: ReaddirRequest,
  client: string,
): Promise<Reply<'readdirplus'>> {
  return listing(partition, request, client, span => list(partition, request, span, client))
}

async function list(
  partition: Partition,
  { cookie, limitBytes }: ReaddirRequest,
  { from, to, next, parent }: Span,
  client: string,
): Promise<Reply<'readdirplus'>> {
  const limit = Math.min(limitBytes, readdirLimitBytes)
  const usual = Math.max(1, Math.trunc(limit / usualRecordBytes) || 1)
  const { batch } = partition.contextFor(client, null, 'look')
  const records = new ListedRecords(recordRoomBytes)
  if (!partition.store.hasNoXattrs) await partition.store.learnXattrs()
  const { commitCount } = partition.store
  for await (const step of partition.store.steps(from, to, Math.min(usual, mostPairsInStep))) {
    for (const pair of step) {
      const nameMs = isOfNow(partition, pair, commitCount) ? batch.lease(pair[0]) : 0
      addEntries({ partition, batch, records }, pair, nameMs, cookie)
    }
    // A step more would as a rule be too much.
    if (records.length > 0 && !(records.length < 0.75 * limit)) {
      const body = { end: false, parent, next: records.lastCookie }
      return { body, payload: [records.bytes()] }
    }
  }
  return { body: { end: next === 0, parent, next }, payload: [records.bytes()] }
}

/**
 * What is listed may have been changed since, and then is not what would be leased.
 * @param commitCount of the store when the pair was asked for.
 */
function isOfNow({ store }: Partition, [key, value]: Pair, commitCount: number): boolean {
  if (store.commitCount === commitCount) return true
  const now = store.get(key)
  return now !== undefined && Buffer.compare(now, value) === 0
}

interface Sink {
  readonly partition: Partition
  readonly batch: Batch
  readonly records: ListedRecords
}

function addEntries(
  { partition, batch, records }: Sink,
  [key, value]: Pair,
  nameMs: number,
  behindCookie: number,
): void {
  const hash = hashOfEntriesKey(key)
  for (const entry of entriesInOrder(value)) {
    const cookie = cookieOf(hash, entry.place)
    if (cookie <= behindCookie) continue
    const attributes = attributesAtHand(partition, batch, entry)
    const leaseMs = attributes === null ? 0 : leaseInode(batch, entry.ino)
    const { name, ino, type } = entry
    records.add({ name, ino, type, cookie, attributes, nameMs, leaseMs })
  }
}

/** null for other partitions' inodes, for promised ones, and for those that others write behind: they are asked for one by one. */
function attributesAtHand(partition: Partition, batch: Batch, { ino }: Entry): Attributes | null {
  if (partitionOfIno(ino) !== partition.id) return null
  const key = inodeKey(partition.id, ino)
  const isAway = partition.locks.isPromised(key) || batch.isWrittenBehind(key)
  const record = isAway ? undefined : partition.store.get(key)
  const inode = record === undefined ? null : decodeInode(record)
  if (inode === null || inode.shards.length > 0) return null
  return toldAttributes(batch, inode, partition.store.hasNoXattrs)
}
