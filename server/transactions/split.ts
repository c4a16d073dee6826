/**
 * Splitting: most slots of a shard become shards of their own in other partitions, in one transaction. Until it
 * is decided nobody changes the shard, and everybody sees it where it was; from that tick on the others have
 * theirs. The inodes stay where they are, for their numbers never change: so it is done early, when they are few.
 */
import { shardKeptShare, shardSlots } from '../../network/limits.ts'
import { firstHashOf, partitionOfShard, slotOf } from '../../network/placement/shards.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeEntries } from '../metadata/entries.ts'
import { type HeldShard, type Holding, withShard } from '../metadata/holding.ts'
import { endOf, entriesKey, hashOfEntriesKey, inoPrefix, keyKind } from '../metadata/keys.ts'
import { readDirectory } from '../partition/directories.ts'
import { writeInode } from '../partition/inodes.ts'
import { type Inherited, inheritedOf } from '../partition/new-inode.ts'
import type { OperationContext } from '../partition/operation.ts'
import { findHolding, nextChange, writeHolding } from '../partition/shards.ts'
import type { Transaction } from './coordinator.ts'
import { emptyHolding } from './shard-legs.ts'

export interface SplitRequest {
  readonly ino: Ino
  /** A shard with more entries is too large. */
  readonly limit: number
  /** Entries that go in one message, in bytes. */
  readonly moveBytes: number
}

/** The largest shard held here, and what is to become of it. */
interface Plan {
  readonly directory: Inherited
  /** Of a directory that is whole, made up from its inode. */
  readonly holding: Holding
  readonly held: HeldShard
  /** The slots from here on become shards of their own. */
  readonly first: number
  readonly isWhole: boolean
}

/** What was in one of those slots. */
interface Moved {
  readonly slot: number
  readonly target: Partition
  readonly keys: Key[]
  entries: number
  subdirectories: number
}

/** @returns whether anything was split: there may be more to do then. */
export async function split(transaction: Transaction, request: SplitRequest): Promise<boolean> {
  const { ino } = request
  const plan = transaction.local(context => planOf(context, request))
  if (plan === null) return false
  const moved = await move(transaction, plan, request.moveBytes)
  const firsts = moved.map(({ slot }) => slot)
  const changing = [transaction.partition, ...moved.map(({ target }) => target)]
  await transaction.run(partitionOfIno(ino), 'mapShards', { ino, firsts, changing })
  transaction.local(context => giveUp(context, plan, moved))
  return true
}

function planOf(context: OperationContext, { ino, limit }: SplitRequest): Plan | null {
  const { batch, facts } = context
  const found = holdingOf(batch, facts.partition, ino)
  if (found === null) return null
  const { holding, isWhole } = found
  const [held] = holding.shards.toSorted((a, b) => b.entries - a.entries)
  if (held === undefined || held.entries <= limit) return null
  const slots = held.end - held.first
  if (slots < 2) return null
  // One that could not be split in time is not moved at once: a transaction holds only so much.
  const bearable = Math.max(1, Math.floor((2 * limit * slots) / held.entries))
  const count = Math.min(slots - Math.ceil(slots * shardKeptShare), bearable)
  const { mode, gid, blockBytes, inlineBytes, volume, defaultAcl } = holding
  const directory = { ino, mode, gid, blockBytes, inlineBytes, volume, defaultAcl }
  return { directory, holding, held, first: held.end - count, isWhole }
}

function holdingOf(
  batch: OperationContext['batch'],
  partition: number,
  ino: Ino,
): { readonly holding: Holding; readonly isWhole: boolean } | null {
  const holding = findHolding(batch, partition, ino)
  if (holding !== undefined) return { holding, isWhole: false }
  if (partitionOfIno(ino) !== partition) return null
  const inode = readDirectory(batch, ino)
  const shards = [{ first: 0, end: shardSlots, entries: inode.size }]
  const whole = {
    ...emptyHolding(inheritedOf(batch, inode)),
    subdirectories: inode.nlink - 2,
    shards,
  }
  return { holding: whole, isWhole: true }
}

/** Sends the entries where they are to be, in messages of a bounded size; counts those that stay here. */
async function move(
  transaction: Transaction,
  { directory, held, first }: Plan,
  moveBytes: number,
): Promise<Moved[]> {
  const { partition, partitionCount } = transaction
  const moved: Moved[] = []
  for (let slot = first; slot < held.end; slot++) {
    const target = partitionOfShard(directory.ino, slot, partitionCount)
    moved.push({ slot, target, keys: [], entries: 0, subdirectories: 0 })
  }
  const sent: Promise<null>[] = []
  const send = ({ slot, target }: Moved, entries: [number, Uint8Array][]) => {
    if (target === partition) return
    const argument = { directory, first: slot, end: slot + 1, entries }
    const taken = transaction.run(target, 'takeShard', argument)
    // The first that fails ends the transaction: nobody waits for the others.
    taken.catch(() => undefined)
    sent.push(taken)
  }
  let gathered: Gathered = { slot: first, entries: [], bytes: 0 }
  const flush = () => {
    if (gathered.entries.length > 0) send(moved[gathered.slot - first]!, gathered.entries)
  }
  for await (const [key, record] of transaction.range(
    ...rangeOf(partition, directory.ino, held, first),
  )) {
    const hash = hashOfEntriesKey(key)
    const slot = slotOf(hash)
    if (slot !== gathered.slot || gathered.bytes >= moveBytes) {
      flush()
      gathered = { slot, entries: [], bytes: 0 }
    }
    count(moved[slot - first]!, key, record)
    gathered.entries.push([hash, record])
    gathered.bytes += record.length + entryOverheadBytes
  }
  flush()
  for (const each of moved) if (each.entries === 0) send(each, [])
  await Promise.all(sent)
  return moved
}

/** What goes with the next message. */
interface Gathered {
  readonly slot: number
  readonly entries: [number, Uint8Array][]
  bytes: number
}

/** Of a message, beside the record: its hash and how they are written. */
const entryOverheadBytes = 16

function rangeOf(
  partition: Partition,
  ino: Ino,
  { end }: HeldShard,
  first: number,
): readonly [Key, Key] {
  const from = entriesKey(partition, ino, firstHashOf(first))
  if (end < shardSlots) return [from, entriesKey(partition, ino, firstHashOf(end))]
  return [from, endOf(inoPrefix(partition, keyKind.entries, ino))]
}

function count(moved: Moved, key: Key, record: Uint8Array): void {
  moved.keys.push(key)
  for (const { type } of decodeEntries(record)) {
    moved.entries++
    if (type === fileType.directory) moved.subdirectories++
  }
}

/** What stays. */
function giveUp(context: OperationContext, plan: Plan, moved: readonly Moved[]): void {
  const { batch, facts } = context
  const { holding, held, first, isWhole } = plan
  let { entries } = held
  let { subdirectories } = holding
  const others: HeldShard[] = []
  for (const each of moved) {
    entries -= each.entries
    if (each.target === facts.partition) {
      others.push({ first: each.slot, end: each.slot + 1, entries: each.entries })
      continue
    }
    subdirectories -= each.subdirectories
    for (const key of each.keys) batch.delete(key)
  }
  const shards = [...withShard(holding, held, { ...held, end: first, entries }), ...others]
  shards.sort((a, b) => a.first - b.first)
  const change = nextChange(facts, holding)
  writeHolding(batch, facts.partition, { ...holding, change, subdirectories, shards })
  if (!isWhole) return
  writeInode(batch, { ...readDirectory(batch, plan.directory.ino), size: 0, nlink: 2 })
}
