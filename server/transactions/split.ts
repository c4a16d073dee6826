/**
 * Splitting: the upper part of a shard moves to another partition, in one transaction. Until it is decided
 * nobody changes the shard, and everybody sees it where it was; from that tick on the other partition has it.
 * The inodes stay where they are: their numbers never change.
 */
import { shardSlots } from '../../network/limits.ts'
import { firstHashOf, partitionOfShard } from '../../network/placement/shards.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
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
  /** First slot that moves. */
  readonly first: number
  readonly isWhole: boolean
}

interface Moved {
  readonly keys: string[]
  entries: number
  subdirectories: number
}

/** @returns whether anything was split: there may be more to do then. */
export async function split(transaction: Transaction, request: SplitRequest): Promise<boolean> {
  const { ino } = request
  const plan = transaction.local(context => planOf(context, request))
  if (plan === null) return false
  const here = transaction.partition
  const target = partitionOfShard(ino, plan.first, transaction.partitionCount)
  const moved = await move(transaction, plan, target, request.moveBytes)
  const changing = [here, target]
  await transaction.run(partitionOfIno(ino), 'mapShard', { ino, first: plan.first, changing })
  transaction.local(context => giveUp(context, plan, moved, target === here))
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
  // One that could not be split in time is not moved by halves: one transaction holds only so much.
  const share = Math.min(1 / 2, limit / held.entries)
  const first = held.end - Math.max(1, Math.floor(slots * share))
  const { mode, gid, blockBytes, inlineBytes, defaultAcl } = holding
  const directory = { ino, mode, gid, blockBytes, inlineBytes, defaultAcl }
  return { directory, holding, held, first, isWhole }
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

/** Sends the entries there, in messages of a bounded size; counts them where they stay in this partition. */
async function move(
  transaction: Transaction,
  { directory, held, first }: Plan,
  target: number,
  moveBytes: number,
): Promise<Moved> {
  const { partition } = transaction
  const { end } = held
  const moved: Moved = { keys: [], entries: 0, subdirectories: 0 }
  let batch: [number, Uint8Array][] = []
  let bytes = 0
  const send = async () => {
    const entries = batch
    batch = []
    bytes = 0
    if (target === partition) return
    await transaction.run(target, 'takeShard', { directory, first, end, entries })
  }
  const prefix = inoPrefix(partition, keyKind.entries, directory.ino)
  const from = entriesKey(partition, directory.ino, firstHashOf(first))
  const to =
    end === shardSlots ? endOf(prefix) : entriesKey(partition, directory.ino, firstHashOf(end))
  for await (const [key, record] of transaction.range(from, to)) {
    count(moved, key, record)
    batch.push([hashOfEntriesKey(key), record])
    bytes += record.length + entryOverheadBytes
    if (bytes >= moveBytes) await send()
  }
  if (batch.length > 0 || moved.entries === 0) await send()
  return moved
}

/** Of a message, beside the record: its hash and how they are written. */
const entryOverheadBytes = 16

function count(moved: Moved, key: string, record: Uint8Array): void {
  moved.keys.push(key)
  for (const { type } of decodeEntries(record)) {
    moved.entries++
    if (type === fileType.directory) moved.subdirectories++
  }
}

/** What stays. */
function giveUp(context: OperationContext, plan: Plan, moved: Moved, staysHere: boolean): void {
  const { batch, facts } = context
  const { holding, held, first, isWhole } = plan
  const left = { ...held, end: first, entries: held.entries - moved.entries }
  const shards = withShard(holding, held, left)
  if (staysHere) {
    shards.push({ first, end: held.end, entries: moved.entries })
    shards.sort((a, b) => a.first - b.first)
  } else {
    for (const key of moved.keys) batch.delete(key)
  }
  writeHolding(batch, facts.partition, {
    ...holding,
    change: nextChange(facts, holding),
    subdirectories: holding.subdirectories - (staysHere ? 0 : moved.subdirectories),
    shards,
  })
  if (!isWhole) return
  writeInode(batch, { ...readDirectory(batch, plan.directory.ino), size: 0, nlink: 2 })
}
