/** fsync(2): every server that has something of this inode puts it on its disks. */
import { PosixError } from '../../network/errors.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { inParallel } from '../cluster/parallel.ts'
import type { Context } from './context.ts'

export async function fsync(context: Context, ino: Ino): Promise<void> {
  const { cluster, dirty } = context
  const visit = dirty.visit(ino)
  const servers = new Set<MemberId>()
  for (const partition of visit.partitions) {
    const primary = cluster.view.partitions[partition]?.primary ?? null
    if (primary === null) throw new PosixError('EIO', `no replica of partition ${partition} is up`)
    servers.add(primary)
  }
  const list = [...servers]
  await inParallel(list.length, list.length, index => cluster.ask('sync', list[index]!, {}))
  dirty.settled(ino, visit)
}
