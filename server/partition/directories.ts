/** Reading and changing the entries of directories inside an operation. */
import { PosixError } from '../../network/errors.ts'
import { maxNameBytes } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
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
import { findInode } from './inodes.ts'
import type { ShardPlace } from './shards.ts'

const slash = 0x2f
const dot = 0x2e

/** @throws PosixError ENOENT when the directory was removed, ENOTDIR. */
export function readDirectory(batch: Batch, ino: Ino): Inode {
  const inode = findInode(batch, ino)
  if (inode === undefined) throw new PosixError('ENOENT', `directory ${ino} does not exist`)
  if (!isDirectory(inode.mode)) throw new PosixError('ENOTDIR')
  return inode
}

/** @throws PosixError EINVAL */
export function checkIsName(name: Name): void {
  if (!(name instanceof Uint8Array)) throw new PosixError('EINVAL', 'a name is bytes')
}

/** @throws PosixError EINVAL, ENAMETOOLONG; EEXIST for "." and "..", which every directory has. */
export function checkNewName(name: Name): void {
  checkIsName(name)
  if (name.length > maxNameBytes) throw new PosixError('ENAMETOOLONG')
  if (name.length === 0 || name.includes(slash) || name.includes(0)) throw new PosixError('EINVAL')
  if (name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot))) {
    throw new PosixError('EEXIST')
  }
}

export function findChild(batch: Batch, shard: ShardPlace, name: Name): Entry | undefined {
  if (name.length > maxNameBytes) throw new PosixError('ENAMETOOLONG')
  const key = entriesKey(shard.partition, shard.directory, entryHash(name))
  return findEntry(decodeEntries(batch.get(key)), name)
}

/** What the name leads to stays so for the caller. @returns for how long, milliseconds. */
export function leaseChild(batch: Batch, shard: ShardPlace, name: Name): number {
  return batch.lease(entriesKey(shard.partition, shard.directory, entryHash(name)))
}

/** @throws PosixError ENOENT */
export function readChild(batch: Batch, shard: ShardPlace, name: Name): Entry {
  const entry = findChild(batch, shard, name)
  if (entry === undefined) throw new PosixError('ENOENT')
  return entry
}

/** Adds or replaces the entry; what the shard counts is the caller's to change (`touchShard`). */
export function putChild(
  batch: Batch,
  shard: ShardPlace,
  name: Name,
  child: { readonly ino: Ino; readonly mode: number },
): void {
  const key = entriesKey(shard.partition, shard.directory, entryHash(name))
  const entries = decodeEntries(batch.get(key))
  const old = findEntry(entries, name)
  const kept = entries.filter(entry => entry !== old)
  const place = old?.place ?? freePlace(kept)
  const type = child.mode & fileType.mask
  batch.put(key, encodeEntries([...kept, { name, ino: child.ino, type, place }]))
}

export function deleteChild(batch: Batch, shard: ShardPlace, name: Name): void {
  const key = entriesKey(shard.partition, shard.directory, entryHash(name))
  const entries = decodeEntries(batch.get(key))
  const old = findEntry(entries, name)
  const kept = entries.filter(entry => entry !== old)
  if (kept.length === 0) batch.delete(key)
  else batch.put(key, encodeEntries(kept))
}
