/** Asking for names where they are: in a split directory another partition may have them than the last time. */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { shardSlots } from '../../network/limits.ts'
import { isShardMap } from '../../network/placement/shards.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { Context } from './context.ts'

/** Does something with a name, in the partition that has it. */
export function atName<T>(
  context: Context,
  parent: Ino,
  name: Name,
  attempt: (partition: Partition) => Promise<T>,
): Promise<T> {
  return atShard(context, parent, () => context.shards.partitionOfName(parent, name), attempt)
}

/** Does something with the entries that follow a cookie, in the partition that has them. */
export function behindCookie<T>(
  context: Context,
  directory: Ino,
  cookie: number,
  attempt: (partition: Partition) => Promise<T>,
): Promise<T> {
  const find = () => context.shards.partitionBehind(directory, cookie)
  return atShard(context, directory, find, attempt)
}

/** A name moves at most as often as its shard can be halved; whoever says MISPLACED has done nothing. */
async function atShard<T>(
  context: Context,
  directory: Ino,
  find: () => Partition,
  attempt: (partition: Partition) => Promise<T>,
): Promise<T> {
  for (let moves = 0; ; moves++) {
    try {
      return await attempt(find())
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== 'MISPLACED') throw error
      if (moves === shardSlots) {
        throw new PosixError('EIO', `no partition has a name of ${directory}`, { cause: error })
      }
    }
    await learnMap(context, directory)
  }
}

/** The partitions of all shards of a directory, as they are now. */
export async function shardsOf(context: Context, directory: Ino): Promise<readonly Partition[]> {
  await learnMap(context, directory)
  return context.shards.partitionsOf(directory)
}

async function learnMap(context: Context, directory: Ino): Promise<void> {
  const { cluster, shards, listings } = context
  const home = partitionOfIno(directory)
  const { body } = await cluster.query('shards', home, { ino: directory })
  if (body.shards.length > 0 && !isShardMap(body.shards)) {
    throw new PosixError('EIO', `partition ${home} does not know the shards of ${directory}`)
  }
  shards.learn(directory, body.shards)
  listings.forget(directory)
}
