/** Entries of directories: lookup, mknod, symlink, link, mkdir, unlink, rmdir, rename. */
import { PosixError } from '../../network/errors.ts'
import { maxLookupRedos } from '../../network/limits.ts'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type {
  AsksBehind,
  CreateReply,
  EntryReply,
  Name,
  RemoveReply,
} from '../../network/wire/operations.ts'
import type { Made } from '../cache/made-names.ts'
import type { Boot, Changed, MutationOf } from '../cluster/contract.ts'
import type { Asked } from '../cluster/read-leases.ts'
import { attributesIfThere } from './attributes.ts'
import { answer, asksBehind, duringChange, unlinkBehind } from './change-behind.ts'
import type { Context } from './context.ts'
import type { Caller, Place } from './contract.ts'
import { keepCreated } from './keep-created.ts'
import { namedAhead } from './look-ahead.ts'
import { checkName, checkTarget } from './name-rules.ts'
import { atName } from './shards.ts'

const noTarget = new Uint8Array(0)
const renameFlags = { noReplace: 1, exchange: 2, whiteout: 4 } as const

export async function lookup(context: Context, parent: Ino, name: Name): Promise<Attributes> {
  checkName(name)
  let gone = 0
  for (let redo = 0; redo <= maxLookupRedos; redo++) {
    const { ino, attributes } = await lookupOnce(context, parent, name)
    if (attributes !== null) return attributes
    // An entry that still names what was gone before is damaged.
    if (ino === gone) throw new PosixError('ENOENT')
    // It was removed between the two requests, perhaps replaced: what is there now counts.
    gone = ino
  }
  throw new PosixError('ESTALE', 'what has the name is replaced again and again')
}

interface Found {
  readonly ino: Ino
  /** null when the inode was gone when it was asked for. */
  readonly attributes: Attributes | null
}

/**
 * Asks the inode that the entry named last at the same time as the entry: one round trip if it still does.
 */
async function lookupOnce(context: Context, parent: Ino, name: Name): Promise<Found> {
  const { hints, inodes, names, shards, listed, cluster } = context
  const directory = cluster.leases.attributes(parent)
  // What a shard lost with its power, and another one gained, adds up to the same `change` as before.
  const whole = directory !== undefined && !shards.has(parent)
  if (whole && names.lacks(directory, name)) throw new PosixError('ENOENT')
  let leased = cluster.leases.named(parent, name)
  if (leased !== undefined) listed.used(parent)
  else leased = (await namedAhead(context, parent, name)) ?? undefined
  if (leased === 0) throw new PosixError('ENOENT')
  if (leased !== undefined) {
    return { ino: leased, attributes: await attributesIfThere(context, leased) }
  }
  const hint = hints.get(parent, name)
  const hinted = hint === undefined ? null : attributesIfThere(context, hint)
  // When the entry names another inode, nobody wants to know how this ended.
  hinted?.catch(() => undefined)
  const { ino, attributes } = await entryOf(context, parent, name)
  if (ino === 0) {
    hints.forget(parent, name)
    throw new PosixError('ENOENT')
  }
  listed.missed(parent)
  if (attributes !== null) {
    if (hint !== undefined) hints.forget(parent, name)
    return { ino, attributes: inodes.learn(attributes) }
  }
  hints.saw(parent, name, ino)
  const foretold = ino === hint ? await hinted : null
  return { ino, attributes: foretold ?? (await attributesIfThere(context, ino)) }
}

async function entryOf(
  context: Context,
  parent: Ino,
  name: Name,
): Promise<Pick<EntryReply, 'ino' | 'attributes'>> {
  try {
    return await atName(context, parent, name, async partition => {
      const { leases } = context.cluster
      const asked = leases.asking(partition)
      const { body } = await context.cluster.query('lookup', partition, { parent, name })
      const { ino, attributes, nameMs, leaseMs } = body
      leases.keepName(parent, name, ino, asked, nameMs)
      if (attributes !== null) leases.keepAttributes(attributes, asked, leaseMs)
      return body
    })
  } catch (error) {
    context.hints.forget(parent, name)
    throw error
  }
}

/** Everything that gets its inode beside its entry, but is not opened: mknod(2), symlink(2). */
async function make(
  context: Context,
  parent: Ino,
  name: Name,
  what: { readonly mode: number; readonly rdev: number; readonly target: Uint8Array },
  caller: Caller,
): Promise<Attributes> {
  checkName(name)
  const request = {
    parent,
    name,
    mode: what.mode,
    umask: caller.umask ?? 0,
    uid: caller.uid,
    gid: caller.gid,
    rdev: what.rdev,
    target: what.target,
    exclusive: true,
    open: false,
  }
  const { body, boot, partition, asked } = await mutateName(context, 'create', request)
  keepCreated(context, request, body, asked)
  context.dirty.mark(parent, partition, boot)
  context.dirty.markNew(body.attributes.ino, partition, boot)
  return body.attributes
}

export function mknod(
  context: Context,
  parent: Ino,
  name: Name,
  mode: number,
  rdev: number,
  caller: Caller,
): Promise<Attributes> {
  return make(context, parent, name, { mode, rdev, target: noTarget }, caller)
}

export async function symlink(
  context: Context,
  parent: Ino,
  name: Name,
  target: Uint8Array,
  caller: Caller,
): Promise<Attributes> {
  checkTarget(target)
  return make(context, parent, name, { mode: fileType.symlink | 0o777, rdev: 0, target }, caller)
}

export async function link(
  context: Context,
  ino: Ino,
  parent: Ino,
  name: Name,
): Promise<Attributes> {
  checkName(name)
  const { body, boot, partition } = await mutateName(context, 'link', { parent, name, ino })
  markBoth(context, partition, parent, ino, boot)
  return context.inodes.learn(body.attributes)
}

export async function mkdir(
  context: Context,
  parent: Ino,
  name: Name,
  mode: number,
  caller: Caller,
): Promise<Attributes> {
  checkName(name)
  const { umask = 0, uid, gid } = caller
  const request = { parent, name, mode, umask, uid, gid }
  const { body, boot, partition } = await mutateName(context, 'mkdir', request)
  const { attributes } = body
  markBoth(context, partition, parent, attributes.ino, boot)
  context.hints.saw(parent, name, attributes.ino)
  return attributes
}

export async function unlink(context: Context, parent: Ino, name: Name): Promise<void> {
  checkName(name)
  const begun = unlinkBehind(context, parent, name)
  if (begun !== null) return await answer(begun)
  // What was written to the file, or made of it, comes before.
  const known = knownAt(context, parent, name)
  await context.changes.alone(known === 0 ? null : [parent, known], async () => {
    const home = partitionOfIno(parent)
    const asking = asksBehind(context, home)
    await duringChange(context, home, asking, () =>
      remove(context, 'unlink', { parent, name, ...asking }),
    )
  })
}

export async function rmdir(context: Context, parent: Ino, name: Name, meant?: Ino): Promise<void> {
  await remove(context, 'rmdir', { parent, name, ...(meant !== undefined && { meant }) })
}

async function remove(
  context: Context,
  operation: 'unlink' | 'rmdir',
  request: Place & AsksBehind & { readonly meant?: Ino },
): Promise<{ readonly body: RemoveReply }> {
  const { parent, name } = request
  checkName(name)
  const known = knownAt(context, parent, name)
  const { body, boot, partition } = await mutateName(context, operation, { ...request, known })
  context.cluster.leases.forget(body.ino)
  markChange(context, parent, partition, boot, [partitionOfIno(body.ino)])
  return { body }
}

export async function rename(
  context: Context,
  parent: Ino,
  name: Name,
  newParent: Ino,
  newName: Name,
  flags: number,
  caller?: Caller,
  meant?: Ino,
): Promise<void> {
  checkName(name)
  checkName(newName)
  checkRenameFlags(flags, caller)
  const whites = (flags & renameFlags.whiteout) !== 0 && caller !== undefined
  const request = {
    parent,
    name,
    newParent,
    newName,
    flags: flags & ~renameFlags.whiteout,
    known: knownAt(context, parent, name),
    knownNew: knownAt(context, newParent, newName),
    ...(whites && { whiteout: { uid: caller.uid, gid: caller.gid } }),
    ...(meant !== undefined && { meant }),
  }
  await settleMoved(context, request)
  const { body, boot, partition } = await mutateName(context, 'rename', request)
  context.cluster.leases.forget(body.ino)
  for (const directory of [parent, newParent]) context.names.forget(directory)
  const others = [body.partition, partitionOfIno(body.ino)]
  for (const directory of [parent, newParent]) {
    markChange(context, directory, partition, boot, others)
  }
}

/**
 * What was written behind to a file gets to the servers before its new name: who writes a file anew and renames it over the
 * old one finds either of them whole, though the mount be killed at once (as ext4 has it, mount option auto_da_alloc).
 */
async function settleMoved(
  { behind }: Context,
  { flags, known, knownNew }: { flags: number; known: Ino; knownNew: Ino },
): Promise<void> {
  if (behind.isEmpty) return
  const moved = (flags & renameFlags.exchange) !== 0 ? [known, knownNew] : [known]
  if (moved.includes(0)) await behind.settledAll()
  else await Promise.all(moved.map(ino => behind.settled(ino)))
}

/** The inode that a name is taken for; 0 for none. */
function knownAt({ cluster, hints }: Context, parent: Ino, name: Name): Ino {
  return cluster.leases.lastNamed(parent, name) ?? hints.get(parent, name) ?? 0
}

/** @throws PosixError EINVAL, also for a whiteout that nobody would own. */
function checkRenameFlags(flags: number, caller: Caller | undefined): void {
  const { noReplace, exchange, whiteout } = renameFlags
  const exchanges = (flags & exchange) !== 0
  const known = (flags & ~(noReplace | exchange | whiteout)) === 0
  const owned = (flags & whiteout) === 0 || caller !== undefined
  if (known && owned && !(exchanges && flags !== exchange)) return
  throw new PosixError('EINVAL', `flags ${flags} of rename`)
}

type NameMutation = 'create' | 'link' | 'mkdir' | 'rename' | 'rmdir' | 'unlink'

type ChangedName<N extends NameMutation> = Changed<N> & {
  readonly partition: Partition
  readonly asked: Asked
}

/** A change of the name that the request begins with, and the partition where it was made. */
export function mutateName<N extends NameMutation>(
  context: Context,
  operation: N,
  request: MutationOf<N> & Place,
): Promise<ChangedName<N>> {
  const { leases } = context.cluster
  const home = partitionOfIno(request.parent)
  return atName(context, request.parent, request.name, async partition => {
    const asked = leases.asking(partition)
    // The directory itself is leased by its own partition.
    const askedHome = partition === home ? asked : leases.asking(home)
    const before = context.names.before(request.parent)
    const changed = await context.cluster.mutate(operation, partition, request)
    const { parent } = changed.body
    if (parent !== null) {
      const { attributes, leaseMs } = parent
      leases.keepChanged(attributes, askedHome, leaseMs)
      if (isOneChange(operation, changed.body)) {
        context.names.changed(attributes, request.name, madeBy(changed.body), before)
      }
      context.names.saw(attributes)
    }
    return { ...changed, partition, asked }
  })
}

/** What the new name leads to; null where one was removed. */
function madeBy(body: object): Made | null {
  if (!('attributes' in body)) return null
  const { ino, mode } = body.attributes as Attributes
  return { ino, type: mode & fileType.mask }
}

/** Whether the directory was changed once by this, for certain. */
function isOneChange(operation: NameMutation, body: object): boolean {
  if (operation === 'create') return (body as CreateReply).created
  // Of two names of one inode it changes nothing; of two in one directory, both at once or one by one.
  return operation !== 'rename'
}

/** An entry and the inode it names belong together: an fsync of either takes both to the disks. */
export function markBoth(
  context: Context,
  partition: Partition,
  parent: Ino,
  ino: Ino,
  boot: Boot,
): void {
  const lives = [partitionOfIno(ino)]
  markChange(context, parent, partition, boot, lives)
  markChange(context, ino, partition, boot, lives)
}

/** The change of `marked` was made in `partition`, under `boot`, and in the others. */
function markChange(
  { cluster, dirty }: Context,
  marked: Ino,
  partition: Partition,
  boot: Boot,
  others: readonly Partition[],
): void {
  dirty.mark(marked, partition, boot)
  for (const other of others) {
    if (other !== partition) dirty.mark(marked, other, cluster.bootOf(other))
  }
}
