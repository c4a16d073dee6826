/** What reading does to an inode: its access time moves, when that is due, and nothing else. */
import { PosixError } from '../../../network/errors.ts'
import { isAccessTimeDue } from '../../../network/wire/access-time.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import { LeasedKey } from '../../leases/read-leases.ts'
import { attributesOf } from '../../metadata/inode.ts'
import { readInode, writeInode } from '../inodes.ts'
import { LockedKey } from '../key-locks.ts'
import { noPayload, type Operation } from '../operation.ts'
import type { Partition } from '../partition.ts'

/** Not a change of the inode: neither `change` nor ctime move. Has its effect once however often it is repeated. */
export const accessed: Operation<'accessed'> = ({ batch, totals, nowNs }, { ino }) => {
  const inode = readInode(batch, ino)
  const whole = inode.shards.length === 0 ? inode : totals.merged(batch, inode)
  const atimeNs = isAccessTimeDue(whole, nowNs) ? nowNs : inode.atimeNs
  if (atimeNs !== inode.atimeNs) writeInode(batch, { ...inode, atimeNs })
  return { body: { attributes: attributesOf({ ...whole, atimeNs }) }, payload: noPayload }
}

/**
 * As `accessed`, for a reader who does not wait for it: seen by all who ask from now on.
 * @param client who reads: it has not been answered yet.
 */
export function noteAccess(partition: Partition, ino: Ino, client: string): void {
  const context = partition.contextFor(client)
  try {
    if (!isDue(partition, ino)) return
    accessed(context, { ino }, noPayload)
  } catch (error) {
    // Others may say until then what they know.
    if (error instanceof LeasedKey) noteLater(partition, ino, error.released)
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

/** By then whoever read it may have a lease again. */
function noteLater(partition: Partition, ino: Ino, released: Promise<void>): void {
  void released.then(() => {
    if (!partition.store.isClosed) noteAccess(partition, ino, '')
  })
}
