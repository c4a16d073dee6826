/** Opening and closing: open, create, release. */
import { PosixError } from '../../network/errors.ts'
import { type Attributes, fileType, isRegular } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import { setattr } from './attributes.ts'
import type { Context } from './context.ts'
import type { Caller, OpenFile } from './contract.ts'
import { verifiedInline } from './inline.ts'
import { releaseLocks } from './locks.ts'
import { checkName } from './name-rules.ts'
import { mutateName } from './names.ts'
import { handleOf, OpenHandle } from './open-handle.ts'

const noBytes = new Uint8Array(0)

export async function open(
  context: Context,
  ino: Ino,
  options: { readonly truncate: boolean },
): Promise<OpenHandle> {
  const { cluster } = context
  const request = { ino, truncate: options.truncate, wantData: !options.truncate }
  const home = partitionOfIno(ino)
  const { body, payload, boot } = await cluster.mutate('open', home, request)
  if (options.truncate) context.dirty.mark(ino, home, boot)
  const handle = handOut(context, body.attributes)
  if (options.truncate) handle.inode.learnInline(body.attributes, noBytes)
  else if (body.inline) {
    // What does not match its checksum is not kept: the first read asks again.
    const data = verifiedInline(payload, body.checksum)
    if (data !== null) handle.inode.learnInline(body.attributes, data)
  }
  return handle
}

export async function create(
  context: Context,
  parent: Ino,
  name: Name,
  mode: number,
  caller: Caller,
  options: { readonly exclusive: boolean; readonly truncate: boolean },
): Promise<{ readonly file: OpenFile; readonly attributes: Attributes }> {
  checkName(name)
  const { exclusive, truncate } = options
  const creating = mutateName(context, 'create', {
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
  })
  const { body, boot, partition } = await (exclusive ? creating : creating.catch(lookAgain))
  const { attributes, created } = body
  if (created) {
    context.dirty.mark(parent, partition, boot)
    context.dirty.markNew(attributes.ino, partition, boot)
    const file = handOut(context, attributes)
    file.inode.learnInline(attributes, noBytes)
    return { file, attributes }
  }
  return openExisting(context, attributes, truncate)
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
  const file = handOut(context, body.attributes)
  file.inode.learnInline(body.attributes, noBytes)
  return file
}

/**
 * Something that is not opened by its name took it after the caller had looked: a link, a pipe, a file of
 * another partition. ESTALE has the kernel and the library go by what is there now.
 */
function lookAgain(cause: unknown): never {
  if (!(cause instanceof PosixError && cause.code === 'EEXIST')) throw cause
  throw new PosixError('ESTALE', 'the name was taken meanwhile', { cause })
}

async function openExisting(
  context: Context,
  found: Attributes,
  truncate: boolean,
): Promise<{ readonly file: OpenFile; readonly attributes: Attributes }> {
  try {
    if (!isRegular(found.mode)) lookAgain(new PosixError('EEXIST', 'not a regular file'))
    const attributes = truncate ? await setattr(context, found.ino, { size: 0 }) : found
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
  context.handles.delete(handle)
  releaseLocks(context, handle)
  context.inodes.release(inode)
  context.cluster.opens.release(inode.ino)
}

function handOut(context: Context, attributes: Attributes): OpenHandle {
  const inode = context.inodes.acquire(attributes)
  const keepPages = context.pages.opened(attributes)
  const accessDue = !context.quiet && context.accesses.isDue(inode.attributes)
  const handle = new OpenHandle(inode, { keepPages, accessDue }, context.readAhead)
  context.handles.add(handle)
  return handle
}
