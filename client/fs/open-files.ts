/** Opening and closing: open, create, release. */
import { PosixError } from '../../network/errors.ts'
import { maxCreateRedos } from '../../network/limits.ts'
import { type Attributes, fileType, isRegular } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { MutationOf } from '../cluster/contract.ts'
import { isGone, setattr } from './attributes.ts'
import { answer, asksBehind, type BegunFile, createBehind, duringChange } from './change-behind.ts'
import type { Context } from './context.ts'
import type { Caller, OpenFile } from './contract.ts'
import { verifiedInline } from './inline.ts'
import { keepCreated } from './keep-created.ts'
import { releaseLocks } from './locks.ts'
import { checkName } from './name-rules.ts'
import { lookup, mutateName } from './names.ts'
import { handleOf, OpenHandle } from './open-handle.ts'

const noBytes = new Uint8Array(0)

export async function open(
  context: Context,
  ino: Ino,
  options: { readonly truncate: boolean },
): Promise<OpenHandle> {
  const { cluster } = context
  const { truncate } = options
  const request = { ino, truncate, wantData: !truncate }
  const home = partitionOfIno(ino)
  const ask = async () => {
    await context.behind.settled(ino)
    return await cluster.writing.during(ino, () => cluster.mutate('open', home, request))
  }
  const { body, payload, boot } = truncate ? await emptying(context, ino, ask) : await ask()
  if (truncate) context.dirty.mark(ino, home, boot)
  const handle = handOut(context, body.attributes)
  handle.inode.limited = body.limited === true
  if (truncate) handle.inode.learnInline(body.attributes, noBytes)
  else if (body.inline) {
    // What does not match its checksum is not kept: the first read asks again.
    const data = verifiedInline(payload, body.checksum)
    if (data !== null) handle.inode.learnInline(body.attributes, data)
  }
  return handle
}

/** Meanwhile nothing is appended behind by another open file: where, is not known. */
async function emptying<T extends { readonly body: { readonly attributes: Attributes } }>(
  context: Context,
  ino: Ino,
  ask: () => Promise<T>,
): Promise<T> {
  const inode = context.inodes.get(ino)
  if (inode === undefined) return await ask()
  inode.behind.changing++
  try {
    const reply = await ask()
    inode.learn(reply.body.attributes)
    return reply
  } finally {
    inode.behind.changing--
  }
}

export interface Opened {
  readonly file: OpenFile
  readonly attributes: Attributes
}

export async function create(
  context: Context,
  parent: Ino,
  name: Name,
  mode: number,
  caller: Caller,
  options: { readonly exclusive: boolean; readonly truncate: boolean },
): Promise<Opened> {
  checkName(name)
  const { exclusive, truncate } = options
  const request = {
    parent,
    name,
    mode: (mode & ~fileType.mask) | fileType.regular,
    umask: caller.umask ?? 0,
    uid: caller.uid,
    gid: caller.gid,
    rdev: 0,
    target: noBytes,
    exclusive,
    open: true,
  }
  for (let redo = 0; redo <= maxCreateRedos; redo++) {
    try {
      return await createOrOpen(context, request, truncate)
    } catch (error) {
      const taken = error instanceof PosixError && error.code === 'EEXIST'
      if (exclusive || !taken) throw error
    }
    const opened = await openTaken(context, parent, name, truncate)
    if (opened !== null) return opened
  }
  throw new PosixError('ESTALE', 'the name is taken and given up again and again')
}

async function createOrOpen(
  context: Context,
  request: MutationOf<'create'>,
  truncate: boolean,
): Promise<Opened> {
  const { parent } = request
  const begun = createBehind(context, request)
  if (begun !== null) return madeBehind(context, begun)
  return await context.changes.alone([parent], () => createNow(context, request, truncate))
}

async function createNow(
  context: Context,
  request: MutationOf<'create'>,
  truncate: boolean,
): Promise<Opened> {
  const { parent } = request
  const home = partitionOfIno(parent)
  const asking = asksBehind(context, home)
  const { body, boot, partition, asked } = await duringChange(context, home, asking, () =>
    mutateName(context, 'create', { ...request, ...asking }),
  )
  const { attributes, created } = body
  if (created) {
    keepCreated(context, request, body, asked)
    context.dirty.mark(parent, partition, boot)
    context.dirty.markNew(attributes.ino, partition, boot)
    return { file: made(context, attributes, body.limited), attributes }
  }
  return openExisting(context, attributes, truncate)
}

async function madeBehind(context: Context, begun: BegunFile): Promise<Opened> {
  const { attributes } = begun
  const file = made(context, attributes)
  try {
    await answer(begun)
  } catch (error) {
    release(context, file)
    throw error
  }
  return { file, attributes }
}

/** A file that nobody has written to yet. */
function made(context: Context, attributes: Attributes, limited?: true): OpenHandle {
  context.synced.settled(attributes)
  context.pages.made(attributes)
  const file = handOut(context, attributes)
  file.inode.limited = limited === true
  file.inode.learnInline(attributes, noBytes)
  return file
}

/** A new file without a name, which is gone when it is closed, unless `link` gave it one. */
export async function createTemporary(
  context: Context,
  parent: Ino,
  mode: number,
  caller: Caller,
  options: { readonly linkable: boolean },
): Promise<OpenFile> {
  const { uid, gid, umask = 0 } = caller
  const { linkable } = options
  const home = partitionOfIno(parent)
  const regular = (mode & ~fileType.mask) | fileType.regular
  const request = { parent, mode: regular, umask, uid, gid, linkable }
  const { body, boot } = await context.cluster.mutate('createTemporary', home, request)
  context.dirty.markNew(body.attributes.ino, home, boot)
  return made(context, body.attributes)
}

/**
 * Something that the entry's server cannot open took the name after the caller had looked: a file whose inode
 * is elsewhere is opened there.
 * @returns null when it has gone again.
 * @throws PosixError ESTALE for a link, a pipe and the like: the kernel and the library look what is there.
 */
async function openTaken(
  context: Context,
  parent: Ino,
  name: Name,
  truncate: boolean,
): Promise<Opened | null> {
  try {
    const { ino, mode } = await lookup(context, parent, name)
    if (isRegular(mode)) {
      const file = await context.changes.alone([ino], () => open(context, ino, { truncate }))
      return { file, attributes: file.attributes }
    }
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
  throw new PosixError('ESTALE', 'the name was taken meanwhile')
}

async function openExisting(
  context: Context,
  found: Attributes,
  truncate: boolean,
): Promise<Opened> {
  try {
    if (!isRegular(found.mode)) throw new PosixError('EEXIST', 'not a regular file')
    await context.behind.settled(found.ino)
    const attributes = truncate
      ? await context.changes.alone([found.ino], () => setattr(context, found.ino, { size: 0 }))
      : context.inodes.learn(found)
    return { file: handOut(context, attributes), attributes }
  } catch (error) {
    context.cluster.opens.release(found.ino)
    throw error
  }
}

export function release(context: Context, file: OpenFile): void {
  const handle = handleOf(file)
  const inode = handle.release()
  if (inode === null) return
  handle.heardFrom(context.pages)
  context.handles.delete(handle)
  releaseLocks(context, handle)
  // Of pages that programs had mapped: they come after the last close.
  const left =
    context.behind.settled(inode.ino) ?? context.changes.ofInode(inode.ino)?.ended ?? null
  if (left === null) released(context, inode)
  else void left.then(() => released(context, inode))
}

function released({ inodes, cluster, pages }: Context, inode: OpenInode): void {
  inodes.release(inode)
  if (inode.handles === 0) {
    cluster.writing.forget(inode.ino)
    // Very many empty files would have those forgotten that have pages.
    if (inode.attributes.size === 0) pages.forget(inode.ino)
  }
  cluster.opens.release(inode.ino)
}

function handOut(context: Context, attributes: Attributes): OpenHandle {
  const inode = context.inodes.acquire(attributes)
  const keepPages = context.pages.opened(attributes)
  const accessDue = !context.quiet && context.accesses.isDue(inode.attributes)
  const handle = new OpenHandle(inode, { keepPages, accessDue }, context.readAhead)
  context.handles.add(handle)
  return handle
}
