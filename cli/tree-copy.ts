/**
 * Copies a file or a tree from one file system to another.
 *
 * 1. A file or link has its name only when it is whole, and what it replaces stays until then.
 * 2. At most `filesAtOnce` files are on their way, and none when `copy` returns or throws.
 */
import { constants } from 'node:fs'
import { codeOf, Failure } from './failure.ts'
import { replace } from './replace.ts'
import type { Place, TreeHandle, TreeStats } from './tree.ts'
import { basename, join, type Path } from './tree-path.ts'
import { ifThere, inTheWay, type Target, targetOf } from './tree-target.ts'
import { walk } from './tree-walk.ts'

export interface CopyOptions {
  /** A file is on the disks before it gets its name. */
  readonly durable: boolean
  readonly signal: AbortSignal
  /** Called as bytes arrive, and with 0 bytes and its path when a file is done. */
  readonly progress: (bytes: number, path: string) => void
  /** Called for what cannot be copied: sockets, devices, pipes. */
  readonly skipped: (path: string) => void
}

/** Enough to hide the time that each small file waits for its server. */
const filesAtOnce = 8
/** Several blocks, so that their servers work at the same time. */
const copyBytes = 4 * 1024 * 1024
const permissionBits = 0o777
const modeBits = 0o7777

/** How much there is to copy. */
export async function measure({ tree, path }: Place, recursive: boolean): Promise<number> {
  const stats = await tree.stat(path)
  if (stats.isDirectory() && !recursive) {
    throw new Failure(`${path} is a directory: use --recursive to copy it`)
  }
  let bytes = 0
  for await (const entry of walk(tree, path, stats)) {
    if (entry.stats.isFile()) bytes += entry.stats.size
  }
  return bytes
}

/** As cp does: into `to` when that is a directory, else as `to`. @returns where the copy is. */
export async function copy(from: Place, to: Place, options: CopyOptions): Promise<Path> {
  const stats = await from.tree.stat(from.path)
  const top = await destination(from, to)
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const running = new Set<Promise<void>>()
  try {
    for await (const entry of walk(from.tree, from.path, stats)) {
      signal.throwIfAborted()
      const source = { tree: from.tree, path: join(from.path, entry.path) }
      const target = { tree: to.tree, path: join(top, entry.path) }
      if (!entry.stats.isFile()) {
        await copyOther(source, target, entry.stats, options)
        continue
      }
      const task = copyFile(source, target, entry.stats, { ...options, signal })
        .catch(error => failed.abort(error))
        .finally(() => running.delete(task))
      running.add(task)
      if (running.size >= filesAtOnce) await Promise.race(running)
    }
  } catch (error) {
    failed.abort(error)
  }
  await Promise.all(running)
  signal.throwIfAborted()
  return top
}

async function destination(from: Place, to: Place): Promise<Path> {
  const name = basename(from.path)
  return (await isDirectory(to)) && name.length > 0 ? join(to.path, name) : to.path
}

async function isDirectory({ tree, path }: Place): Promise<boolean> {
  return (await ifThere(tree.stat(path)))?.isDirectory() ?? false
}

async function copyOther(
  from: Place,
  to: Place,
  stats: TreeStats,
  options: CopyOptions,
): Promise<void> {
  if (stats.isDirectory()) {
    if (!(await isDirectory(to))) {
      // Writable while it is being filled, whatever its mode.
      await to.tree.mkdir(to.path, (stats.mode & permissionBits) | 0o700)
    }
  } else if (stats.isSymbolicLink()) {
    await copyLink(from, to)
  } else {
    options.skipped(`${from.path}`)
  }
}

async function copyLink(from: Place, to: Place): Promise<void> {
  const found = await ifThere(to.tree.lstat(to.path))
  if (found !== null && !found.isFile() && !found.isSymbolicLink()) throw inTheWay(to.path, found)
  const target = await from.tree.readlink(from.path, 'buffer')
  const make = (partial: Path) => to.tree.symlink(target, partial)
  await replace(to, make, async () => {})
}

async function copyFile(
  from: Place,
  to: Place,
  stats: TreeStats,
  options: CopyOptions,
): Promise<void> {
  const target = await targetOf(to)
  if (target.stats?.isFile() === false) {
    const write = (file: TreeHandle) => copyData(from, file, options)
    await closing(await openInPlace(target, target.stats), write)
  } else {
    await replaceFile(from, target, stats.mode & permissionBits, options)
  }
  options.progress(0, `${to.path}`)
}

/** @param mode of a new file. */
async function replaceFile(
  from: Place,
  to: Target,
  mode: number,
  options: CopyOptions,
): Promise<void> {
  const make = (partial: Path) => to.tree.open(partial, 'wx', to.stats === null ? mode : 0o600)
  const fill = async (file: TreeHandle): Promise<void> => {
    await copyData(from, file, options)
    if (to.stats !== null) await takeOver(file, to.stats)
    if (options.durable) await file.sync()
  }
  await replace(to, make, file => closing(file, fill))
}

/** The mode of what it replaces, and its owner where we may give files away. */
async function takeOver(file: TreeHandle, { uid, gid, mode }: TreeStats): Promise<void> {
  const given = await isGiven(file, uid, gid)
  await file.chmod(mode & (given ? modeBits : permissionBits))
}

async function isGiven(file: TreeHandle, uid: number, gid: number): Promise<boolean> {
  try {
    await file.chown(uid, gid)
    return true
  } catch (error) {
    if (codeOf(error) === 'EPERM') return false
    throw error
  }
}

/** Devices and pipes are written to, as cp does. @throws Failure for what cannot be. */
async function openInPlace({ tree, path }: Place, stats: TreeStats): Promise<TreeHandle> {
  try {
    return await tree.open(path, constants.O_WRONLY)
  } catch (error) {
    const code = codeOf(error)
    throw code === 'EISDIR' || code === 'ENXIO' ? inTheWay(path, stats) : error
  }
}

async function closing(file: TreeHandle, work: (file: TreeHandle) => Promise<void>): Promise<void> {
  try {
    await work(file)
  } finally {
    await file.close()
  }
}

async function copyData(from: Place, target: TreeHandle, options: CopyOptions): Promise<void> {
  const source = await from.tree.open(from.path, 'r')
  try {
    const buffer = new Uint8Array(copyBytes)
    for (let position = 0; ; ) {
      options.signal.throwIfAborted()
      const { bytesRead } = await source.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      await writeAll(target, buffer.subarray(0, bytesRead))
      position += bytesRead
      options.progress(bytesRead, '')
    }
  } finally {
    await source.close()
  }
}

/** A write may take less than it was given. */
async function writeAll(target: TreeHandle, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await target.write(data, done, data.length - done, null)
    done += bytesWritten
  }
}
