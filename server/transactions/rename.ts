/** rename(2) and renameat2(2): up to four partitions and, for a directory that moves, one cluster-wide lock. */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxPathBytes } from '../../network/limits.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { RenameRequest } from '../../network/wire/operations.ts'
import type { Inode } from '../metadata/inode.ts'
import { deleteChild, putChild, readChild } from '../partition/directories.ts'
import { addInode } from '../partition/new-inode.ts'
import { noPayload, type OperationContext } from '../partition/operation.ts'
import { checkAttributes } from '../partition/operations/attributes.ts'
import { type Shard, shardOf, touchShard } from '../partition/shards.ts'
import { oneFile } from '../partition/usage.ts'
import type { Script, Transaction } from './coordinator.ts'
import {
  countDirectory,
  lockRenamesPartition,
  type Occupant,
  renameExchange,
  renameNoReplace,
} from './legs.ts'
import { placeName } from './place-name.ts'
import { removeDirectory } from './wide.ts'

type Whiteout = NonNullable<RenameRequest['whiteout']>
const target = new Uint8Array(0)

export const rename: Script<'rename'> = async (transaction, request) => {
  const { parent, name, newParent, newName, flags } = request
  if (flags !== 0 && flags !== renameNoReplace && flags !== renameExchange) {
    throw new PosixError('EINVAL', `rename flags ${flags}`)
  }
  if (request.whiteout !== undefined) checkWhiteout(request.whiteout, flags)
  const moved = transaction.local(context => {
    const entry = readChild(context.batch, shardOf(context, parent, name), name)
    return { ino: entry.ino, mode: entry.type }
  })
  if (parent !== newParent && (countDirectory(moved) === 1 || flags === renameExchange)) {
    await preventLoops(transaction, request, moved)
  }
  const { meant } = request
  const placed = {
    parent: newParent,
    name: newName,
    moved,
    flags,
    ...(meant !== undefined && { meant }),
  }
  const { partition, replaced } = await placeName(transaction, placed)
  if (replaced?.ino !== moved.ino) await settle(transaction, request, moved, replaced)
  return { body: { ino: moved.ino, partition, parent: null }, payload: noPayload }
}

/** The other half: the old name, the inode that moved, and the one that was replaced. */
async function settle(
  transaction: Transaction,
  { parent, name, newParent, flags, whiteout, known, knownNew }: RenameRequest,
  moved: Occupant,
  replaced: Occupant | null,
): Promise<void> {
  const exchanged = flags === renameExchange ? replaced : null
  if (exchanged === null && replaced?.ino === parent) throw new PosixError('ENOTEMPTY')
  if (exchanged !== null && parent !== newParent && countDirectory(exchanged) === 1) {
    await checkOutside(transaction, exchanged.ino, parent)
  }
  transaction.local(context => {
    const shard = shardOf(context, parent, name)
    const left = whiteout === undefined ? exchanged : makeWhiteout(context, shard, whiteout)
    if (left === null) deleteChild(context.batch, shard, name)
    else putChild(context.batch, shard, name, left)
    const subdirectories = countDirectory(exchanged) - countDirectory(moved)
    touchShard(context, shard, { entries: left === null ? -1 : 0, subdirectories })
  })
  const { ino } = moved
  const argument = { ino, parent: newParent, known: ino === known }
  const moves: Promise<null>[] = [transaction.run(partitionOfIno(ino), 'renamed', argument)]
  if (exchanged !== null) {
    const argument = { ino: exchanged.ino, parent, known: exchanged.ino === knownNew }
    moves.push(transaction.run(partitionOfIno(exchanged.ino), 'renamed', argument))
  } else if (replaced !== null) {
    const { ino } = replaced
    const known = ino === knownNew
    const isDirectory = countDirectory(replaced) === 1
    if (isDirectory) moves.push(removeDirectory(transaction, ino, known))
    else moves.push(transaction.run(partitionOfIno(ino), 'dropLink', { ino, known }))
  }
  await Promise.all(moves)
}

/** @throws ClusterError MALFORMED; PosixError EINVAL */
function checkWhiteout({ uid, gid }: Partial<Whiteout>, flags: number): void {
  if (uid === undefined || gid === undefined) {
    throw new ClusterError('MALFORMED', 'a whiteout without an owner')
  }
  checkAttributes({ uid, gid })
  if (flags === renameExchange) throw new PosixError('EINVAL', 'an exchange leaves no name free')
}

/** What hides a name of a lower layer in an overlay: a character device 0:0 (renameat2(2)). */
function makeWhiteout(context: OperationContext, shard: Shard, { uid, gid }: Whiteout): Inode {
  const { batch, facts, nowNs } = context
  context.usage.admit(batch, shard.inherited.volume, oneFile)
  const mode = fileType.character
  const init = { ino: facts.allocateIno(), mode, umask: 0, uid, gid, rdev: 0, target, nowNs }
  return addInode(batch, shard.inherited, init)
}

/**
 * A directory must not become its own descendant. While the lock is held no directory changes its parent,
 * so the way up from the new parent stays what it is found to be.
 * @throws PosixError EINVAL
 */
async function preventLoops(
  transaction: Transaction,
  request: RenameRequest,
  moved: Occupant,
): Promise<void> {
  await transaction.run(lockRenamesPartition, 'lockRenames', {})
  if (countDirectory(moved) === 1) await checkOutside(transaction, moved.ino, request.newParent)
}

/** @throws PosixError EINVAL when the directory `from` is `ino` or lies below it, ENOENT when it was removed. */
async function checkOutside(transaction: Transaction, ino: Ino, from: Ino): Promise<void> {
  const above = await ancestors(transaction, from).catch((error: unknown) => {
    // The kernel looks once more what has the name; where it was replaced again, a program saw ESTALE.
    const isGone = error instanceof PosixError && error.code === 'ESTALE'
    throw isGone ? new PosixError('ENOENT', 'the new parent was removed', { cause: error }) : error
  })
  if (above.has(ino)) throw new PosixError('EINVAL', 'a directory into itself')
}

async function ancestors(transaction: Transaction, from: Ino): Promise<ReadonlySet<Ino>> {
  const above = new Set<Ino>()
  for (let ino = from; ino !== clusterRootIno && ino !== 0; ) {
    if (above.size > maxPathBytes || above.has(ino)) throw new PosixError('ELOOP')
    above.add(ino)
    const request = { ino, transaction: transaction.id }
    ino = (await transaction.ask('parent', partitionOfIno(ino), request)).body.parent
  }
  return above
}
