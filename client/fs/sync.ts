/**
 * fsync(2): every server that has something of this inode puts it on its disks. When the machine of one
 * has been started again since, what it had in memory is gone: each open file is told so once (EIO).
 */
import { PosixError } from '../../network/errors.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { inParallel } from '../cluster/parallel.ts'
import type { Context } from './context.ts'
import type { OpenFile } from './contract.ts'
import { handleOf } from './open-handle.ts'

export async function fsync(context: Context, ino: Ino, file?: OpenFile): Promise<void> {
  const { cluster, dirty } = context
  const visit = dirty.visit(ino)
  const servers = new Set<MemberId>()
  for (const partition of visit.partitions) {
    const primary = primaryOf(context, partition)
    if (primary === null) throw new PosixError('EIO', `no replica of partition ${partition} is up`)
    servers.add(primary)
  }
  const list = [...servers]
  const replies = await inParallel(list.length, list.length, index =>
    cluster.ask('sync', list[index]!, {}),
  )
  const boots = new Map(list.map((server, index) => [server, replies[index]!.body.boot]))
  const lost = dirty.settled(ino, visit, partition => {
    const primary = primaryOf(context, partition)
    return primary === null ? null : (boots.get(primary) ?? null)
  })
  report(context, ino, file, lost)
}

/** At close(2): what is known to be lost, without asking anybody. */
export async function flush(context: Context, file: OpenFile): Promise<void> {
  const { cluster, dirty } = context
  const { ino } = handleOf(file).inode
  const lost = dirty.takeKnownLoss(ino, partition => cluster.bootOf(partition).id || null)
  report(context, ino, file, lost)
}

/** @throws PosixError EIO to who has not been told of a loss yet: by open file, where it is known which. */
function report(context: Context, ino: Ino, file: OpenFile | undefined, lost: boolean): void {
  if (lost) {
    context.inodes.get(ino)?.lose()
    context.pages.forget(ino)
  }
  const handle = file === undefined ? null : handleOf(file)
  const news = handle?.takeLoss() ?? false
  if (!lost && !news) {
    handle?.assertThere()
    return
  }
  const text = `a server of file ${ino} lost power: data written since the last fsync may be lost`
  throw new PosixError('EIO', text)
}

function primaryOf({ cluster }: Context, partition: number): MemberId | null {
  return cluster.view.partitions[partition]?.primary ?? null
}
