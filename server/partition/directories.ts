/** Reading and changing directories inside an operation: the inode and its entries, both in one partition. */
import { PosixError } from '../../network/errors.ts'
import { maxNameBytes } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import {
  decodeEntries,
  type Entry,
  encodeEntries,
  findEntry,
  freePlace,
} from '../metadata/entries.ts'
import type { Inode } from '../metadata/inode.ts'
import { entriesKey } from '../metadata/keys.ts'
import type { Batch } from './batch.ts'
import { changeInode, findInode } from './inodes.ts'
import type { OperationContext } from './operation.ts'

const slash = 0x2f
const dot = 0x2e

/** @throws PosixError ENOENT when the directory was removed, ENOTDIR. */
export function readDirectory(batch: Batch, ino: Ino): Inode {
  const inode = findInode(batch, ino)
  if (inode === undefined) throw new PosixError('ENOENT', `directory ${ino} does not exist`)
  if (!isDirectory(inode.mode)) throw new PosixError('ENOTDIR')
  return inode
}

/** @throws PosixError EINVAL, ENAMETOOLONG; EEXIST for "." and "..", which every directory has. */
export function checkNewName(name: Name): void {
  if (!(name instanceof Uint8Array)) throw new PosixError('EINVAL', 'a name is bytes')
  if (name.length > maxNameBytes) throw new PosixError('ENAMETOOLONG')
  if (name.length === 0 || name.includes(slash) || name.includes(0)) throw new PosixError('EINVAL')
  if (name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot))) {
    throw new PosixError('EEXIST')
  }
}

export function findChild(batch: Batch, directory: Ino, name: Name): Entry | undefined {
  if (name.length > maxNameBytes) throw new PosixError('ENAMETOOLONG')
  const key = entriesKey(partitionOfIno(directory), directory, entryHash(name))
  return findEntry(decodeEntries(batch.get(key)), name)
}

/** @throws PosixError ENOENT */
export function readChild(batch: Batch, directory: Ino, name: Name): Entry {
  const entry = findChild(batch, directory, name)
  if (entry === undefined) throw new PosixError('ENOENT')
  return entry
}

/** Adds or replaces the entry; the directory's own inode is the caller's to change (`touchDirectory`). */
export function putChild(
  batch: Batch,
  directory: Ino,
  name: Name,
  child: { readonly ino: Ino; readonly mode: number },
): void {
  const key = entriesKey(partitionOfIno(directory), directory, entryHash(name))
  const entries = decodeEntries(batch.get(key))
  const old = findEntry(entries, name)
  const kept = entries.filter(entry => entry !== old)
  const place = old?.place ?? freePlace(kept)
  const type = child.mode & fileType.mask
  batch.put(key, encodeEntries([...kept, { name, ino: child.ino, type, place }]))
}

export function deleteChild(batch: Batch, directory: Ino, name: Name): void {
  const key = entriesKey(partitionOfIno(directory), directory, entryHash(name))
  const entries = decodeEntries(batch.get(key))
  const old = findEntry(entries, name)
  const kept = entries.filter(entry => entry !== old)
  if (kept.length === 0) batch.delete(key)
  else batch.put(key, encodeEntries(kept))
}

/** Records that entries came or went: size counts entries, nlink counts subdirectories and 2. */
export function touchDirectory(
  context: OperationContext,
  directory: Inode,
  delta: { readonly entries: number; readonly subdirectories: number },
): Inode {
  return changeInode(context, directory, {
    size: directory.size + delta.entries,
    nlink: directory.nlink + delta.subdirectories,
    mtimeNs: context.nowNs,
  })
}
