/** Examinations of data and the inodes it belongs to. */
import { ClusterError } from '../../network/errors.ts'
import { maxPurgesInFlight } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { ExamineReply } from '../../network/wire/operations.ts'
import type { Inode } from '../metadata/inode.ts'
import { inlineKey, inodeKey, purgeKey } from '../metadata/keys.ts'
import { writeInode } from '../partition/inodes.ts'
import { countEntries, shardMapOf } from './counts.ts'
import { readableAt } from './legs.ts'
import { rebuild } from './names.ts'
import { type Examination, faulty, lost, repaired, type Scene, sound } from './scene.ts'
import { getTolerantly } from './tolerant.ts'

/** A generation that is over does not come back, and neither does a file: what is found of them is left over. */
export const leakedBlocks: Examination = async scene => {
  const { transaction, request, partition } = scene
  const { subject, remains } = request
  const { generation, endBlock } = remains
  const state = transaction.local(({ batch }) => ({
    inode: readableAt(batch, subject),
    hasRecord: getTolerantly(batch, inodeKey(partition.id, subject)) !== undefined,
    isQueued: getTolerantly(batch, purgeKey(partition.id, subject, generation)) !== undefined,
  }))
  const { inode } = state
  if (state.isQueued || (state.hasRecord && inode === undefined)) return sound
  if (inode !== undefined && isDirectory(inode.mode)) return lost('it is a directory')
  if (inode?.generation === generation || !(await lastBlockIsThere(scene))) return sound
  if (!request.repair) return faulty(`generation ${generation}, up to block ${endBlock - 1}`)
  if (inode !== undefined && mayComeAgain(scene, inode)) {
    await deleteNow(scene)
    return repaired('they were deleted')
  }
  transaction.local(({ batch }) => {
    const record = Buffer.allocUnsafe(8)
    // So far that every partition is asked, wherever they are.
    record.writeDoubleLE(Math.max(endBlock, 8 * transaction.partitionCount))
    batch.put(purgeKey(partition.id, subject, generation), record)
  })
  return repaired('they were queued for deletion')
}

/** While the inode is locked, its generation stays what it is: nobody writes there who is to be believed. */
async function deleteNow({ transaction, request }: Scene): Promise<void> {
  const { generation, endBlock } = request.remains
  const blocks = { ino: request.subject, generation, block: 0, offset: 0, reach: endBlock }
  await inTurns([...Array(transaction.partitionCount).keys()], async holder => {
    await transaction.ask('cutBlocks', holder, { ...blocks, purge: false, durable: true })
  })
}

/** A few at a time. */
async function inTurns<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += maxPurgesInFlight) {
    await Promise.all(all.slice(at, at + maxPurgesInFlight).map(act))
  }
}

/** Generations below the floor of this boot are given out no more. */
function mayComeAgain({ partition, request }: Scene, inode: Inode): boolean {
  const { generation } = request.remains
  return generation > inode.generation && generation >= partition.facts.generationFloor
}

/** The last block that was found. */
async function lastBlockIsThere({ transaction, request }: Scene): Promise<boolean> {
  const { subject: ino, remains } = request
  const { generation, endBlock } = remains
  const block = endBlock - 1
  const partition = partitionOfBlock(ino, generation, block, transaction.partitionCount)
  try {
    const range = { ino, generation, block, offset: 0, length: 0 }
    return (await transaction.ask('readBlock', partition, range)).body.present
  } catch (error) {
    // One that cannot be read is there.
    if (error instanceof ClusterError && error.code === 'DISK') return true
    throw error
  }
}

export const blocksBeyondReach: Examination = async scene => {
  const { transaction, request, partition } = scene
  const { subject, remains } = request
  const { generation, endBlock } = remains
  const inode = transaction.local(({ batch }) => readableAt(batch, subject))
  const fits =
    inode === undefined ||
    isDirectory(inode.mode) ||
    inode.generation !== generation ||
    inode.reserved >= endBlock
  if (fits || !(await lastBlockIsThere(scene))) return sound
  if (!request.repair) return faulty(`${endBlock} blocks, where it knows of ${inode.reserved}`)
  transaction.local(({ batch }) => {
    const isInline =
      inode.reach === 0 &&
      (inode.size === 0 || getTolerantly(batch, inlineKey(partition.id, subject)) !== undefined)
    const reach = isInline ? 0 : endBlock
    writeInode(batch, { ...inode, reserved: endBlock, reach, change: inode.change + 1 })
  })
  return repaired(`it knows of ${endBlock} blocks now`)
}

export const lostInode: Examination = async scene => {
  const { transaction, request, partition } = scene
  const { subject, remains } = request
  const { inode, hasRecord, hasInline } = transaction.local(({ batch }) => ({
    inode: readableAt(batch, subject),
    hasRecord: getTolerantly(batch, inodeKey(partition.id, subject)) !== undefined,
    hasInline: getTolerantly(batch, inlineKey(partition.id, subject)) !== undefined,
  }))
  const here = await countEntries(scene, subject)
  const entries = Math.max(here.entries, (await shardMapOf(scene, subject)).length)
  const isLost =
    inode === undefined
      ? hasRecord || hasInline || entries > 0
      : !isDirectory(inode.mode) && entries > 0
  if (partitionOfIno(subject) !== partition.id || !isLost) return sound
  if (entries === 0 && !hasInline && remains.endBlock === 0) return dropRecord(scene)
  const left =
    entries > 0 ? `${entries} entries` : hasInline ? 'its data' : `${remains.endBlock} blocks`
  if (!request.repair) return faulty(`${left} are left of it`)
  await rebuild(scene, subject, entries > 0 ? fileType.directory : fileType.regular, 0)
  return repaired(`the inode was made again around ${left}`)
}

/** Neither a name nor data belongs to it. */
function dropRecord({ transaction, request, partition }: Scene): ExamineReply {
  if (!request.repair) return faulty('its record cannot be read, and nothing is left of it')
  transaction.local(({ batch }) => {
    batch.delete(inodeKey(partition.id, request.subject))
    batch.counts.inodes -= 1
  })
  return repaired('nothing was left of it: its record was removed')
}
