/** The legs of what concerns all shards of a directory, or moves one from one partition to another. */
import { z } from 'zod'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { shardSlots } from '../../network/limits.ts'
import { firstHashOf, isShardMap } from '../../network/placement/shards.ts'
import { fileType } from '../../network/wire/attributes.ts'
import type { ShardTotals } from '../../network/wire/operations.ts'
import { decodeEntries } from '../metadata/entries.ts'
import { type HeldShard, type Holding, never } from '../metadata/holding.ts'
import { entriesKey, holdingKey } from '../metadata/keys.ts'
import { readDirectory } from '../partition/directories.ts'
import { writeInode } from '../partition/inodes.ts'
import type { Inherited } from '../partition/new-inode.ts'
import type { OperationContext } from '../partition/operation.ts'
import { findHolding, nextChange, writeHolding } from '../partition/shards.ts'
import { totalsOf } from '../partition/totals.ts'

const number = z.number()
const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)
const slot = z.number().int().min(0).max(shardSlots)

/** What a directory hands down to what is made in it. */
export const inherited = z.object({
  ino: number,
  mode: number,
  gid: number,
  blockBytes: number,
  inlineBytes: number,
  volume: number,
  defaultAcl: bytes,
})

export const shardSchemas = {
  /** A shard comes here, with some of its entries: hash and record of each. */
  takeShard: z.object({
    directory: inherited,
    first: slot,
    end: slot,
    entries: z.array(z.tuple([number, bytes])),
  }),
  /** The directory has more shards; what these partitions count is about to change. */
  mapShards: z.object({ ino: number, firsts: z.array(slot), changing: z.array(number) }),
  /** The directory takes its times over from the shards, and hands down something else. */
  foldShards: z.object({ directory: inherited }),
  /** The directory is removed. */
  dropShards: z.object({ ino: number }),
} as const

type ShardLegName = keyof typeof shardSchemas
type Argument<L extends ShardLegName> = z.infer<(typeof shardSchemas)[L]>

export interface ShardLegResults {
  takeShard: null
  mapShards: null
  /** With the times before. */
  foldShards: ShardTotals
  dropShards: null
}

type ShardLegs = {
  readonly [L in ShardLegName]: (
    context: OperationContext,
    argument: Argument<L>,
  ) => ShardLegResults[L]
}

export const shardLegs: ShardLegs = {
  takeShard({ batch, facts }, { directory, first, end, entries }) {
    const { partition } = facts
    const holding = findHolding(batch, partition, directory.ino) ?? emptyHolding(directory)
    const [from, to] = [firstHashOf(first), firstHashOf(end)]
    let taken = 0
    let subdirectories = 0
    for (const [hash, record] of entries) {
      if (!(hash >= from && hash < to)) throw new ClusterError('MALFORMED', 'not of this shard')
      batch.put(entriesKey(partition, directory.ino, hash), record)
      for (const { type } of decodeEntries(record)) {
        taken++
        if (type === fileType.directory) subdirectories++
      }
    }
    writeHolding(batch, partition, {
      ...holding,
      ...directory,
      change: nextChange(facts, holding),
      subdirectories: holding.subdirectories + subdirectories,
      shards: withMore(holding.shards, first, end, taken),
    })
    return null
  },

  mapShards({ batch, totals }, { ino, firsts, changing }) {
    const inode = readDirectory(batch, ino)
    const known = inode.shards.length === 0 ? [0] : [...inode.shards]
    const shards = Uint8Array.from([...known, ...firsts].sort((a, b) => a - b))
    if (!isShardMap(shards)) {
      throw new ClusterError('MALFORMED', `directory ${ino} cannot have shards ${firsts} more`)
    }
    writeInode(batch, { ...inode, shards })
    totals.doubt(ino, changing)
    return null
  },

  foldShards({ batch, facts }, { directory }) {
    const holding = readHolding(batch, facts.partition, directory.ino)
    const change = nextChange(facts, holding)
    const times = { mtimeNs: never, ctimeNs: never }
    writeHolding(batch, facts.partition, { ...holding, ...directory, ...times, change })
    return { ...totalsOf(holding), change }
  },

  dropShards({ batch, facts }, { ino }) {
    const holding = readHolding(batch, facts.partition, ino)
    if (holding.shards.some(({ entries }) => entries > 0)) throw new PosixError('ENOTEMPTY')
    batch.delete(holdingKey(facts.partition, ino))
    return null
  },
}

function readHolding(batch: OperationContext['batch'], partition: number, ino: number): Holding {
  const holding = findHolding(batch, partition, ino)
  if (holding !== undefined) return holding
  const text = `partition ${partition} holds nothing of directory ${ino}`
  throw new ClusterError('MALFORMED', text)
}

export function emptyHolding(directory: Inherited): Holding {
  const times = { mtimeNs: never, ctimeNs: never }
  return { ...directory, ...times, change: 0, subdirectories: 0, shards: [] }
}

/** @throws ClusterError MALFORMED when some of it is held already. */
function withMore(
  shards: readonly HeldShard[],
  first: number,
  end: number,
  entries: number,
): HeldShard[] {
  const before = shards.find(shard => shard.first === first && shard.end === end)
  const others = shards.filter(shard => shard !== before)
  const overlaps = others.some(shard => shard.first < end && first < shard.end)
  if (overlaps || first >= end) {
    throw new ClusterError('MALFORMED', `slots ${first} to ${end} are held here already`)
  }
  const more = { first, end, entries: (before?.entries ?? 0) + entries }
  return [...others, more].sort((a, b) => a.first - b.first)
}
