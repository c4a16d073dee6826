/** Giving a name in a directory that may be split, for whatever another partition has. */
import { ClusterError } from '../../network/errors.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { partitionOfShard, shardAt, slotOf } from '../../network/placement/shards.ts'
import { type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Transaction } from './coordinator.ts'
import type { LegArgument, Occupant } from './legs.ts'

/** Tries the directory's own partition first, and goes where that says. @throws as the leg `placeEntry`. */
export async function placeName(
  transaction: Transaction,
  argument: LegArgument<'placeEntry'>,
): Promise<{ readonly partition: Partition; readonly replaced: Occupant | null }> {
  const { parent: ino, name } = argument
  const home = partitionOfIno(ino)
  try {
    return { partition: home, ...(await transaction.run(home, 'placeEntry', argument)) }
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'MISPLACED') throw error
  }
  const { shards } = (await transaction.ask('shards', home, { ino })).body
  const first = shardAt(shards, slotOf(entryHash(name)))
  const partition = partitionOfShard(ino, first, transaction.partitionCount)
  const { replaced } = await transaction.run(partition, 'placeEntry', argument)
  // What the shard counts changes when it hears of the decision, and not, as seen from here, with it.
  const remote = partition !== transaction.partition
  const { client } = transaction
  if (remote) await transaction.ask('doubtTotals', home, { ino, partition, client })
  return { partition, replaced }
}
