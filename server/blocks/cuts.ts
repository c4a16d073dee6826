/** Cutting the blocks of a file wherever they live: behind a truncation, and when the file is gone. */
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import type { Peers } from '../peers.ts'

/**
 * Resolves when every partition among `holders` has cut what it had, and has that on its disk.
 * @returns by how much their space has changed, bytes; what an earlier attempt cut is not in it.
 */
export async function cutEverywhere(
  peers: Peers,
  holders: readonly number[],
  request: Omit<CutBlocksRequest, 'purge' | 'durable'>,
): Promise<number> {
  const cuts = holders.map(holder => {
    // What a server asks of itself is in its log before what it makes of the answer.
    const durable = !peers.isOwn(holder)
    return peers.callUntilDone('cutBlocks', holder, { ...request, purge: false, durable })
  })
  const replies = await Promise.all(cuts)
  return replies.reduce((sum, { body }) => sum + body.allocated, 0)
}
