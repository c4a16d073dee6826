/** The examination of what a directory that is split counts, in each partition that has shards of it. */
import { isDeepStrictEqual } from 'node:util'
import { shardSlots } from '../../network/limits.ts'
import { partitionOfShard, partitionsOf, slotOf } from '../../network/placement/shards.ts'
import { fileType } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { CountShardsReply, ExamineReply } from '../../network/wire/operations.ts'
import type { HeldShard } from '../metadata/holding.ts'
import type { Inode } from '../metadata/inode.ts'
import { endOf, hashOfEntriesKey, inoPrefix, keyKind } from '../metadata/keys.ts'
import { writeInode } from '../partition/inodes.ts'
import { inheritedOf } from '../partition/new-inode.ts'
import type { Partition } from '../partition/partition.ts'
import { soundEntries } from './record-facts.ts'
import { faulty, repaired, type Scene, sound } from './scene.ts'
import { readableRange } from './tolerant.ts'

/** What a partition should say that it holds. */
export interface HeldCounts {
  readonly shards: readonly HeldShard[]
  readonly subdirectories: number
}

/** All its shards stay locked while they are counted. */
export async function splitDirectoryCount(scene: Scene, inode: Inode): Promise<ExamineReply> {
  const { transaction, request } = scene
  const { ino } = inode
  const holders = partitionsOf(ino, inode.shards, transaction.partitionCount)
  const wrong: string[] = []
  for (const holder of holders) {
    const held = await transaction.run(holder, 'inspectShards', { ino })
    const counted = (await transaction.ask('countShards', holder, { ino })).body
    const right = countsOf(inode, holder, transaction.partitionCount, counted)
    if (isDeepStrictEqual(held, right)) continue
    wrong.push(`what partition ${holder} counts`)
    if (request.repair) await recount(scene, inode, holder, right)
  }
  if (inode.size !== 0 || inode.nlink !== 2) wrong.push('what it counts itself')
  if (wrong.length === 0) return sound
  if (!request.repair) return faulty(wrong.join(', '))
  transaction.local(({ batch, totals }) => {
    totals.doubt(ino, holders)
    writeInode(batch, { ...inode, size: 0, nlink: 2, change: inode.change + 1 })
  })
  return repaired(`counted again: ${wrong.join(', ')}`)
}

async function recount(
  { transaction }: Scene,
  inode: Inode,
  holder: number,
  { shards, subdirectories }: HeldCounts,
): Promise<void> {
  const directory = transaction.local(({ batch }) => inheritedOf(batch, inode))
  const counts = { shards: [...shards], subdirectories }
  await transaction.run(holder, 'recountShards', { directory, ...counts })
}

function countsOf(
  { ino, shards: map }: Inode,
  holder: number,
  partitionCount: number,
  counted: CountShardsReply,
): HeldCounts {
  const shards: HeldShard[] = []
  let subdirectories = 0
  map.forEach((first, index) => {
    if (partitionOfShard(ino, first, partitionCount) !== holder) return
    const end = map[index + 1] ?? shardSlots
    shards.push({ first, end, entries: sum(counted.entries, first, end) })
    subdirectories += sum(counted.subdirectories, first, end)
  })
  return { shards, subdirectories }
}

function sum(counts: readonly number[], first: number, end: number): number {
  return counts.slice(first, end).reduce((total, count) => total + count, 0)
}

/** To be called while what counts the entries is locked: then they stay what they are. */
export async function countShards(
  partition: Partition,
  partitionCount: number,
  directory: Ino,
): Promise<CountShardsReply> {
  const entries = new Array<number>(shardSlots).fill(0)
  const subdirectories = new Array<number>(shardSlots).fill(0)
  const prefix = inoPrefix(partition.id, keyKind.entries, directory)
  for await (const [key, value] of readableRange(partition.store, prefix, endOf(prefix))) {
    const slot = slotOf(hashOfEntriesKey(key))
    for (const { type } of soundEntries(key, value, partitionCount).sound) {
      entries[slot]! += 1
      if (type === fileType.directory) subdirectories[slot]! += 1
    }
  }
  return { entries, subdirectories }
}
