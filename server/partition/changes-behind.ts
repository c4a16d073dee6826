/**
 * Who alone is served by a partition answers its programs before what they change there is done (client/fs/change-behind.ts):
 * a lease on all of the partition, asked for with a change of a name and given with its answer.
 */
import type { Handler, Incoming } from '../../network/rpc/contract.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { OperationName } from '../../network/wire/operations.ts'
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
    const partition = admit(incoming)
    const client = incoming.peer.hello.id
    if (!isPlain(partition, client, parent)) return reply
    const mayBehind = await partition.leaseWhole(client)
    return mayBehind === null ? reply : { ...reply, body: { ...reply.body, mayBehind } }
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
