/**
 * flock(2), fcntl(2) record locks and open file description locks on open files.
 *
 * 1. What was locked through an open file and may have been somebody else's meanwhile is lost: whatever is done
 *    with that file then fails with EIO, until it is closed (as NFSv4 has it).
 * 2. Locks end with the open file they were taken through. Those of a process have ended before: each process
 *    closes the file before the last one does.
 */
import type { HeldRange } from '../../network/locks/ranges.ts'
import { lockType, overlaps } from '../../network/locks/ranges.ts'
import type { LockOwner } from '../../network/wire/operations.ts'
import type { Context } from './context.ts'
import type { FileLock, FileLocks, OpenFile } from './contract.ts'
import { handleOf, type OpenHandle } from './open-handle.ts'

export function locksOf(context: Context): FileLocks {
  return {
    test: async (file, lock) => {
      await context.changes.settled(file.ino)
      return await test(context, file, lock)
    },
    set: async (file, lock, signal) => {
      await context.changes.settled(file.ino)
      await set(context, file, lock, signal)
    },
    givesUpExclusive: (file, lock, below) => givesUpExclusive(context, file, lock, below),
    closed: (file, owner) => closed(context, file, owner),
  }
}

/**
 * null when nothing was locked through the file; else resolves when its locks are known to be held still.
 * @throws PosixError EIO when they are not.
 */
export function assured(context: Context, file: OpenFile): Promise<void> | null {
  const handle = handleOf(file)
  return handle.lockers === null ? null : assureEach(context, handle)
}

/** The file was closed: nobody is left who could unlock. */
export function releaseLocks(context: Context, handle: OpenHandle): void {
  if (handle.lockers === null) return
  for (const owner of handle.lockers.values()) {
    // Where the server does not answer, the next session with it says that there are none.
    context.cluster.locks.release(owner).catch(() => undefined)
  }
  handle.lockers = null
}

async function test(context: Context, file: OpenFile, lock: FileLock): Promise<HeldRange | null> {
  const { ino } = handleOf(file).inode
  const { start, end, type, pid } = lock
  const wanted = { start, end, exclusive: type === lockType.write, pid }
  return await context.cluster.locks.test(ownerOf(ino, lock), wanted)
}

async function set(
  context: Context,
  file: OpenFile,
  lock: FileLock,
  signal: AbortSignal | null,
): Promise<void> {
  const handle = handleOf(file)
  const owner = ownerOf(handle.inode.ino, lock)
  if (lock.type !== lockType.unlock) {
    handle.lockers ??= new Map()
    handle.lockers.set(keyOf(owner), owner)
  }
  await context.cluster.locks.set(owner, lock, signal)
}

function givesUpExclusive(
  context: Context,
  file: OpenFile,
  lock: FileLock,
  below: bigint,
): boolean {
  if (lock.type === lockType.write) return false
  const own = context.cluster.locks.register.of(ownerOf(file.ino, lock))
  const isIt = (range: HeldRange): boolean =>
    range.exclusive && range.start < below && overlaps(range, lock)
  return own?.ranges.some(isIt) ?? false
}

function closed(context: Context, file: OpenFile, number: bigint): Promise<void> | null {
  const handle = handleOf(file)
  const { locks } = context.cluster
  const owner = { ino: handle.ino, flock: false, owner: number }
  // Also of who has nothing locked now: a file may be inherited by any number of processes.
  handle.lockers?.delete(keyOf(owner))
  if (locks.register.size === 0) return null
  return locks.register.of(owner) === undefined ? null : locks.release(owner)
}

async function assureEach(context: Context, handle: OpenHandle): Promise<void> {
  const { locks } = context.cluster
  const { lockers, ino } = handle
  if (lockers === null) return
  let holds = false
  for (const owner of lockers.values()) holds ||= locks.register.of(owner) !== undefined
  if (holds) await locks.confirm(ino)
  for (const owner of lockers.values()) locks.register.assertKept(owner)
}

function ownerOf(ino: number, { flock, owner }: FileLock): LockOwner {
  return { ino, flock, owner }
}

function keyOf({ flock, owner }: LockOwner): string {
  return `${flock ? 'f' : 'p'}${owner}`
}
