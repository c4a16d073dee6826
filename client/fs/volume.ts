/** One volume as a file system: the families of operations, composed. */
import { PosixError } from '../../network/errors.ts'
import { kernelKeepsMs } from '../../network/limits.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import { allocate } from './allocate.ts'
import { attributesIfThere, getattr, readlink, setattr } from './attributes.ts'
import { answer, setBehind } from './change-behind.ts'
import { type Context, contextOf } from './context.ts'
import type { CacheAuthority, DirectoryPage, FileSystem, OpenFile } from './contract.ts'
import { copyRange } from './copy-range.ts'
import { readdir, readdirplus } from './directory.ts'
import { KernelNames } from './kernel-names.ts'
import { assured, locksOf } from './locks.ts'
import { isName } from './name-rules.ts'
import { link, lookup, mkdir, mknod, rename, rmdir, symlink, unlink } from './names.ts'
import { create, createTemporary, open, release } from './open-files.ts'
import { handleOf } from './open-handle.ts'
import { read } from './read.ts'
import { seek } from './seek.ts'
import { statfs } from './statfs.ts'
import { flush, fsync, settle } from './sync.ts'
import { write } from './write.ts'
import { getxattr, listxattr, removexattr, setxattr } from './xattr.ts'

/**
 * @param options.noAtime leave access times alone when something is read (mount(8): noatime).
 * @param options.isSole nothing is changed through this client but by way of what is returned: then whoever asks it may keep
 * answers.
 * @throws PosixError ENOENT when there is no such volume.
 */
export async function openVolume(
  cluster: Cluster,
  volumeName: string,
  options: { readonly noAtime?: boolean; readonly isSole?: boolean } = {},
): Promise<FileSystem> {
  const { noAtime, isSole = false } = options
  const context = contextOf(cluster, noAtime)
  try {
    const root = await lookup(context, clusterRootIno, Buffer.from(volumeName))
    if (isDirectory(root.mode)) return fileSystemOf(context, root.ino, isSole)
    throw new PosixError('ENOTDIR', `${volumeName} is not a volume`)
  } catch (error) {
    if (!(error instanceof PosixError && error.code === 'ENOENT')) throw error
    const advice = `there is no volume '${volumeName}': make it with 'rookery volume create'`
    throw new PosixError('ENOENT', advice, { cause: error })
  }
}

/** @param isSole nobody changes anything through this client but by way of the surface that keeps. */
function cacheOf(context: Context, isSole: boolean): CacheAuthority {
  const { changes, inodes, pages, names, shards } = context
  const { leases, partitions, writing } = context.cluster
  const kernelNames = new KernelNames(context.cluster.env)
  /** A directory without such a name. */
  const lacking = (parent: Ino, name: Name): Attributes | null => {
    const directory = shards.has(parent) ? undefined : leases.attributes(parent)
    return directory !== undefined && names.lacks(directory, name) ? directory : null
  }
  const lackedMs = (parent: Ino, name: Name): number => {
    const directory = lacking(parent, name)
    return directory === null ? 0 : leases.kernelMsOfLack(directory)
  }
  /** Of what is made behind: as long as nobody else is served there. */
  const madeMs = ({ ino, change }: Attributes): number => {
    const made = changes.ofInode(ino)
    if (made?.mayBeKept !== true || made.attributes?.change !== change) return 0
    const leftMs = partitions.writesUntilMs(partitionOfIno(ino)) - leases.nowMs()
    return Math.max(0, Math.min(kernelKeepsMs, leftMs))
  }
  return {
    entryMs(parent, name, ino) {
      if (!isSole) return 0
      const ms = leases.kernelMsOfName(parent, name, ino)
      if (ms > 0 || ino !== 0) return kernelNames.tell(parent, name, ino, ms)
      return kernelNames.tell(parent, name, ino, lackedMs(parent, name), true)
    },
    lacks: (parent, name) => isName(name) && lacking(parent, name) !== null,
    renamed: moves =>
      kernelNames.moved(moves, async ({ parent, name }, ino) => {
        // Without an answer nothing is leased.
        await lookup(context, parent, name).catch(() => undefined)
        return leases.kernelMsOfName(parent, name, ino)
      }),
    attributesMs: (attributes, isChangers) => {
      if (!isSole) return 0
      return leases.kernelMsOfAttributes(attributes, isChangers) || madeMs(attributes)
    },
    isCurrent: (parent, name, { ino, change }) =>
      leases.named(parent, name) === ino && leases.attributes(ino)?.change === change,
    keepsListed: isSole,
    onRecall: listener =>
      leases.onRecall(async recalled => {
        await Promise.all([listener(recalled), kernelNames.outwait(recalled)])
      }),
    onUnleased: listener => leases.onUnleased(listener),
    mayKeepPages: attributes => pages.areKept(attributes),
    hearsOfChanges: ino => {
      const leased = writing.mayWrite(ino) ? inodes.get(ino)?.attributes : leases.attributes(ino)
      return isSole && leased !== undefined && pages.areKept(leased)
    },
    doubtPages: ino => pages.doubt(ino),
    arePagesTrue: attributes => pages.areTrue(attributes),
    invalidatedPages: attributes => pages.invalidated(attributes),
  }
}

/**
 * Of an inode that had something left when somebody began to look, or was read: with that. It may have got to the servers, and
 * the file been closed, after they had answered.
 */
async function toldWith(context: Context, attributes: Attributes): Promise<Attributes> {
  await context.behind.settled(attributes.ino)
  await context.accesses.told(attributes.ino)
  return (await attributesIfThere(context, attributes.ino)) ?? attributes
}

/** @param isSole as `openVolume`: who looks up to open it is not kept waiting, and who wants to know its times asks again. */
async function lookedUp(
  context: Context,
  isSole: boolean,
  parent: Ino,
  name: Name,
): Promise<Attributes> {
  const change = context.changes.named(parent, name)
  const isIts = change?.place && Buffer.compare(change.place.name, name) === 0
  const made = isIts ? context.changes.ofInode(change.ino)?.attributes : null
  if (made) return context.inodes.learn(made)
  if (change !== undefined) await context.changes.settled(change.ino)
  const left = context.behind.inos()
  const attributes = await lookup(context, parent, name)
  // Its attributes are no longer leased when this is being told.
  const isRead = context.accesses.told(attributes.ino) !== null
  const isOld = left.has(attributes.ino) || (isRead && !isSole)
  return isOld ? await toldWith(context, attributes) : attributes
}

async function listed(
  context: Context,
  ...[ino, cookie, options]: Parameters<FileSystem['readdirplus']>
): Promise<DirectoryPage> {
  await context.changes.settled(ino)
  const left = context.behind.inos()
  await context.accesses.toldAll()
  const page = await readdirplus(context, ino, cookie, options)
  if (left.size === 0) return page
  const told = page.entries.map(async entry => {
    const { attributes } = entry
    if (attributes === null || !left.has(entry.ino)) return entry
    return { ...entry, attributes: await toldWith(context, attributes) }
  })
  return { ...page, entries: await Promise.all(told) }
}

type FileOperations = Pick<
  FileSystem,
  'read' | 'write' | 'allocate' | 'copyRange' | 'seek' | 'fsync' | 'settle' | 'flush' | 'release'
>

/** What is done with open files. */
function fileOperationsOf(context: Context): FileOperations {
  const { behind, changes } = context
  const settled = settledOf(context)
  /** As long as the file's locks are held: before and after. */
  const underLocks = <T>(file: OpenFile, step: () => Promise<T>): Promise<T> => {
    const sure = assured(context, file)
    if (sure === null) return step()
    return sure.then(step).then(async result => {
      await assured(context, file)
      return result
    })
  }
  return {
    read: async (file, offset, length, options) => {
      const { inode } = handleOf(file)
      const changing = changes.settled(inode.ino)
      if (changing !== null) await changing
      const before = behind.settledFor(inode.ino, inode.attributes.size, offset, length)
      if (before !== null) await before
      return await underLocks(file, () => read(context, file, offset, length, options))
    },
    write: (file, offset, data, options) =>
      underLocks(file, () => write(context, file, offset, data, options)),
    allocate: (file, mode, offset, length, options) =>
      changes.alone([file.ino], () =>
        settled(file.ino, () =>
          underLocks(file, () => allocate(context, file, { mode, offset, length, ...options })),
        ),
      ),
    copyRange: (source, target, range, options) => {
      const copy = () =>
        underLocks(source, () =>
          underLocks(target, () => copyRange(context, source, target, { ...range, ...options })),
        )
      return changes.alone([target.ino], () => settled(source.ino, () => settled(target.ino, copy)))
    },
    seek: (file, wanted, offset) => settled(file.ino, () => seek(context, file, wanted, offset)),
    fsync: (ino, file) => fsync(context, ino, file),
    settle: file => settle(context, file),
    flush: file => flush(context, file),
    release: file => release(context, file),
  }
}

/** Runs the step after what was changed and written behind of the inode, and what was read of it, is told. */
function settledOf(context: Context): <T>(ino: Ino, step: () => Promise<T>) => Promise<T> {
  const { behind, changes, accesses } = context
  return (ino, step) => {
    const changing = changes.settled(ino)
    const left = changing === null ? behind.settled(ino) : changing.then(() => behind.settled(ino))
    const noting = accesses.told(ino)
    if (noting !== null) return noting.then(() => left).then(step)
    return left === null ? step() : left.then(step)
  }
}

/** What this client says of the inode while something of it is on its way. */
async function attributesNow(context: Context, ino: Ino): Promise<Attributes> {
  const { changes, cluster, inodes } = context
  const made = changes.ofInode(ino)?.attributes
  if (made) return inodes.learn(made)
  // Of a directory what was made and removed is in what is leased.
  const isKnown = changes.isIn(ino) && cluster.leases.attributes(ino) !== undefined
  if (!isKnown) await changes.settled(ino)
  return await getattr(context, ino)
}

function fileSystemOf(context: Context, root: Ino, isSole: boolean): FileSystem {
  const { behind, changes } = context
  const settled = settledOf(context)
  const inOrder = async <T>(directory: Ino, step: () => Promise<T>): Promise<T> => {
    await changes.settled(directory)
    return await step()
  }
  /** What is changed in the usual way. */
  const alone = <T>(ino: Ino, step: () => Promise<T>): Promise<T> => changes.alone([ino], step)
  /** The same where it concerns more than one directory. */
  const afterAll = <T>(step: () => Promise<T>): Promise<T> => changes.alone(null, step)
  return {
    root,
    cache: cacheOf(context, isSole),
    writesThrough: true,
    keepsAcls: true,
    lookup: (parent, name) => lookedUp(context, isSole, parent, name),
    getattr: ino =>
      changes.concern(ino)
        ? attributesNow(context, ino)
        : settled(ino, () => getattr(context, ino)),
    setattr: async (ino, changed) => {
      const begun = setBehind(context, ino, changed)
      if (begun === null) {
        return await alone(ino, () => settled(ino, () => setattr(context, ino, changed)))
      }
      await answer(begun)
      return begun.attributes
    },
    readlink: ino => readlink(context, ino),
    create: (parent, name, mode, caller, options) =>
      create(context, parent, name, mode, caller, options),
    createTemporary: (parent, mode, caller, options) =>
      alone(parent, () => createTemporary(context, parent, mode, caller, options)),
    mknod: (parent, name, mode, rdev, caller) =>
      alone(parent, () => mknod(context, parent, name, mode, rdev, caller)),
    symlink: (parent, name, target, caller) =>
      alone(parent, () => symlink(context, parent, name, target, caller)),
    link: (ino, parent, name) =>
      afterAll(() => settled(ino, () => link(context, ino, parent, name))),
    mkdir: (parent, name, mode, caller) =>
      alone(parent, () => mkdir(context, parent, name, mode, caller)),
    unlink: (parent, name) => unlink(context, parent, name),
    rmdir: (parent, name, meant) => afterAll(() => rmdir(context, parent, name, meant)),
    rename: (parent, name, newParent, newName, flags, caller, meant) =>
      afterAll(() => rename(context, parent, name, newParent, newName, flags, caller, meant)),
    open: (ino, options) =>
      (options.truncate ? alone : inOrder)(ino, () => open(context, ino, options)),
    locks: locksOf(context),
    ...fileOperationsOf(context),
    readdir: (ino, cookie, options) => inOrder(ino, () => readdir(context, ino, cookie, options)),
    readdirplus: (ino, cookie, options) => listed(context, ino, cookie, options),
    getxattr: (ino, name) => settled(ino, () => getxattr(context, ino, name)),
    setxattr: (ino, name, value, flags, options) =>
      alone(ino, () => settled(ino, () => setxattr(context, ino, name, value, flags, options))),
    listxattr: ino => settled(ino, () => listxattr(context, ino)),
    removexattr: (ino, name) =>
      alone(ino, () => settled(ino, () => removexattr(context, ino, name))),
    statfs: () => statfs(context, root),
    close: async () => {
      await changes.settledAll()
      await behind.settledAll()
      await context.accesses.toldAll()
      for (const handle of context.handles) release(context, handle)
    },
  }
}
