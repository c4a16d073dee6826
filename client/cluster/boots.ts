/** Boots of servers' machines, as servers tell them. */
import type { Partition } from '../../network/wire/ids.ts'
import type { SyncReply } from '../../network/wire/operations.ts'

/** The one that the server is in, and those that are as good for a partition that it has from elsewhere. */
export function bootsOf({ boot, lineages }: SyncReply, partition: Partition): readonly string[] {
  const moved = lineages?.find(lineage => lineage.partition === partition)
  return moved === undefined ? [boot] : [...moved.boots, boot]
}
