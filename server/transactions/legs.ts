/**
 * The legs that transactions are made of: what one partition contributes, as a synchronous function over
 * a batch. A leg validates and gathers; whether it takes effect is the coordinator's decision.
 */
import { z } from 'zod'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { type CheckingResults, checkingLegs, checkingSchemas } from '../checking/legs.ts'
import { attributesOf, type Inode } from '../metadata/inode.ts'
import { factsKey, inodeKey } from '../metadata/keys.ts'
import type { Batch } from '../partition/batch.ts'
import { checkNewName, findChild, putChild } from '../partition/directories.ts'
import {
  addLink as addLinkTo,
  changeAttributes,
  dropLink as dropLinkOf,
  readInode,
  removeInode,
} from '../partition/inodes.ts'
import { addInode } from '../partition/new-inode.ts'
import type { OperationContext } from '../partition/operation.ts'
import { shardOf, touchShard } from '../partition/shards.ts'
import { oneFile } from '../partition/usage.ts'
import { inherited, type ShardLegResults, shardLegs, shardSchemas } from './shard-legs.ts'

const number = z.number()
const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)
const name = bytes
/** The client knows that it is this inode, and keeps nothing of it: its own lease is in nobody's way. */
const known = z.boolean()

/** What stands at a name: enough to decide whether another may take its place. */
const occupant = z.object({ ino: number, mode: number })
export type Occupant = z.infer<typeof occupant>

const schemas = {
  ...shardSchemas,
  makeDirectory: z.object({
    parent: inherited,
    mode: number,
    umask: number,
    uid: number,
    gid: number,
  }),
  removeDirectory: z.object({ ino: number, known }),
  addLink: z.object({ ino: number }),
  dropLink: z.object({ ino: number, known }),
  /** The inode got another name (ctime), and a directory perhaps another parent. */
  renamed: z.object({ ino: number, parent: number, known }),
  placeEntry: z.object({
    parent: number,
    name,
    moved: occupant,
    flags: number,
    meant: number.optional(),
  }),
  lockRenames: z.object({}),
  ...checkingSchemas,
} as const

export type LegName = keyof typeof schemas
export type LegArgument<L extends LegName> = z.infer<(typeof schemas)[L]>

export interface LegResults extends CheckingResults, ShardLegResults {
  makeDirectory: Attributes
  /** Partitions with shards that have to be dropped as well. */
  removeDirectory: readonly number[]
  addLink: Attributes
  dropLink: null
  renamed: null
  /** What stood there before, and the subdirectories that the directory gained for the caller's sake. */
  placeEntry: { readonly replaced: Occupant | null }
  lockRenames: null
}

type Leg<L extends LegName> = (context: OperationContext, argument: LegArgument<L>) => LegResults[L]

const legs: { readonly [L in LegName]: Leg<L> } = {
  ...shardLegs,

  makeDirectory(context, { parent, mode, umask, uid, gid }) {
    const { batch, facts, nowNs } = context
    if (parent.ino !== clusterRootIno) context.usage.admit(batch, parent.volume, oneFile)
    const target = new Uint8Array(0)
    const init = { ino: facts.allocateIno(), mode, umask, uid, gid, rdev: 0, target, nowNs }
    return attributesOf(addInode(batch, parent, init))
  },

  removeDirectory({ batch, totals }, { ino, known }) {
    const inode = readNamed(batch, ino, known)
    if (!isDirectory(inode.mode)) throw new PosixError('ENOTDIR')
    if (inode.size > 0) throw new PosixError('ENOTEMPTY')
    removeInode(batch, inode)
    return inode.shards.length === 0 ? [] : totals.holders(inode)
  },

  addLink(context, { ino }) {
    const inode = readInode(context.batch, ino)
    if (isDirectory(inode.mode)) throw new PosixError('EPERM', 'hard link to a directory')
    return attributesOf(addLinkTo(context, inode))
  },

  dropLink(context, { ino, known }) {
    dropLinkOf(context, readNamed(context.batch, ino, known))
    return null
  },

  renamed(context, { ino, parent, known }) {
    const inode = readNamed(context.batch, ino, known)
    changeAttributes(context, inode, isDirectory(inode.mode) ? { parent } : {})
    return null
  },

  placeEntry(context, { parent, name, moved, flags, meant }) {
    const { batch } = context
    const shard = shardOf(context, parent, name)
    checkNewName(name)
    const entry = findChild(batch, shard, name)
    const replaced = entry === undefined ? null : { ino: entry.ino, mode: entry.type }
    checkReplacement(moved, replaced, flags)
    checkMeant(meant, replaced)
    if (replaced?.ino === moved.ino) return { replaced }
    putChild(batch, shard, name, moved)
    const subdirectories = countDirectory(moved) - countDirectory(replaced)
    touchShard(context, shard, { entries: replaced === null ? 1 : 0, subdirectories })
    return { replaced }
  },

  /** Every directory that changes its parent goes through here, one after the other in the cluster. */
  lockRenames({ batch }) {
    batch.get(`${factsKey(0)}renames`)
    return null
  },

  ...checkingLegs,
}

/** An inode that the request does not name. @throws LeasedKey; PosixError ESTALE */
function readNamed(batch: Batch, ino: Ino, known: boolean): Inode {
  if (!known) batch.assertUnleased(inodeKey(partitionOfIno(ino), ino))
  return readInode(batch, ino)
}

/** Of renameat2(2). */
export const renameNoReplace = 1
export const renameExchange = 2

/** @throws PosixError as rename(2) has it when `moved` may not take the place of `replaced`. */
function checkReplacement(moved: Occupant, replaced: Occupant | null, flags: number): void {
  if (flags === renameExchange && replaced === null) throw new PosixError('ENOENT')
  if (replaced === null) return
  if (flags === renameNoReplace) throw new PosixError('EEXIST')
  if (flags === renameExchange) return
  if (countDirectory(replaced) > countDirectory(moved)) throw new PosixError('EISDIR')
  if (countDirectory(replaced) < countDirectory(moved)) throw new PosixError('ENOTDIR')
}

/** @throws PosixError ESTALE, upon which the kernel looks again what has the name. */
export function checkMeant(meant: Ino | undefined, found: { readonly ino: Ino } | null): void {
  if (meant === undefined || meant === found?.ino) return
  throw new PosixError('ESTALE', `inode ${meant} does not have the name any more`)
}

/** 1 for a directory, which counts in its parent's nlink, else 0. */
export function countDirectory(occupant: Occupant | null): 0 | 1 {
  return occupant !== null && (occupant.mode & fileType.mask) === fileType.directory ? 1 : 0
}

/**
 * Whether the leg waits for locks that it meets, with all that its transaction holds. Of a directory only one
 * transaction at a time gets that far: it holds the inode. Whoever else is in its way lets go, so no circle of
 * waits can form; and it comes to its end, however busy the shards are.
 */
export function outwaitsLocks(leg: string): boolean {
  return leg === 'foldShards'
}

export function runLeg<L extends LegName>(
  leg: L,
  context: OperationContext,
  argument: LegArgument<L>,
): LegResults[L] {
  return legs[leg](context, argument)
}

/** As it came from another server. @throws ClusterError MALFORMED, and what the leg throws. */
export function runLegFromWire(leg: string, context: OperationContext, argument: unknown): unknown {
  if (!Object.hasOwn(legs, leg)) throw new ClusterError('MALFORMED', `there is no leg ${leg}`)
  const name = leg as LegName
  const parsed = schemas[name].safeParse(argument)
  if (!parsed.success) {
    throw new ClusterError('MALFORMED', `argument of ${leg}`, { cause: parsed.error })
  }
  return legs[name](context, parsed.data as never)
}

/** The root's partition keeps the one lock of directory renames. */
export const lockRenamesPartition = partitionOfIno(clusterRootIno)
