/**
 * fsync(2): every server that has something of this inode, whoever wrote it, puts it on its disks. When the machine of one
 * has been started again since, what it had in memory is gone: each open file is told so once (EIO).
 */
import { ClusterError, PosixError, posixCodeOf } from '../../network/errors.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import { partitionsOfBlocks } from '../../network/placement/locate.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino, Partition } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { bootsOf } from '../cluster/boots.ts'
import { inParallel } from '../cluster/parallel.ts'
import { getattr } from './attributes.ts'
import type { Context } from './context.ts'
import type { OpenFile } from './contract.ts'
import { handleOf, type OpenHandle } from './open-handle.ts'
import { shardsOf } from './shards.ts'

export async function fsync(context: Context, ino: Ino, file?: OpenFile): Promise<void> {
  const { dirty } = context
  await context.changes.settled(ino)
  await context.behind.settled(ino)
  const attributes = await attributesOf(context, ino)
  const visit = dirty.visit(ino)
  const others = await othersOf(context, attributes)
  const untilMs = context.cluster.env.clock.monotonicMs() + operationDeadlineMs
  const boots = await syncPartitions(context, [...visit.partitions, ...others], untilMs)
  const lost = dirty.settled(ino, visit, partition => boots.get(partition) ?? null)
  if (lost) context.synced.forget(ino)
  else if (attributes !== null) context.synced.settled(attributes)
  if (file !== undefined) handleOf(file).assertWritten()
  report(context, ino, file, lost)
  const failure = context.changes.takeFailure(ino)
  if (failure === undefined) return
  const text = `what was written to ${ino}, or made or removed in it, could not be kept so`
  throw new PosixError(posixCodeOf(failure), text, { cause: failure })
}

/**
 * Asks whoever is in charge of each. When one cannot be reached and all it was asked for has gone elsewhere, those who have
 * it now are asked: they put on their disks what they took over.
 * @param untilMs of the monotonic clock: nobody else is asked later.
 * @returns the boots by whom was asked: a partition may have gone to another server meanwhile.
 */
async function syncPartitions(
  context: Context,
  partitions: readonly Partition[],
  untilMs: number,
): Promise<Map<Partition, readonly string[]>> {
  const { cluster } = context
  const servers = new Map<MemberId, Partition[]>()
  for (const partition of partitions) {
    const primary = primaryOf(context, partition)
    if (primary === null) throw new PosixError('EIO', `no replica of partition ${partition} is up`)
    servers.set(primary, [...(servers.get(primary) ?? []), partition])
  }
  const list = [...servers]
  const boots = new Map<Partition, readonly string[]>()
  await inParallel(list.length, list.length, async index => {
    const [server, held] = list[index]!
    const isInCharge = () => held.some(partition => primaryOf(context, partition) === server)
    try {
      const { body } = await cluster.ask('sync', server, { partitions: held }, isInCharge)
      for (const partition of held) boots.set(partition, bootsOf(body, partition))
    } catch (error) {
      if (!hasMoved(error)) throw error
      if (cluster.env.clock.monotonicMs() >= untilMs) {
        throw new PosixError('EIO', `sync: partitions of ${server} go from server to server`)
      }
      const elsewhere = await syncPartitions(context, held, untilMs)
      for (const [partition, found] of elsewhere) boots.set(partition, found)
    }
  })
  return boots
}

function hasMoved(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'NOT_PRIMARY'
}

/** null when there is no such inode any more: of that `report` tells. */
async function attributesOf(context: Context, ino: Ino): Promise<Attributes | null> {
  try {
    return await getattr(context, ino)
  } catch (error) {
    if (error instanceof PosixError && error.code === 'ESTALE') return null
    throw error
  }
}

/** Partitions where somebody else may have something of the inode that is in memory only. */
async function othersOf(
  context: Context,
  attributes: Attributes | null,
): Promise<readonly Partition[]> {
  if (attributes === null || context.synced.cover(attributes)) return []
  const { ino, mode, generation, reach } = attributes
  if (isDirectory(mode)) return shardsOf(context, ino)
  if (reach === 0) return []
  const blocks = { ino, generation, block: 0, reach }
  return partitionsOfBlocks(blocks, context.cluster.partitionCount)
}

/**
 * At close(2): null when nothing is left that was written behind, or was lost of it without this open file's having been told.
 * Rejects with what it failed with.
 */
export function settle(context: Context, file: OpenFile): Promise<void> | null {
  const handle = handleOf(file)
  const left = context.behind.settled(handle.ino)
  return left === null && handle.isToldAll ? null : written(handle, left)
}

async function written(handle: OpenHandle, left: Promise<void> | null): Promise<void> {
  await left
  handle.assertWritten()
  if (left !== null) handle.assertThere()
}

/** The same, and what is known to be lost otherwise, without asking anybody. */
export async function flush(context: Context, file: OpenFile): Promise<void> {
  const { cluster, dirty } = context
  await settle(context, file)
  const { ino } = handleOf(file).inode
  const lost = dirty.takeKnownLoss(ino, partition => cluster.knownBootsOf(partition))
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
