/** Cutting the blocks of a file wherever they live: behind a truncation, and when the file is gone. */
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import type { Peers } from '../peers.ts'

/** Blocks are counted out one by one up to this many for each partition; beyond, every partition is asked. */
const countedPerPartition = 4

/** Resolves when every partition that may hold one of these blocks has cut what it had. */
export async function cutEverywhere(
  peers: Peers,
  partitionCount: number,
  request: CutBlocksRequest,
): Promise<void> {
  const asked = [...partitionsOf(request, partitionCount)]
  await Promise.all(asked.map(partition => peers.callUntilDone('cutBlocks', partition, request)))
}

function partitionsOf(request: CutBlocksRequest, partitionCount: number): Iterable<number> {
  const { ino, generation, block, reach } = request
  if (reach - block > countedPerPartition * partitionCount) return Array(partitionCount).keys()
  const partitions = new Set<number>()
  for (let index = block; index < reach; index++) {
    partitions.add(partitionOfBlock(ino, generation, index, partitionCount))
  }
  return partitions
}
