/** Examinations of what is counted: entries of directories, and what partitions hold. */
import type { ShardMap } from '../../network/placement/shards.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { ExamineReply } from '../../network/wire/operations.ts'
import { decodeRecord, storedBytes } from '../blocks/record.ts'
import type { Key } from '../metadata/contract.ts'
import { type Inode, noShards, shareOf } from '../metadata/inode.ts'
import { endOf, inoPrefix, isKeyOf, keyKind, kindOfKey, partitionRange } from '../metadata/keys.ts'
import type { CountChange } from '../partition/batch.ts'
import { writeInode } from '../partition/inodes.ts'
import type { Partition } from '../partition/partition.ts'
import type { Amount } from '../partition/usage.ts'
import { readableAt } from './legs.ts'
import { soundEntries } from './record-facts.ts'
import { type Examination, faulty, repaired, type Scene, sound } from './scene.ts'
import { splitDirectoryCount } from './shard-counts.ts'
import { decayed, readableRange } from './tolerant.ts'

/** The inode stays locked while entries are counted: who changes them changes it too. */
export const directoryCount: Examination = async scene => {
  const { transaction, request } = scene
  const { subject } = request
  const inode = transaction.local(({ batch }) => readableAt(batch, subject))
  if (inode === undefined || !isDirectory(inode.mode)) return sound
  if (inode.shards.length > 0) return await splitDirectoryCount(scene, inode)
  const map = await shardMapOf(scene, subject)
  if (map.length > 0) return knowItsShards(scene, inode, map)
  const { entries, subdirectories } = await countEntries(scene, subject)
  const nlink = 2 + subdirectories
  if (inode.size === entries && inode.nlink === nlink) return sound
  const found = `${entries} entries, ${subdirectories} subdirectories`
  if (!request.repair) return faulty(`it counts ${inode.size} and ${inode.nlink - 2}: ${found}`)
  transaction.local(({ batch }) => {
    writeInode(batch, { ...inode, size: entries, nlink, change: inode.change + 1 })
  })
  return repaired(`it counts ${found} now`)
}

function knowItsShards(
  { transaction, request }: Scene,
  inode: Inode,
  shards: ShardMap,
): ExamineReply {
  const detail = `it has ${shards.length} shards that it does not know of`
  if (!request.repair) return faulty(detail)
  transaction.local(({ batch }) => {
    writeInode(batch, { ...inode, shards, size: 0, nlink: 2, change: inode.change + 1 })
  })
  return repaired(detail)
}

/** Of a directory that was split, as the partitions that have shards of it tell; empty when none has. */
export async function shardMapOf({ transaction, request }: Scene, ino: Ino): Promise<ShardMap> {
  const firsts = new Set<number>()
  for (const partition of request.remains.holders) {
    const held = await transaction.run(partition, 'inspectShards', { ino })
    for (const { first } of held?.shards ?? []) firsts.add(first)
  }
  if (firsts.size === 0) return noShards
  return Uint8Array.from([...firsts.add(0)].sort((a, b) => a - b))
}

export async function countEntries(
  { partition, transaction }: Scene,
  directory: Ino,
): Promise<{ readonly entries: number; readonly subdirectories: number }> {
  const prefix = inoPrefix(partition.id, keyKind.entries, directory)
  let [entries, subdirectories] = [0, 0]
  for await (const [key, value] of readableRange(partition.store, prefix, endOf(prefix))) {
    for (const { type } of soundEntries(key, value, transaction.partitionCount).sound) {
      entries++
      if (type === fileType.directory) subdirectories++
    }
  }
  return { entries, subdirectories }
}

/**
 * By how much the counts are off was true in one tick, and stays so: whatever comes or goes meanwhile changes
 * both sides alike.
 */
export const partitionCount: Examination = async ({ partition, request }) => {
  const off = await countsOff(partition)
  const { volumes } = off
  if (off.inodes === 0 && off.blocks === 0 && off.blockBytes === 0 && volumes.size === 0) {
    return sound
  }
  const detail = `it had ${describeOff(off)} than it counted`
  if (!request.repair) return faulty(detail)
  partition.facts.add(off)
  for (const [volume, amount] of volumes) partition.usage.correct(volume, amount)
  await partition.stageMutations([])
  return repaired(detail)
}

function describeOff({ inodes, blocks, blockBytes, volumes }: CountsOff): string {
  const parts: string[] = []
  for (const [count, what] of [
    [inodes, 'inodes'],
    [blocks, 'blocks'],
    [blockBytes, 'bytes of data'],
  ] as const) {
    if (count !== 0) parts.push(`${Math.abs(count)} ${what} ${count < 0 ? 'fewer' : 'more'}`)
  }
  for (const [volume, { bytes, files }] of volumes) {
    parts.push(`of volume ${volume} ${files} files and ${bytes} bytes more`)
  }
  return parts.join(', ')
}

interface CountsOff extends CountChange {
  /** What is off of volumes, by their roots. */
  readonly volumes: ReadonlyMap<Ino, Amount>
}

/** What there is beyond what is counted. */
async function countsOff(partition: Partition): Promise<CountsOff> {
  const { inodes, blocks, blockBytes } = partition.facts
  const off = { inodes: -inodes, blocks: -blocks, blockBytes: -blockBytes }
  const volumes = new Map<Ino, Amount>()
  for (const [volume, { bytes, files }] of partition.usage.all()) {
    volumes.set(volume, { bytes: -bytes, files: -files })
  }
  const count = (key: Key, value: Uint8Array) => {
    if (isKeyOf(key, keyKind.inode)) {
      off.inodes++
      addShare(volumes, value)
    }
    if (kindOfKey(key) !== blockKind) return
    off.blocks++
    off.blockBytes += storedBytes(decodeRecord(value) ?? [])
  }
  const [from, to] = partitionRange(partition.id)
  const onDamaged = (key: Key) => count(key, decayed)
  const pairs = partition.store.range(from, to, { onDamaged })
  for await (const [key, value] of pairs) count(key, value)
  for (const [volume, { bytes, files }] of volumes) {
    if (bytes === 0 && files === 0) volumes.delete(volume)
  }
  return { ...off, volumes }
}

/** A record that cannot be read counts in no volume, here as in `PartitionUsage`. */
function addShare(volumes: Map<Ino, Amount>, record: Uint8Array): void {
  if (record === decayed) return
  const { volume, bytes } = shareOf(record)
  if (volume === 0) return
  const before = volumes.get(volume) ?? { bytes: 0, files: 0 }
  volumes.set(volume, { bytes: before.bytes + bytes, files: before.files + 1 })
}

const blockKind = 'b'
