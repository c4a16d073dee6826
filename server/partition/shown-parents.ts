/**
 * What a directory says of itself, for who has just changed a name in it: the next that it would ask for.
 *
 * 1. When a change in a shard is answered, or decided, no other client has a lease on what the directory said
 *    before.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import type { Handler, Incoming, Reply } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type {
  DoubtTotalsRequest,
  GetattrReply,
  OperationName,
  ParentShown,
  ReplyOf,
  ShardChangedRequest,
} from '../../network/wire/operations.ts'
import { outwaitLeases } from '../leases/read-leases.ts'
import { inodeKey } from '../metadata/keys.ts'
import { leaseInode, readInode, toldAttributes } from './inodes.ts'
import { LockedKey } from './key-locks.ts'
import { noPayload } from './operation.ts'
import type { Partition } from './partition.ts'

/** Operations on a name whose answers show the directory that has it. */
export type ChangesName = {
  [N in OperationName]: ReplyOf<N> extends ParentShown ? N : never
}[Exclude<OperationName, 'parent' | 'shardChanged'>]

/** No client has this name. */
const nobody = ''

/** The same handler, which shows a directory that is at home in the partition. */
export function showingParent<N extends ChangesName>(
  admit: (incoming: Incoming<OperationName>) => Partition,
  handler: Handler<N>,
): Handler<N> {
  return async incoming => {
    const { parent } = incoming.body
    if (partitionOfIno(parent) !== incoming.partition) return await handler(incoming)
    // Before: what is refused later, when the partition has gone elsewhere, counts as not done.
    const partition = admit(incoming)
    const reply = await handler(incoming)
    return withParent(reply, attributesNow(partition, incoming.peer.hello.id, parent))
  }
}

export function withParent<N extends ChangesName>(
  reply: Reply<N>,
  parent: GetattrReply | null,
): Reply<N> {
  return parent === null ? reply : { ...reply, body: { ...reply.body, parent } }
}

/** A shard in another partition has changed: the directory shows it from now on. */
export async function learnTotals(
  partition: Partition,
  request: ShardChangedRequest,
): Promise<Reply<'shardChanged'>> {
  const { ino, client, incarnation } = request
  const told = { incarnation, totals: request.totals }
  await outwaitLeases(() => {
    const { batch, totals } = partition.contextFor(client ?? nobody)
    if (totals.isNews(ino, request.partition, told)) batch.assertLeasedToNoOther(keyOf(ino))
    totals.learn(ino, request.partition, told)
  })
  const parent = client === null ? null : attributesNow(partition, client, ino)
  return { body: { parent }, payload: noPayload }
}

/** A transaction is about to change a shard in another partition: until it is decided, nobody is told what was. */
export async function doubtTotals(
  partition: Partition,
  { ino, client, partition: shard }: DoubtTotalsRequest,
): Promise<void> {
  await outwaitLeases(() => {
    const { batch, totals } = partition.contextFor(client)
    batch.assertLeasedToNoOther(keyOf(ino))
    totals.doubt(ino, [shard])
  })
}

function keyOf(ino: Ino): string {
  return inodeKey(partitionOfIno(ino), ino)
}

/** As `getattr`; null where that would wait, or fail: whoever asks for it waits, or is told why. */
function attributesNow(partition: Partition, client: string, ino: Ino): GetattrReply | null {
  const { batch, totals } = partition.contextFor(client, null, 'look')
  try {
    const inode = readInode(batch, ino)
    const shown = inode.shards.length === 0 ? inode : totals.mergedIfKnown(batch, inode)
    if (shown === null || batch.sawStaged) return null
    return { attributes: toldAttributes(batch, shown), leaseMs: leaseInode(batch, ino) }
  } catch (error) {
    const passes =
      error instanceof LockedKey || error instanceof PosixError || error instanceof ClusterError
    if (passes) return null
    throw error
  }
}
