/**
 * Copies a file or a tree from one file system to another.
 *
 * 1. A file has its name only when it is whole: until then it is `….partial`, which is removed when the
 *    copy fails or is interrupted.
 * 2. At most `filesAtOnce` files are on their way.
 */
import { createHash } from 'node:crypto'
import { maxNameBytes } from '../network/limits.ts'
import { codeOf, Failure } from './failure.ts'
import type { Tree, TreeHandle, TreeStats } from './tree.ts'
import { basename, dirname, join, type Path } from './tree-path.ts'
import { walk } from './tree-walk.ts'

export interface Place {
  readonly tree: Tree
  readonly path: Path
}

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
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []
  for await (const entry of walk(from.tree, from.path, stats)) {
    if (failures.length > 0 || options.signal.aborted) break
    const source = { tree: from.tree, path: join(from.path, entry.path) }
    const target = { tree: to.tree, path: join(top, entry.path) }
    if (!entry.stats.isFile()) {
      await copyOther(source, target, entry.stats, options)
      continue
    }
    const task = copyFile(source, target, entry.stats, options)
      .catch(error => void failures.push(error))
      .finally(() => running.delete(task))
    running.add(task)
    if (running.size >= filesAtOnce) await Promise.race(running)
  }
  await Promise.all(running)
  if (failures.length > 0) throw failures[0]
  options.signal.throwIfAborted()
  return top
}

async function destination(from: Place, to: Place): Promise<Path> {
  const name = basename(from.path)
  return (await isDirectory(to)) && name.length > 0 ? join(to.path, name) : to.path
}

async function isDirectory({ tree, path }: Place): Promise<boolean> {
  try {
    return (await tree.stat(path)).isDirectory()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
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
    await to.tree.symlink(await from.tree.readlink(from.path, 'buffer'), to.path)
  } else {
    options.skipped(`${from.path}`)
  }
}

async function copyFile(
  from: Place,
  to: Place,
  stats: TreeStats,
  options: CopyOptions,
): Promise<void> {
  const partial = partialPath(to.path)
  const target = await to.tree.open(partial, 'w', stats.mode & permissionBits)
  try {
    try {
      await copyData(from, target, options)
      if (options.durable) await target.sync()
    } finally {
      await target.close()
    }
    await to.tree.rename(partial, to.path)
  } catch (error) {
    await to.tree.unlink(partial).catch(cause => {
      throw new Failure(`${partial} is incomplete and could not be removed (${codeOf(cause)})`, {
        cause: error,
      })
    })
    throw error
  }
  options.progress(0, `${to.path}`)
}

/** In the same directory, and no name that a tree being copied may hold itself. */
function partialPath(path: Path): Buffer {
  const suffix = `.${process.pid}.partial`
  const name = basename(path)
  const fits = name.length + suffix.length <= maxNameBytes
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32)
  return join(dirname(path), Buffer.concat([Buffer.from(fits ? name : hash), Buffer.from(suffix)]))
}

async function copyData(from: Place, target: TreeHandle, options: CopyOptions): Promise<void> {
  const source = await from.tree.open(from.path, 'r')
  try {
    const buffer = new Uint8Array(copyBytes)
    for (let position = 0; ; ) {
      options.signal.throwIfAborted()
      const { bytesRead } = await source.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      await writeAll(target, buffer.subarray(0, bytesRead), position)
      position += bytesRead
      options.progress(bytesRead, '')
    }
  } finally {
    await source.close()
  }
}

/** A write may take less than it was given. */
async function writeAll(target: TreeHandle, data: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await target.write(data, done, data.length - done, start + done)
    done += bytesWritten
  }
}
