/** What takes all shards of a directory at once: what it hands down, its times, and its end. */
import { isDeepStrictEqual } from 'node:util'
import type { Reply } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { SetattrRequest, ShardTotals } from '../../network/wire/operations.ts'
import { never } from '../metadata/holding.ts'
import { attributesOf, type Inode } from '../metadata/inode.ts'
import type { Batch } from '../partition/batch.ts'
import { readDirectory } from '../partition/directories.ts'
import { writeInode } from '../partition/inodes.ts'
import { type Inherited, inheritedOf } from '../partition/new-inode.ts'
import { noPayload, type Operation } from '../partition/operation.ts'
import { withTotals } from '../partition/totals.ts'
import type { Script, Transaction } from './coordinator.ts'

type ChangesInode = 'setattr' | 'setxattr' | 'removexattr'

/**
 * An operation on the inode of a directory that is split. When it sets times, those of the shards count only
 * once they change again; when it changes what the directory hands down, they all get that.
 */
export function ofAllShards<N extends ChangesInode>(operation: Operation<N>): Script<N> {
  return async (transaction, request) => {
    const { ino } = request
    const { before, reply, after } = transaction.local(context => {
      const before = handedDown(context.batch, ino)
      const reply = operation(context, request, noPayload)
      return { before, reply, after: handedDown(context.batch, ino) }
    })
    const same = !setsTimes(request) && isDeepStrictEqual(before, after)
    const inode = same ? merged(transaction, ino) : await fold(transaction, request, after)
    return 'attributes' in reply.body ? withAttributes(reply, inode) : reply
  }
}

function handedDown(batch: Batch, ino: Ino): Inherited {
  return inheritedOf(batch, readDirectory(batch, ino))
}

function merged(transaction: Transaction, ino: Ino): Inode {
  return transaction.local(({ batch, totals }) => totals.merged(batch, readDirectory(batch, ino)))
}

function setsTimes({ mtimeNs, ctimeNs }: Partial<SetattrRequest>): boolean {
  return mtimeNs !== undefined || ctimeNs !== undefined
}

/** Takes over the times of the shards. @returns the inode with what they count. */
async function fold(
  transaction: Transaction,
  request: Partial<SetattrRequest> & { readonly ino: Ino },
  directory: Inherited,
): Promise<Inode> {
  const { ino } = request
  const holders = transaction.local(({ batch, totals }) =>
    totals.holders(readDirectory(batch, ino)),
  )
  const folding = holders.map(each => transaction.run(each, 'foldShards', { directory }))
  const totals = await Promise.all(folding)
  const inode = transaction.local(context => {
    context.totals.doubt(ino, holders)
    return writeInode(context.batch, withTimes(readDirectory(context.batch, ino), request, totals))
  })
  const counts = totals.map(each => ({ ...each, mtimeNs: never, ctimeNs: never }))
  return withTotals(inode, counts)
}

/** What was set stands; else the latest of all. */
function withTimes(
  inode: Inode,
  request: Partial<SetattrRequest>,
  totals: readonly ShardTotals[],
): Inode {
  const latest = withTotals(inode, totals)
  const mtimeNs = request.mtimeNs === undefined ? latest.mtimeNs : inode.mtimeNs
  const ctimeNs = request.ctimeNs === undefined ? latest.ctimeNs : inode.ctimeNs
  return { ...inode, mtimeNs, ctimeNs }
}

function withAttributes<N extends ChangesInode>(reply: Reply<N>, inode: Inode): Reply<N> {
  return { ...reply, body: { ...reply.body, attributes: attributesOf(inode) } }
}

/** @throws PosixError ENOTEMPTY, ENOTDIR: nothing can come into any of its shards any more. */
export async function removeDirectory(
  transaction: Transaction,
  ino: Ino,
  known: boolean,
): Promise<null> {
  const holders = await transaction.run(partitionOfIno(ino), 'removeDirectory', { ino, known })
  const dropped = holders.map(holder => transaction.run(holder, 'dropShards', { ino }))
  await Promise.all(dropped)
  return null
}
