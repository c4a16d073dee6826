/** Examinations of names and what they lead to: entries, link counts, parents, loops. */
import {
  defaultBlockBytes,
  defaultInlineBytes,
  maxBlockBytes,
  maxLinkCount,
  maxPathBytes,
  minBlockBytes,
} from '../../network/limits.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { ExamineReply, NamePlace, Remains } from '../../network/wire/operations.ts'
import { noShards } from '../metadata/inode.ts'
import { lockRenamesPartition } from '../transactions/legs.ts'
import { shardMapOf } from './counts.ts'
import type { Inspected } from './legs.ts'
import {
  doubt,
  type Examination,
  faulty,
  inspect,
  removeName,
  repaired,
  type Scene,
  sound,
  takeIn,
  undecided,
} from './scene.ts'

const directoryMode = fileType.directory | 0o700
const fileMode = fileType.regular | 0o600

export const danglingEntry: Examination = async scene => {
  const { transaction, request } = scene
  const { subject, remains } = request
  const [place] = request.names
  if (place === undefined) return sound
  const entry = await transaction.run(place.partition, 'inspectName', place)
  if (entry?.ino !== subject) return sound
  const inode = await inspect(scene, subject)
  const type = inode === null ? 0 : inode.mode & fileType.mask
  if (type === entry.type) return sound
  if (!request.repair) return faulty(inode === null ? 'it does not exist' : 'it has another type')
  if (speaksFor(remains, entry.type, type)) {
    await rebuild(scene, subject, entry.type, place.directory)
    return repaired('the inode was made again from what is left of it')
  }
  if (inode !== null) {
    await transaction.run(place.partition, 'retypeName', { ...place, type })
    await doubt(scene, place.directory, place.partition)
    return repaired("the name was given the inode's type")
  }
  await removeName(scene, place)
  return repaired('nothing was left of it: the name was removed')
}

/** Whether what is left belongs to an inode of the name's type, rather than to one as it is. */
function speaksFor(remains: Remains, nameType: number, inodeType: number): boolean {
  if (nameType === fileType.directory) return inodeType === 0 || remains.entries > 0
  const hasData = remains.endBlock > 0 || remains.inline
  return nameType === fileType.regular && hasData && inodeType !== fileType.regular
}

/**
 * Its links and entries are counted by the examinations that follow; until then it has as many as were seen, so that it
 * does not go with the first name that is removed. Data that lies beside the inode is the file's: whatever blocks there
 * are belong to a write that was never committed.
 */
export async function rebuild(scene: Scene, ino: Ino, type: number, parent: Ino): Promise<void> {
  const { transaction, request } = scene
  const { endBlock, lastBytes, generation, inline, entries, names } = request.remains
  const above = parent === 0 ? null : await inspect(scene, parent)
  const own = above ?? { inlineBytes: defaultInlineBytes, volume: 0 }
  const blockBytes = blockBytesOf(request.remains, above)
  const directory = type === fileType.directory
  const hasBlocks = !directory && endBlock > 0 && !inline
  const shards = directory ? await shardMapOf(scene, ino) : noShards
  const counted = shards.length > 0 ? 0 : entries
  await transaction.run(partitionOfIno(ino), 'rebuildInode', {
    ino,
    mode: directory ? directoryMode : fileMode,
    parent: directory ? parent : 0,
    nlink: directory ? 2 : Math.min(Math.max(1, names), maxLinkCount),
    size: directory ? counted : hasBlocks ? (endBlock - 1) * blockBytes + lastBytes : 0,
    generation: hasBlocks ? generation : generation + 1,
    reserved: hasBlocks ? endBlock : 0,
    blockBytes,
    inlineBytes: own.inlineBytes,
    volume: own.volume,
    shards,
  })
}

/** Of a file; of a directory, `parent` is the same question. */
export const links: Examination = async scene => {
  const { transaction, request } = scene
  const { subject, names } = request
  const inode = await inspect(scene, subject)
  if (inode === null) return sound
  if (isDirectory(inode.mode)) return await directoryName(scene, inode)
  if (!(await allLeadTo(scene, names))) return undecided
  if (inode.nlink === names.length) return sound
  // Something was done to it since before its names were gathered: there may be another.
  if (inode.change !== request.change) return undecided
  if (!request.repair) return faulty(`it counts ${inode.nlink}, and has ${names.length}`)
  if (names.length === 0) await takeIn(scene, { ino: subject, mode: inode.mode })
  const nlink = Math.max(1, names.length)
  await transaction.run(partitionOfIno(subject), 'setLinks', { ino: subject, nlink })
  return repaired(names.length === 0 ? `it is #${subject} now` : `it counts ${nlink} now`)
}

export const parent: Examination = links

async function directoryName(scene: Scene, inode: Inspected): Promise<ExamineReply> {
  const { transaction, request } = scene
  const { subject, names } = request
  if (!(await allLeadTo(scene, names))) return undecided
  // Without a name nobody works in it, so that it does not change.
  if (names.length === 0 && inode.change !== request.change) return undecided
  const isRoot = subject === clusterRootIno
  if (isRoot && names.length === 0) return sound
  const kept = names.find(({ directory }) => directory === inode.parent) ?? names[0]
  const fits = !isRoot && names.length === 1 && kept?.directory === inode.parent
  if (fits) return sound
  if (!request.repair)
    return faulty(`it has ${names.length} names, and its parent is ${inode.parent}`)
  await transaction.run(lockRenamesPartition, 'lockRenames', {})
  for (const place of names) {
    if (place !== kept || isRoot) await removeName(scene, place)
  }
  if (isRoot) return repaired('names of the root were removed')
  if (kept === undefined) await takeIn(scene, { ino: subject, mode: inode.mode })
  const above = kept?.directory ?? request.refuge
  const argument = { ino: subject, parent: above, known: false }
  await transaction.run(partitionOfIno(subject), 'renamed', argument)
  return repaired(kept === undefined ? `it is #${subject} now` : `its parent is ${above} now`)
}

/** As its directory has it; where nobody knows that, all but the last of its blocks are as a rule whole. */
function blockBytesOf({ endBlock, largestBytes }: Remains, above: Inspected | null): number {
  let blockBytes = above?.blockBytes ?? (endBlock > 1 ? minBlockBytes : defaultBlockBytes)
  while (blockBytes < largestBytes && blockBytes < maxBlockBytes) blockBytes *= 2
  return blockBytes
}

async function allLeadTo(
  { transaction, request }: Scene,
  names: readonly NamePlace[],
): Promise<boolean> {
  for (const place of names) {
    const entry = await transaction.run(place.partition, 'inspectName', place)
    if (entry?.ino !== request.subject) return false
  }
  return true
}

/** While the lock of renames is held, no directory changes its parent. */
export const unreachable: Examination = async scene => {
  const { transaction, request } = scene
  const { subject } = request
  await transaction.run(lockRenamesPartition, 'lockRenames', {})
  const inode = await inspect(scene, subject)
  if (inode === null || !isDirectory(inode.mode)) return sound
  if (!(await isInLoop(scene, inode.parent))) return sound
  const place = request.names.find(({ directory }) => directory === inode.parent)
  if (place === undefined) return undecided
  const entry = await transaction.run(place.partition, 'inspectName', place)
  if (entry?.ino !== subject) return undecided
  if (!request.repair) return faulty(`it lies in ${inode.parent}, which lies in it`)
  await takeIn(scene, { ino: subject, mode: inode.mode })
  await removeName(scene, place)
  const argument = { ino: subject, parent: request.refuge, known: false }
  await transaction.run(partitionOfIno(subject), 'renamed', argument)
  return repaired(`it is #${subject} now`)
}

/** Whether the way up from `from` comes by the subject. */
async function isInLoop(scene: Scene, from: Ino): Promise<boolean> {
  const seen = new Set<Ino>()
  for (let ino = from; ino !== clusterRootIno && !seen.has(ino) && seen.size < maxPathBytes; ) {
    if (ino === scene.request.subject) return true
    seen.add(ino)
    const above = await inspect(scene, ino)
    if (above === null || !isDirectory(above.mode)) return false
    ino = above.parent
  }
  return false
}
