/** readdir with attributes: what is listed is leased to the caller, the names and what they lead to. */
import { readdirLimitBytes } from '../../../network/limits.ts'
import type { Attributes } from '../../../network/wire/attributes.ts'
import { partitionOfIno } from '../../../network/wire/ids.ts'
import type {
  ListedEntry,
  ReaddirplusReply,
  ReaddirRequest,
} from '../../../network/wire/operations.ts'
import { cookieOf, type Entry, entriesInOrder } from '../../metadata/entries.ts'
import { decodeInode } from '../../metadata/inode.ts'
import { hashOfEntriesKey, inodeKey } from '../../metadata/keys.ts'
import type { Batch } from '../batch.ts'
import { leaseInode, toldAttributes } from '../inodes.ts'
import type { Partition } from '../partition.ts'
import { listing, type Span } from './directory.ts'

/** Rough size of an entry in the reply beside its name, and of its attributes. */
const entryBytes = 24
const attributesBytes = 120

/** As `readdir`. */
export function readdirplus(
  partition: Partition,
  request: ReaddirRequest,
  client: string,
): Promise<ReaddirplusReply> {
  return listing(partition, request, client, span => list(partition, request, span, client))
}

async function list(
  partition: Partition,
  request: ReaddirRequest,
  { from, to, next, parent }: Span,
  client: string,
): Promise<ReaddirplusReply> {
  const limit = Math.min(request.limitBytes, readdirLimitBytes)
  const { batch } = partition.contextFor(client, null, 'look')
  const entries: ListedEntry[] = []
  let bytes = 0
  for await (const [key, value] of partition.store.range(from, to)) {
    const hash = hashOfEntriesKey(key)
    // What is listed may have been changed since, and then is not what would be leased.
    const now = partition.store.get(key)
    const isNow = now !== undefined && Buffer.compare(now, value) === 0
    const nameMs = isNow ? batch.lease(key) : 0
    for (const entry of entriesInOrder(value)) {
      const cookie = cookieOf(hash, entry.place)
      if (cookie <= request.cookie) continue
      const last = entries.at(-1)
      if (last !== undefined && !(bytes < limit)) {
        return { entries, end: false, parent, next: last.cookie }
      }
      const attributes = attributesAtHand(partition, batch, entry)
      const leaseMs = attributes === null ? 0 : leaseInode(batch, entry.ino)
      const { name, ino, type } = entry
      entries.push({ name, ino, type, cookie, attributes, nameMs, leaseMs })
      bytes += entry.name.length + entryBytes + attributesBytes
    }
  }
  return { entries, end: next === 0, parent, next }
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
