/** Cutting the blocks of a file wherever they live: behind a truncation, and when the file is gone. */
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import type { Partition } from '../partition/partition.ts'
import type { Peers } from '../peers.ts'

/**
 * Cuts blocks of a file of this partition, as long as that is served here.
 * Resolves when every partition among `holders` has cut what it had, and has that on its disk.
 * @returns by how much their space has changed, bytes; what an earlier attempt cut is not in it.
 */
export async function cutEverywhere(
  peers: Peers,
  { id, store }: Pick<Partition, 'id' | 'store'>,
  holders: readonly number[],
  cut: Omit<CutBlocksRequest, 'purge' | 'durable' | 'epoch'>,
): Promise<number> {
  const cuts = holders.map(holder =>
    peers.callUntilDone('cutBlocks', holder, () => {
      store.assertOpen()
      // What is in the same log is there before what is made of the answer.
      const durable = !peers.shareLog(id, holder)
      return { ...cut, purge: false, durable, epoch: peers.epochOf(id) }
    }),
  )
  const replies = await Promise.all(cuts)
  return replies.reduce((sum, { body }) => sum + body.allocated, 0)
}
