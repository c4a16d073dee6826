/** What reading does to an inode: its access time moves, when that is due, and nothing else. */
import { ClusterError, PosixError } from '../../../network/errors.ts'
import { maxAccessBatch } from '../../../network/limits.ts'
import { isAccessTimeDue } from '../../../network/wire/access-time.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import type { GetattrReply } from '../../../network/wire/operations.ts'
import { LeasedKey, outwaitLeases } from '../../leases/read-leases.ts'
import { leaseInode, readInode, toldAttributes, writeInode } from '../inodes.ts'
import { LockedKey } from '../key-locks.ts'
import { noPayload, type Operation, type OperationContext } from '../operation.ts'
import type { Partition } from '../partition.ts'

/** Longer ago than any client waits with telling of it: what says so is not to be believed. */
const longestAgoMs = 60_000

/** Not a change of the inodes: neither `change` nor ctime move. Has its effect once however often it is repeated. */
export const accessed: Operation<'accessed'> = (context, { accesses }) => {
  if (accesses.length > maxAccessBatch) throw new PosixError('EINVAL', 'too many accesses')
  const shown: GetattrReply[] = []
  for (const { ino, agoMs } of accesses) {
    if (!(agoMs >= 0 && agoMs <= longestAgoMs)) throw new PosixError('EINVAL', `${agoMs} ms ago`)
    const attributes = accessedOne(context, ino, BigInt(Math.round(agoMs * 1e6)))
    if (attributes !== null) shown.push(attributes)
  }
  return { body: { shown }, payload: noPayload }
}

/** @returns null where it has gone since, or cannot be read. */
function accessedOne(context: OperationContext, ino: Ino, agoNs: bigint): GetattrReply | null {
  try {
    return access(context, ino, agoNs)
  } catch (error) {
    if (error instanceof PosixError && error.code === 'ESTALE') return null
    if (error instanceof ClusterError && error.code === 'CHECKSUM') return null
    throw error
  }
}

/** @throws PosixError ESTALE when it is gone. */
function access(context: OperationContext, ino: Ino, agoNs: bigint): GetattrReply {
  const { batch, totals, nowNs } = context
  const inode = readInode(batch, ino)
  const isWhole = inode.shards.length === 0
  const whole = isWhole ? inode : totals.merged(batch, inode)
  const readNs = nowNs - agoNs
  // What was changed since, its access time perhaps, is as whoever changed it left it.
  const moves = isAccessTimeDue(whole, nowNs) && readNs > inode.atimeNs && readNs >= whole.ctimeNs
  const atimeNs = moves ? readNs : inode.atimeNs
  if (moves) writeInode(batch, { ...inode, atimeNs })
  const attributes = toldAttributes(batch, { ...whole, atimeNs })
  return { attributes, leaseMs: isWhole ? leaseInode(batch, ino) : 0 }
}

/**
 * Moves the access time beside another operation of a reader, who is answered behind it.
 * @returns null when it is noted, as a rule; else it waits until nobody has a lease that says otherwise.
 */
export function noteAccess(partition: Partition, ino: Ino, client: string): Promise<void> | null {
  try {
    note(partition, ino, client)
    return null
  } catch (error) {
    if (!(error instanceof LeasedKey)) throw error
    return error.released.then(() => outwaitLeases(() => note(partition, ino, client)))
  }
}

/** @throws LeasedKey */
function note(partition: Partition, ino: Ino, client: string): void {
  const context = partition.contextFor(client)
  try {
    if (!isDue(partition, ino)) return
    access(context, ino, 0n)
  } catch (error) {
    if (error instanceof LeasedKey) throw error
    // A transaction is changing the inode, and what it writes counts; or shards have to be asked first.
    if (error instanceof LockedKey) return
    // It went after it was read.
    if (error instanceof PosixError && error.code === 'ESTALE') return
    throw error
  }
  if (!context.batch.changed) return
  partition.stage(context.batch).catch(() => {
    // A store that cannot write ends its server by itself, and the reader was promised nothing.
  })
}

function isDue(partition: Partition, ino: Ino): boolean {
  const { batch, totals, nowNs } = partition.contextFor('', null, 'look')
  const inode = readInode(batch, ino)
  return isAccessTimeDue(inode.shards.length === 0 ? inode : totals.merged(batch, inode), nowNs)
}
