/** What reading does to an inode: its access time moves, when that is due, and nothing else. */
import { PosixError } from '../../../network/errors.ts'
import { isAccessTimeDue } from '../../../network/wire/access-time.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import { LeasedKey, outwaitLeases } from '../../leases/read-leases.ts'
import { readInode, toldAttributes, writeInode } from '../inodes.ts'
import { LockedKey } from '../key-locks.ts'
import { noPayload, type Operation } from '../operation.ts'
import type { Partition } from '../partition.ts'

/** Not a change of the inode: neither `change` nor ctime move. Has its effect once however often it is repeated. */
export const accessed: Operation<'accessed'> = ({ batch, totals, nowNs }, { ino }) => {
  const inode = readInode(batch, ino)
  const whole = inode.shards.length === 0 ? inode : totals.merged(batch, inode)
  const atimeNs = isAccessTimeDue(whole, nowNs) ? nowNs : inode.atimeNs
  if (atimeNs !== inode.atimeNs) writeInode(batch, { ...inode, atimeNs })
  return { body: { attributes: toldAttributes(batch, { ...whole, atimeNs }) }, payload: noPayload }
}

/**
 * As `accessed`, beside another operation of a reader, who is answered behind it.
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
    accessed(context, { ino }, noPayload)
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
