/**
 * Who alone is served by a partition answers its programs before what they change there is done (client/fs/change-behind.ts):
 * a lease on all of the partition, asked for with a change of a name and given with its answer.
 */
import { ClusterError } from '../../network/errors.ts'
import type { Handler, Incoming } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { BehindShown, OperationName } from '../../network/wire/operations.ts'
import { findInode } from './inodes.ts'
import { LockedKey } from './key-locks.ts'
import type { Partition } from './partition.ts'

export type ChangesNames = 'create' | 'unlink' | 'makeBehind' | 'removeBehind'
export type ChangesBehind = 'makeBehind' | 'removeBehind' | 'setBehind' | 'writeBehind'

export interface LeasingInit {
  readonly admit: (incoming: Incoming<OperationName>) => Partition
  /** Whether the metadata disk has no room for anything new. */
  readonly isFull: () => boolean
}

/** The same handler, which leases the partition to who asks for it, if that can be. */
export function leasingPartition<N extends ChangesNames>(
  { admit, isFull }: LeasingInit,
  handler: Handler<N>,
): Handler<N> {
  return async incoming => {
    const reply = await handler(incoming)
    const { asksBehind, parent } = incoming.body
    if (asksBehind !== true || isFull()) return reply
    if (partitionOfIno(parent) !== incoming.partition) return reply
    const mayBehind = await lease(() => admit(incoming), incoming.peer.hello.id, parent)
    return mayBehind === null ? reply : { ...reply, body: { ...reply.body, mayBehind } }
  }
}

/** null also where the partition has gone elsewhere: what was asked for is done, and that is the answer. */
async function lease(
  admit: () => Partition,
  client: string,
  directory: Ino,
): Promise<BehindShown['mayBehind'] | null> {
  try {
    const partition = admit()
    return isPlain(partition, client, directory) ? await partition.leaseWhole(client) : null
  } catch (error) {
    if (error instanceof ClusterError) return null
    throw error
  }
}

/** The same handler, which says when nothing more is to be answered before it is done, as the disk is full. */
export function endingBehind<N extends ChangesBehind>(
  isFull: () => boolean,
  handler: Handler<N>,
): Handler<N> {
  return async incoming => {
    const reply = await handler(incoming)
    return isFull() ? { ...reply, body: { ...reply.body, endsBehind: true } } : reply
  }
}

/** Nothing stands between a name that is made there and its being there: no shards, no quota, nobody who changes it. */
function isPlain(partition: Partition, client: string, directory: number): boolean {
  try {
    const inode = findInode(partition.contextFor(client, null, 'read').batch, directory)
    return inode?.shards.length === 0 && !partition.usage.isLimited(inode.volume)
  } catch (error) {
    if (error instanceof LockedKey) return false
    throw error
  }
}
