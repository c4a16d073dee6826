/** Changes of one file's data, or size, that this client makes: one at a time, but for those that may go beside each other. */
import { PosixError } from '../../network/errors.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Context } from './context.ts'

/** Changes data in its turn among this client's writers of the file. */
export async function inTurn<T>(
  context: Context,
  inode: OpenInode,
  shared: boolean,
  change: () => Promise<T>,
): Promise<T> {
  inode.behind.changing++
  try {
    // Also what was appended since the caller had it settled: where it is to lie is known already.
    const left = context.behind.settled(inode.ino)
    if (left !== null) await left
    return await inTurnBehind(context, inode, shared, change)
  } finally {
    inode.behind.changing--
  }
}

/** The same for what was written behind itself: it does not wait for itself, and where it lies is known. */
export async function inTurnBehind<T>(
  context: Context,
  inode: OpenInode,
  shared: boolean,
  change: () => Promise<T>,
): Promise<T> {
  const turn = inode.turns.enter(shared)
  if (turn !== undefined) await turn
  try {
    return await change()
  } catch (error) {
    // No more blocks for it: whoever purged it would not find them.
    if (error instanceof PosixError && error.code === 'ESTALE') context.inodes.wentAway(inode)
    throw error
  } finally {
    inode.turns.leave(shared)
  }
}
