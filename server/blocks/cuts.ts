/** Cutting the blocks of a file wherever they live: behind a truncation, and when the file is gone. */
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import type { Peers } from '../peers.ts'

/** Blocks are counted out one by one up to this many for each partition; beyond, every partition is asked. */
const countedPerPartition = 4

/** Resolves when every partition among `holders` has cut what it had, and has that on its disk. */
export async function cutEverywhere(
  peers: Peers,
  holders: readonly number[],
  request: Omit<CutBlocksRequest, 'purge' | 'durable'>,
): Promise<void> {
  const cuts = holders.map(holder => {
    // What a server asks of itself is in its log before what it makes of the answer.
    const durable = !peers.isOwn(holder)
    return peers.callUntilDone('cutBlocks', holder, { ...request, purge: false, durable })
  })
  await Promise.all(cuts)
}

/** The partitions that may hold one of these blocks. */
export function partitionsOf(
  request: Omit<CutBlocksRequest, 'purge' | 'durable'>,
  partitionCount: number,
): readonly number[] {
  const { ino, generation, block, reach } = request
  if (reach - block > countedPerPartition * partitionCount) {
    return [...Array(partitionCount).keys()]
  }
  const partitions = new Set<number>()
  for (let index = block; index < reach; index++) {
    partitions.add(partitionOfBlock(ino, generation, index, partitionCount))
  }
  return [...partitions]
}
