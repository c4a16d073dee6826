/** What a check does in one partition as a part of a transaction: looks at inodes and names, and repairs them. */
import { z } from 'zod'
import { PosixError } from '../../network/errors.ts'
import { shardSlots } from '../../network/limits.ts'
import { hashOfCookie, isShardMap } from '../../network/placement/shards.ts'
import { fileType, isDirectory, isRegular } from '../../network/wire/attributes.ts'
import { checksumBytes } from '../../network/wire/checksum.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { cookieOf, decodeEntries, type Entry, encodeEntries } from '../metadata/entries.ts'
import type { Inode } from '../metadata/inode.ts'
import { entriesKey, holdingKey, inlineKey, inodeKey } from '../metadata/keys.ts'
import type { Batch } from '../partition/batch.ts'
import { changeInode, writeInode } from '../partition/inodes.ts'
import { newInode } from '../partition/new-inode.ts'
import type { OperationContext } from '../partition/operation.ts'
import { findHolding, nextChange, shardOf, touchShard, writeHolding } from '../partition/shards.ts'
import { emptyHolding, inherited } from '../transactions/shard-legs.ts'
import { readableInode } from './inode-rules.ts'
import { readableHolding } from './record-facts.ts'
import type { HeldCounts } from './shard-counts.ts'
import { getTolerantly } from './tolerant.ts'

const number = z.number()
const place = z.object({ partition: number, directory: number, cookie: number })

function isShardMapOrNone(value: unknown): boolean {
  return (value instanceof Uint8Array && value.length === 0) || isShardMap(value)
}

export const checkingSchemas = {
  inspectInode: z.object({ ino: number }),
  inspectName: place,
  /** Without what it leads to. */
  removeName: place,
  retypeName: place.extend({ type: number }),
  rebuildInode: z.object({
    ino: number,
    mode: number,
    parent: number,
    nlink: number,
    size: number,
    generation: number,
    reserved: number,
    blockBytes: number,
    inlineBytes: number,
    volume: number,
    shards: z.custom<Uint8Array>(isShardMapOrNone),
  }),
  setLinks: z.object({ ino: number, nlink: number }),
  inspectShards: z.object({ ino: number }),
  recountShards: z.object({
    directory: inherited,
    shards: z.array(z.object({ first: number, end: number, entries: number })),
    subdirectories: number,
  }),
} as const

type Argument<L extends keyof typeof checkingSchemas> = z.infer<(typeof checkingSchemas)[L]>

/** As much of an inode as a check has to know. */
export type Inspected = Pick<
  Inode,
  | 'mode'
  | 'nlink'
  | 'change'
  | 'parent'
  | 'generation'
  | 'reserved'
  | 'blockBytes'
  | 'inlineBytes'
  | 'volume'
>

export interface InspectedName {
  readonly ino: Ino
  readonly type: number
}

export interface CheckingResults {
  inspectInode: Inspected | null
  inspectName: InspectedName | null
  removeName: null
  retypeName: null
  rebuildInode: null
  setLinks: null
  /** null when the record is not there, or cannot be read. */
  inspectShards: HeldCounts | null
  recountShards: null
}

type CheckingLeg<L extends keyof CheckingResults> = (
  context: OperationContext,
  argument: Argument<L>,
) => CheckingResults[L]

export const checkingLegs: { readonly [L in keyof CheckingResults]: CheckingLeg<L> } = {
  inspectInode({ batch }, { ino }) {
    const inode = readableAt(batch, ino)
    if (inode === undefined) return null
    const { mode, nlink, change, parent, generation, reserved } = inode
    const { blockBytes, inlineBytes, volume } = inode
    return { mode, nlink, change, parent, generation, reserved, blockBytes, inlineBytes, volume }
  },

  inspectName({ batch }, argument) {
    // The directory's own inode as well: who changes entries changes it.
    const entry = entryAt(batch, argument)
    return entry === undefined ? null : { ino: entry.ino, type: entry.type }
  },

  removeName(context, argument) {
    changeEntry(context, argument, () => null)
    return null
  },

  retypeName(context, { type, ...argument }) {
    changeEntry(context, argument, entry => ({ ...entry, type }))
    return null
  },

  rebuildInode(
    { batch, facts, nowNs },
    { ino, mode, parent, nlink, size, generation, reserved, shards, ...rest },
  ) {
    const isNew = getTolerantly(batch, inodeKey(partitionOfIno(ino), ino)) === undefined
    const target = new Uint8Array(0)
    const above = { ino: parent, mode: 0, gid: 0, defaultAcl: target, ...rest }
    const init = { ino, mode, umask: 0, uid: 0, gid: 0, rdev: 0, target, nowNs }
    const made = newInode(above, init)
    const inline = getTolerantly(batch, inlineKey(partitionOfIno(ino), ino))?.length ?? 0
    const wholeSize = isRegular(mode) ? Math.max(size, inline - checksumBytes) : size
    // What its blocks take is known to their servers only: as if there were no holes.
    writeInode(batch, {
      ...made,
      change: facts.changeFloorOfLost,
      nlink,
      size: wholeSize,
      generation: reserved > 0 ? generation : Math.max(generation, facts.generationFloor),
      reserved,
      shards,
      reach: reserved,
      allocated: isRegular(mode) ? wholeSize : 0,
    })
    if (isNew) batch.counts.inodes += 1
    return null
  },

  setLinks(context, { ino, nlink }) {
    const inode = readableAt(context.batch, ino)
    if (inode === undefined) throw new PosixError('ESTALE', `inode ${ino} does not exist`)
    changeInode(context, inode, { nlink })
    return null
  },

  inspectShards({ batch, facts }, { ino }) {
    const holding = readableHolding(ino, getTolerantly(batch, holdingKey(facts.partition, ino)))
    return holding === null
      ? null
      : { shards: holding.shards, subdirectories: holding.subdirectories }
  },

  recountShards({ batch, facts, nowNs }, { directory, shards, subdirectories }) {
    const key = holdingKey(facts.partition, directory.ino)
    const before = readableHolding(directory.ino, getTolerantly(batch, key))
    const holding = before ?? emptyHolding(directory)
    // Clients know the names that were in it at a change: of one that comes again they would say what was.
    const change =
      before === null ? Math.floor(facts.changeFloorOfLost / shardSlots) : nextChange(facts, before)
    const times = { mtimeNs: nowNs, ctimeNs: nowNs }
    const counted = { ...holding, ...directory, ...times, change, shards, subdirectories }
    writeHolding(batch, facts.partition, counted)
    return null
  },
}

export function readableAt(batch: Batch, ino: Ino): Inode | undefined {
  return readableInode(getTolerantly(batch, inodeKey(partitionOfIno(ino), ino)), ino)
}

function entriesAt(
  batch: Batch,
  { partition, directory, cookie }: Argument<'inspectName'>,
): Entry[] {
  const record = getTolerantly(batch, entriesKey(partition, directory, hashOfCookie(cookie)))
  return decodeEntries(record)
}

function entryAt(batch: Batch, argument: Argument<'inspectName'>): Entry | undefined {
  const hash = hashOfCookie(argument.cookie)
  const entries = entriesAt(batch, argument)
  return entries.find(({ place }) => cookieOf(hash, place) === argument.cookie)
}

/** What the directory counts is changed with it, if there is a directory. */
function changeEntry(
  context: OperationContext,
  argument: Argument<'inspectName'>,
  change: (entry: Entry) => Entry | null,
): void {
  const { batch } = context
  const entry = entryAt(batch, argument)
  if (entry === undefined) throw new PosixError('ENOENT', 'the name is gone')
  const changed = change(entry)
  const others = entriesAt(batch, argument).filter(({ place }) => place !== entry.place)
  const left = changed === null ? others : [...others, changed]
  const key = entriesKey(argument.partition, argument.directory, hashOfCookie(argument.cookie))
  if (left.length === 0) batch.delete(key)
  else batch.put(key, encodeEntries(left))
  if (!countsEntries(batch, argument)) return
  const shard = shardOf(context, argument.directory, entry.name)
  const subdirectories = countDirectory(changed) - countDirectory(entry)
  touchShard(context, shard, { entries: changed === null ? -1 : 0, subdirectories })
}

/** Whether there is anything that counts the entries that this partition has of the directory. */
function countsEntries(batch: Batch, { partition, directory }: Argument<'inspectName'>): boolean {
  if (partitionOfIno(directory) !== partition)
    return findHolding(batch, partition, directory) !== undefined
  const inode = readableAt(batch, directory)
  return inode !== undefined && isDirectory(inode.mode)
}

function countDirectory(entry: Entry | null): number {
  return entry?.type === fileType.directory ? 1 : 0
}
