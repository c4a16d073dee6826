/**
 * Locks as points of coherence for memory that programs of several mounts share by mapping one file (mmap(2),
 * MAP_SHARED): the kernel of each machine has pages of its own.
 *
 * 1. Before an exclusive lock is given up (or turned into a shared one), what programs here changed in mapped
 *    pages is at the servers. When a process closes the file, or ends, the kernel itself writes before it says so.
 * 2. When a lock is granted, pages that are older than the grant have gone before the program hears of it.
 * 3. Only one mount at a time has changed pages: of a file known to be mapped (`mapped`) the servers grant
 *    exclusive locks to one mount at a time.
 */
import { lockType } from '../../network/locks/ranges.ts'
import type { FileLock, FileLocks, OpenFile } from '../fs/contract.ts'
import type { Session } from './session.ts'

export interface AskedLock {
  readonly locks: FileLocks
  readonly file: OpenFile
  readonly lock: FileLock
}

/** @throws PosixError as `FileLocks.set`; EIO also when pages cannot be made true: nothing is locked then. */
export async function setCoherently(
  session: Session,
  { locks, file, lock }: AskedLock,
  signal: AbortSignal | null,
): Promise<void> {
  const { handles } = session
  const { ino } = file
  if (handles.mayBeMapped(ino)) {
    if (locks.givesUpExclusive(file, lock, bytesThatCount(session, file))) {
      await session.invalidateInode(ino)
    }
  }
  // Asked after that: it may be what shows that the file is mapped.
  const told = handles.isMapped(ino) ? { ...lock, mapped: true } : lock
  await locks.set(file, told, signal)
  if (lock.type === lockType.unlock || lock.start >= bytesThatCount(session, file)) return
  try {
    await refresh(session, file)
  } catch (error) {
    await locks.set(file, { ...told, type: lockType.unlock }, null)
    throw error
  }
}

/**
 * Locks behind a file's end guard no bytes of it, as those of SQLite on its databases: they are spared. Where a
 * file is mapped for certain, or read and written through its pages, any lock may guard any byte.
 */
function bytesThatCount({ handles }: Session, { ino, size }: OpenFile): bigint {
  const isInPages = handles.isMapped(ino) || handles.isReadWrittenThrough(ino)
  return isInPages ? 2n ** 63n : BigInt(size)
}

async function refresh(session: Session, { ino }: OpenFile): Promise<void> {
  const { fileSystem } = session
  const attributes = await fileSystem.getattr(ino)
  if (fileSystem.cache.arePagesTrue(attributes)) return
  await session.invalidateInode(ino)
  fileSystem.cache.invalidatedPages(attributes)
}
