/**
 * Changing behind: where this client alone is served by a partition (a lease on all of it), a file that is made in a directory
 * there, a name that is removed, a small file that is written, and a mode, owner or time that is set, are answered when the request
 * has left.
 *
 * 1. Nobody sees that it is not done yet: before the server serves anybody else there it has the lease called back, which is
 *    answered when all is done; whoever asks through this client waits for what concerns them (`ChangesBehind.settled`).
 * 2. What was answered gets to the server though this process ends: it is with the kernel. Where that is not so, or not known,
 *    the answer waits until it is done.
 * 3. Only that is answered which cannot be refused: that the name is free, or what it leads to, is leased, and so is what the
 *    directory, or the file, says of itself; there is no quota; and a full disk has room for what is on its way.
 * 4. What fails all the same (a disk that fails, a server that stays away) is logged, and told by the next `fsync` of the
 *    directory, and by the next write, `fsync` or `close` of the file; where that was closed already, by the next `fsync` of it.
 */
import { PosixError } from '../../network/errors.ts'
import {
  behindErrorRestMs,
  behindNumbers,
  maxSmallWritesBehind,
  wallLateMs,
} from '../../network/limits.ts'
import {
  type Attributes,
  fileType,
  isDirectory,
  newAttributes,
  withNames,
} from '../../network/wire/attributes.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { AsksBehind, BehindShown, Name } from '../../network/wire/operations.ts'
import {
  capabilityName,
  defaultAclName,
  lacksXattr,
  xattrFlag,
} from '../../network/wire/xattr-names.ts'
import type { ChangeBehind } from '../cache/changes-behind.ts'
import type { Made } from '../cache/made-names.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { MutationOf, Payload } from '../cluster/contract.ts'
import { isStaleWrite } from '../cluster/retry.ts'
import { withinRange } from './attributes.ts'
import { type Context, changedHere } from './context.ts'
import type { SetAttributes } from './contract.ts'
import { checksumOf } from './inline.ts'
import { keepCreated } from './keep-created.ts'

const wallLateNs = BigInt(wallLateMs) * 1_000_000n

/** Setuid and setgid, which a write may take away. */
const privileges = 0o6000

/** A change that was begun. */
export interface Begun {
  /** Whether it may be answered; else it is to be waited for. */
  readonly handed: Promise<boolean>
  /** Rejects with what it failed with. */
  readonly done: Promise<void>
  /** The program was told that it is done. */
  isAnswered: boolean
}

export interface BegunFile extends Begun {
  readonly attributes: Attributes
}

/** To be sent with a change of a name in the partition, where one comes after the other: the next are to be made behind. */
export function asksBehind({ changes, cluster }: Context, partition: Partition): AsksBehind {
  const isBusy = changes.noteChange(partition, cluster.env.clock.monotonicMs())
  if (!isBusy || !cluster.handsOver(partition)) return {}
  const has = cluster.partitions.mayWrite(partition)
  const isEnough = has && changes.numbersLeft(partition) > behindNumbers / 2
  return isEnough || changes.asking.has(partition) ? {} : { asksBehind: true }
}

/** Makes a change in the partition, and keeps what its answer says of changing behind. */
export async function duringChange<T extends { readonly body: BehindShown }>(
  { changes, cluster }: Context,
  partition: Partition,
  asking: AsksBehind,
  change: () => Promise<T>,
): Promise<T> {
  const { partitions } = cluster
  let reply: T | null = null
  const isAsking = asking.asksBehind === true
  if (isAsking) changes.asking.add(partition)
  try {
    await partitions.during(partition, async () => {
      reply = await change()
      const { mayBehind, endsBehind } = reply.body
      if (endsBehind === true) partitions.forget(partition)
      if (mayBehind === undefined) return { body: { leaseMs: 0 } }
      const { leaseMs, numbers, changeFloor } = mayBehind
      changes.gave(partition, numbers, changeFloor)
      return { body: { leaseMs, behind: true as const } }
    })
  } finally {
    if (isAsking) changes.asking.delete(partition)
  }
  return reply!
}

/** Makes a regular file. @returns null where it is to be made in the usual way. */
export function createBehind(context: Context, request: MutationOf<'create'>): BegunFile | null {
  const { changes, cluster, dirty, names } = context
  const { parent, name, umask = 0, uid, gid, target } = request
  const partition = partitionOfIno(parent)
  const directory = directoryToChange(context, parent)
  if (directory === null || !lacksXattr(directory.xattrFlags, defaultAclName)) return null
  const isFree = names.lacks(directory, name) || cluster.leases.named(parent, name) === 0
  if (!isFree || changes.named(parent, name) !== undefined) return null
  const nowNs = nowOf(context, directory)
  if (nowNs === null || changes.numbersLeft(partition) === 0) return null
  const ino = changes.takeNumber(partition)
  const mode = request.mode & ~umask
  const anew = { ino, mode, umask: 0, uid, gid, rdev: 0, target, nowNs }
  const attributes = { ...newAttributes(directory, anew, false), xattrFlags: xattrFlag.none }
  const made = { ino, type: mode & fileType.mask }
  const asking = asksBehind(context, partition)
  const asked = cluster.leases.asking(partition)
  const making = { parent, name, mode, uid, gid, ino, nowNs, ...asking }
  const sent = cluster.mutateBehind('makeBehind', partition, making)
  if (sent === null) return null
  const after = changeDirectory(context, directory, name, made, nowNs)
  const finish = async (change: ChangeBehind): Promise<void> => {
    const { body, boot } = await duringChange(context, partition, asking, () => sent.done)
    dirty.mark(parent, partition, boot)
    dirty.markNew(ino, partition, boot)
    keepCreated(context, request, { ...body, attributes }, asked)
    change.madeChange = attributes.change
    await letGo(context, change)
    changes.end(change)
    compare(context, after, body.change)
  }
  const what = { ino, attributes, place: { directory: parent, name } }
  return Object.assign(begin(context, sent.handed, what, finish), { attributes })
}

/** Removes a name that leads to no directory. @returns null where it is to be removed in the usual way. */
export function unlinkBehind(context: Context, parent: Ino, name: Name): Begun | null {
  const { changes, cluster, dirty } = context
  const partition = partitionOfIno(parent)
  const directory = directoryToChange(context, parent)
  const ino = directory === null ? undefined : cluster.leases.named(parent, name)
  if (directory === null || !ino || partitionOfIno(ino) !== partition) return null
  const attributes = cluster.leases.attributes(ino)
  if (attributes === undefined || isDirectory(attributes.mode)) return null
  if (changes.ofInode(ino) !== undefined || changes.named(parent, name) !== undefined) return null
  if (changes.isHeld(ino)) return null
  const nowNs = nowOf(context, directory, attributes)
  if (nowNs === null) return null
  const asking = asksBehind(context, partition)
  const removing = { parent, name, ino, nowNs, ...asking }
  const sent = cluster.mutateBehind('removeBehind', partition, removing)
  if (sent === null) return null
  const after = changeDirectory(context, directory, name, null, nowNs)
  const finish = async (change: ChangeBehind): Promise<void> => {
    const { body, boot } = await duringChange(context, partition, asking, () => sent.done)
    cluster.leases.forget(ino)
    dirty.mark(parent, partition, boot)
    changes.end(change)
    compare(context, after, body.change)
  }
  const what = { ino, attributes: null, place: { directory: parent, name } }
  return begin(context, sent.handed, what, finish)
}

/** Writes to a file that is small and stays so. @returns null where it is to be written in the usual way. */
export function writeSmallBehind(
  context: Context,
  inode: OpenInode,
  offset: number,
  data: Uint8Array,
): Begun | null {
  const { ino, inline } = inode
  // The next ones are joined (write-behind.ts).
  if (inline === null || inode.limited) return null
  if (inode.behind.writesThrough >= maxSmallWritesBehind) return null
  const known = attributesToChange(context, ino)
  if (known === null || known.reach > 0) return null
  const end = offset + data.length
  const size = Math.max(known.size, end)
  const nowNs = nowOf(context, known)
  if (size > known.inlineBytes || nowNs === null) return null
  // Whoever wrote it may use its memory for something else from now on.
  const own = Buffer.from(data)
  const whole = Buffer.alloc(Math.max(inline.length, end))
  whole.set(inline)
  whole.set(own, offset)
  const now = { mtimeNs: nowNs, ctimeNs: nowNs, size, allocated: whole.length }
  const request = { ino, offset, checksum: checksumOf([own]), change: known.change, nowNs }
  const begun = changeInode(context, 'writeBehind', request, { ...known, ...now }, [own])
  if (begun === null) return null
  inode.behind.writesThrough++
  inode.learnInline(begun.attributes, whole)
  return begun
}

/** Sets mode, owner and times of what is no directory. @returns null where they are to be set in the usual way. */
export function setBehind(context: Context, ino: Ino, changes: SetAttributes): BegunFile | null {
  const { size, mode, uid, gid, atimeNs, mtimeNs, ctimeNs } = withinRange(changes)
  // Of what has no privileges none are to be taken away.
  if (size !== undefined || ((mode ?? 0) & privileges) !== 0) return null
  const known = attributesToChange(context, ino)
  if (known === null || !hasNoXattrs(known)) return null
  const nowNs = nowOf(context, known)
  if (nowNs === null) return null
  const set = {
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(atimeNs !== undefined && { atimeNs: atimeNs === 'now' ? nowNs : atimeNs }),
    ...(mtimeNs !== undefined && { mtimeNs: mtimeNs === 'now' ? nowNs : mtimeNs }),
    ctimeNs: ctimeNs ?? nowNs,
  }
  const permissions = mode === undefined ? {} : { mode: (known.mode & fileType.mask) | mode }
  const request = { ino, nowNs, change: known.change, ...set, ...(mode !== undefined && { mode }) }
  return changeInode(context, 'setBehind', request, { ...known, ...set, ...permissions })
}

/** @param said what the inode is by it, but for its `change`. */
function changeInode<N extends 'writeBehind' | 'setBehind'>(
  context: Context,
  operation: N,
  request: MutationOf<N>,
  said: Attributes,
  payload: Payload = [],
): BegunFile | null {
  const { changes, cluster, dirty, inodes } = context
  const { ino, change } = said
  const partition = partitionOfIno(ino)
  const asked = cluster.leases.asking(partition)
  const sent = cluster.mutateBehind(operation, partition, request, payload)
  if (sent === null) return null
  const attributes = { ...said, change: changes.changeAfter(said) }
  changedHere(context, attributes, change)
  inodes.learn(attributes)
  const before = changes.ofInode(ino)
  const finish = async (made: ChangeBehind): Promise<void> => {
    const { body, boot } = await duringChange(context, partition, {}, async () => {
      try {
        return await sent.done
      } catch (error) {
        if (before === undefined || !isEarly(error)) throw error
        // It overtook the one before, which was sent again; or whoever took that counts otherwise than was known.
        await before.ended
        const now = { ...request, change: before.madeChange ?? change }
        return await cluster.mutate(operation, partition, now, payload)
      }
    })
    dirty.mark(ino, partition, boot)
    made.madeChange = body.change
    const isAsSaid = body.change === attributes.change
    cluster.leases.keepChanged(attributes, asked, isAsSaid ? body.leaseMs : 0)
    await letGo(context, made)
    changes.end(made)
  }
  const begun = begin(context, sent.handed, { ino, attributes, place: null }, finish)
  return Object.assign(begun, { attributes })
}

/** When these are changed together, by their server's clock: after the last change of each. null while that is not known. */
function nowOf({ cluster }: Context, ...changed: readonly Attributes[]): bigint | null {
  const knownNs = cluster.wallNs(partitionOfIno(changed[0]!.ino))
  let nowNs = knownNs
  for (const { ctimeNs } of changed) {
    // By more than the clock is known late: it was set back since.
    if (nowNs === null || ctimeNs < nowNs || ctimeNs - knownNs! > wallLateNs) continue
    nowNs = ctimeNs + 1n
  }
  return nowNs
}

/** What it says of itself; null where it is not to be changed behind: a directory, too. */
function attributesToChange(context: Context, ino: Ino): Attributes | null {
  const { accesses, behind, changes, cluster, inodes } = context
  if (changes.isHeld(ino) || !mayChange(context, partitionOfIno(ino))) return null
  if (behind.settled(ino) !== null) return null
  const before = changes.ofInode(ino)
  const known = before === undefined ? cluster.leases.attributes(ino) : before.attributes
  if (!known || isDirectory(known.mode) || isPrivileged(known)) return null
  if (accesses.told(ino) !== null) return null
  const inode = inodes.get(ino)
  if (inode === undefined) return known
  const isCurrent = inode.attributes.change === known.change && inode.behind.changing === 0
  return isCurrent && !inode.gone ? known : null
}

function hasNoXattrs({ xattrFlags }: Attributes): boolean {
  return (xattrFlags & xattrFlag.none) !== 0
}

/** Its server has not made, or changed, the file yet. */
function isEarly(error: unknown): boolean {
  return isStaleWrite(error) || (error instanceof PosixError && error.code === 'ESTALE')
}

function isPrivileged({ mode, xattrFlags }: Attributes): boolean {
  return (mode & privileges) !== 0 || !lacksXattr(xattrFlags, capabilityName)
}

function mayChange({ changes, cluster }: Context, partition: Partition): boolean {
  if (changes.isFull || changes.throughUntilMs > cluster.env.clock.monotonicMs()) return false
  return cluster.partitions.mayWrite(partition) && cluster.handsOver(partition)
}

/** What it says of itself; null where names in it are not to be changed behind. */
function directoryToChange(context: Context, ino: Ino): Attributes | null {
  if (context.shards.has(ino) || context.changes.isHeld(ino)) return null
  if (!mayChange(context, partitionOfIno(ino))) return null
  const known = context.cluster.leases.attributes(ino)
  // Of one that is split the shards need not be known yet.
  return known === undefined || known.reach > 0 ? null : known
}

/** What the server will make of it. */
function changeDirectory(
  { changes, cluster, names }: Context,
  directory: Attributes,
  name: Name,
  made: Made | null,
  nowNs: bigint,
): Attributes {
  const before = names.before(directory.ino)
  const more = made === null ? -1 : 1
  const after = withNames(directory, more, { nowNs, change: changes.changeAfter(directory) })
  cluster.leases.changedBehind(after)
  names.changed(after, name, made, before)
  return after
}

/** @param finish is to end it in `changes`, unless it throws. */
function begin(
  context: Context,
  handed: Promise<boolean>,
  what: Omit<ChangeBehind, 'ended' | 'madeChange' | 'mayBeKept'>,
  finish: (change: ChangeBehind) => Promise<void>,
): Begun {
  const { changes } = context
  const before = changes.ofInode(what.ino)?.ended
  const ended = Promise.withResolvers<void>()
  const mayBeKept = what.place !== null && what.attributes !== null
  const change = { ...what, ended: ended.promise, madeChange: null, mayBeKept }
  changes.begin(change)
  const done = finish(change).catch(async error => {
    await letGo(context, change)
    changes.end(change)
    // What it would have made of them was said here, and is not so.
    forget(context, change)
    throw error
  })
  const begun = { handed, done, isAnswered: false }
  void done
    .catch(error => failed(context, change, begun, error))
    .then(() => before)
    .finally(() => ended.resolve())
  return begun
}

/** The change is about to end: resolves when the kernel goes by nothing of its inode that is not leased, or is still on its way. */
async function letGo({ changes, cluster }: Context, change: ChangeBehind): Promise<void> {
  change.mayBeKept = false
  const { ino, attributes } = change
  if (attributes !== null && changes.ofInode(ino) === change) await cluster.leases.dropUnleased(ino)
}

/** Somebody has removed the name, or put another in its place, while this client was not heard. */
function isGoneAlready({ attributes }: ChangeBehind, error: unknown): boolean {
  return attributes === null && error instanceof PosixError && error.code === 'ENOENT'
}

/** What was made of the directory here has to be what its server has made of it. */
function compare(context: Context, said: Attributes, change: number): void {
  const { changes, cluster, names } = context
  const { ino } = said
  if (said.change !== change) {
    forgetDirectory(context, ino)
  } else if (!changes.isIn(ino)) {
    const known = cluster.leases.attributes(ino)
    if (known !== undefined) names.saw(known)
  }
}

function forget(context: Context, { place, ino }: ChangeBehind): void {
  context.cluster.leases.forget(ino)
  if (place !== null) forgetDirectory(context, place.directory)
}

/** What was said of it here is not so, and its `change` may become that of something else. */
function forgetDirectory({ cluster, names, listings }: Context, directory: Ino): void {
  cluster.leases.forget(directory)
  names.forget(directory)
  listings.forget(directory)
}

function failed(context: Context, change: ChangeBehind, begun: Begun, error: unknown): void {
  const { changes, cluster, inodes, pages, synced } = context
  const { ino, attributes, place } = change
  if (isGoneAlready(change, error)) return
  changes.throughUntilMs = cluster.env.clock.monotonicMs() + behindErrorRestMs
  const inode = attributes === null ? undefined : inodes.get(ino)
  if (inode !== undefined) {
    inode.behind.failed(error, changes.throughUntilMs)
    inode.lose()
    if (place !== null) inodes.wentAway(inode)
  }
  // Its `change` may become that of something else.
  pages.forget(ino)
  synced.forget(ino)
  if (!begun.isAnswered) return
  if (place !== null) changes.failed(place.directory, error)
  else if (![...context.handles].some(handle => handle.ino === ino)) changes.failed(ino, error)
  const text = 'a change that a program was answered could not be made'
  cluster.log.warn({ ino, directory: place?.directory ?? null, error }, text)
}

/** Waits until the program may be told. @throws PosixError */
export async function answer(begun: Begun): Promise<void> {
  begun.isAnswered = await begun.handed
  if (!begun.isAnswered) await begun.done
}
