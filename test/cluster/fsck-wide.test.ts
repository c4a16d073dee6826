/** `rookery fsck` on directories that are split, whose records were damaged by hand. */
import test from 'ava'
import type { Connection } from '../../client/library.ts'
import type { Key } from '../../server/metadata/contract.ts'
import { decodeHolding, encodeHolding } from '../../server/metadata/holding.ts'
import { inoOfKey, keyKind, partitionOfKey } from '../../server/metadata/keys.ts'
import { type Disks, damageAndRepair, isClean } from './damaged-cluster.ts'
import { InProcessCluster } from './in-process.ts'

const names = Array.from({ length: 40 }, (_, index) => `${index % 10 === 0 ? 'd' : 'f'}${index}`)

async function startSplit(): Promise<InProcessCluster> {
  const cluster = await InProcessCluster.start(3, 4)
  const files = await cluster.connect()
  await files.mkdir('/wide')
  for (const name of names) {
    if (name.startsWith('d')) await files.mkdir(`/wide/${name}`)
    else await files.writeFile(`/wide/${name}`, name)
  }
  return cluster
}

async function hasAll(files: Connection): Promise<boolean> {
  const found = await files.readdir('/wide')
  const { size, nlink } = await files.stat('/wide')
  for (const name of names) await files.stat(`/wide/${name}`)
  return found.sort().join() === [...names].sort().join() && size === 40 && nlink === 6
}

/** Of the one directory that is split, in a partition that is not its own, with entries. */
function awayKey(disks: Disks): Key {
  const found = disks.keysOf(keyKind.holding).find(key => {
    const ino = inoOfKey(key)
    const away = Math.floor(ino / 2 ** 40) !== partitionOfKey(key)
    return away && decodeHolding(ino, disks.value(key)).shards.some(({ entries }) => entries > 0)
  })
  if (found === undefined) throw new Error('nothing is held away from home')
  return found
}

const cases: { readonly [title: string]: readonly [(disks: Disks) => Promise<void>, string[]] } = {
  'what a shard counts is counted again': [
    async disks => {
      const key = awayKey(disks)
      const holding = decodeHolding(inoOfKey(key), disks.value(key))
      const shards = holding.shards.map(shard => ({ ...shard, entries: shard.entries + 5 }))
      await disks.put(key, encodeHolding({ ...holding, shards, subdirectories: 9 }))
    },
    ['directory-count'],
  ],
  'a record of shards that cannot be read is made again': [
    disks => disks.put(awayKey(disks), Buffer.from('nothing')),
    ['directory-count', 'misplaced-record'],
  ],
  'a record of shards in which a bit has flipped is made again': [
    async disks => disks.decay(awayKey(disks)),
    ['directory-count', 'misplaced-record'],
  ],
  'a record of shards that is gone is made again': [
    disks => disks.put(awayKey(disks), null),
    ['directory-count', 'misplaced-record'],
  ],
  'what a split directory counts itself is nothing': [
    async disks => {
      await disks.changeInode(inoOfKey(awayKey(disks)), { size: 3, nlink: 7 })
    },
    ['directory-count'],
  ],
}

for (const [title, [hand, faults]] of Object.entries(cases)) {
  test(title, async t => {
    await using cluster = await startSplit()
    await isClean(t, cluster)
    await damageAndRepair(t, cluster, hand, faults)
    t.true(await hasAll(await cluster.connect()))
  })
}
