/** Directories as node:fs/promises handles them: list, make with parents, remove with contents. */
import { PosixError } from '../../network/errors.ts'
import { maxAttributeRequests, readdirLimitBytes } from '../../network/limits.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name, NamedEntry } from '../../network/wire/operations.ts'
import { inParallel } from '../cluster/parallel.ts'
import { isGone } from '../fs/attributes.ts'
import type { Caller, FileSystem } from '../fs/contract.ts'
import { type NameEncoding, nameIn } from './data.ts'
import { type Path, resolve, textOf } from './paths.ts'
import { Dirent } from './stats.ts'

/** Page by page, as they are while one goes through them. */
export async function* entriesOf(
  fileSystem: FileSystem,
  ino: Ino,
): AsyncGenerator<readonly NamedEntry[]> {
  for (let cookie = 0; ; ) {
    const options = { limitBytes: readdirLimitBytes }
    const { records, end, next } = await fileSystem.readdir(ino, cookie, options)
    if (records.length > 0) yield entriesOfRecords(records)
    if (end) return
    cookie = next
  }
}

/** All of them at once, told as node:fs tells them. */
export async function direntsOf(
  fileSystem: FileSystem,
  ino: Ino,
  how: { readonly path: Path; readonly encoding: NameEncoding },
): Promise<Dirent<string | Buffer>[]> {
  const dirents: Dirent<string | Buffer>[] = []
  const parent = textOf(how.path)
  for await (const entries of entriesOf(fileSystem, ino)) {
    for (const { name, type } of entries) {
      dirents.push(new Dirent(nameIn(how.encoding, name), parent, type))
    }
  }
  return dirents
}

/** mkdir -p. @returns the first directory that was made, if any was. */
export async function makeDirectories(
  fileSystem: FileSystem,
  path: Path,
  mode: number,
  caller: Caller,
): Promise<string | undefined> {
  let first: string | undefined
  // One character for each byte, as names need not be UTF-8.
  const parts = Buffer.from(path).toString('latin1').split('/').filter(Boolean)
  for (let count = 1; count <= parts.length; count++) {
    const part = Buffer.from(`/${parts.slice(0, count).join('/')}`, 'latin1')
    const { parent, name, attributes } = await resolve(fileSystem, part, { follow: true })
    if (attributes !== null) {
      if (isDirectory(attributes.mode)) continue
      throw new PosixError(count < parts.length ? 'ENOTDIR' : 'EEXIST')
    }
    if (name === null) throw new PosixError('ENOENT')
    if (await madeHere(fileSystem, parent, name, mode, caller)) first ??= textOf(part)
  }
  return first
}

/** @returns false when somebody else has made it meanwhile. */
async function madeHere(
  fileSystem: FileSystem,
  parent: Ino,
  name: Name,
  mode: number,
  caller: Caller,
): Promise<boolean> {
  try {
    await fileSystem.mkdir(parent, name, mode, caller)
    return true
  } catch (error) {
    if (error instanceof PosixError && error.code === 'EEXIST') return false
    throw error
  }
}

/**
 * rm -r of what is in a directory, and of itself. What vanishes meanwhile is as good as removed; what was moved elsewhere
 * since it was listed is left alone.
 */
export async function removeTree(
  fileSystem: FileSystem,
  parent: Ino,
  name: Name,
  ino: Ino,
): Promise<void> {
  for (;;) {
    if ((await inoOf(fileSystem, parent, name)) !== ino) return
    const removed = await removeContents(fileSystem, ino)
    try {
      await fileSystem.rmdir(parent, name)
      return
    } catch (error) {
      // Somebody put something in meanwhile: that goes too, as long as there is anything to remove.
      const filled = error instanceof PosixError && error.code === 'ENOTEMPTY'
      if (!filled || removed === 0) return ignoreAbsent(error)
    }
  }
}

/** null when nothing has the name any more. */
async function inoOf(fileSystem: FileSystem, parent: Ino, name: Name): Promise<Ino | null> {
  try {
    return (await fileSystem.lookup(parent, name)).ino
  } catch (error) {
    ignoreAbsent(error)
    return null
  }
}

async function removeContents(fileSystem: FileSystem, ino: Ino): Promise<number> {
  let removed = 0
  for await (const entries of entriesOf(fileSystem, ino)) {
    const directories = entries.filter(entry => entry.type === fileType.directory)
    const others = entries.filter(entry => entry.type !== fileType.directory)
    await inParallel(others.length, maxAttributeRequests, index =>
      fileSystem.unlink(ino, others[index]!.name).catch(ignoreAbsent),
    )
    for (const entry of directories) await removeTree(fileSystem, ino, entry.name, entry.ino)
    removed += entries.length
  }
  return removed
}

function ignoreAbsent(error: unknown): void {
  if (!isGone(error)) throw error
}
