/** `rookery fsck` on directories that are split over several partitions. */
import test, { type ExecutionContext } from 'ava'
import { shardSlots } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { decodeHolding, encodeHolding } from '../../server/metadata/holding.ts'
import { inodeKey, inoOfKey, keyKind, partitionOfKey } from '../../server/metadata/keys.ts'
import { chance } from '../posix/bytes.ts'
import { crowdSize, type Disks, damageAndRepair, isClean, startCrowded } from './damaged-cluster.ts'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'

async function hasAll(t: ExecutionContext, cluster: InProcessCluster): Promise<void> {
  const files = await cluster.connect()
  t.is((await files.readdir('/crowd')).length, crowdSize)
  for (let index = 1; index < crowdSize; index += 7) {
    if (index % 5 !== 0)
      t.is(await files.readFile(`/crowd/file-${index}`, 'utf8'), `content ${index}`)
  }
  t.is((await files.stat('/crowd')).nlink, 2 + Math.ceil(crowdSize / 5))
}

/** Of the crowd, in another partition than its inode, and with entries: a shard may still be without any. */
function awayHolding(disks: Disks): string {
  const { ino } = disks.entry('crowd')
  const held = disks.keysOf(keyKind.holding).filter(key => inoOfKey(key) === ino)
  const away = held.filter(key => partitionOfKey(key) !== partitionOfIno(ino))
  const has = (key: string) =>
    decodeHolding(ino, disks.value(key)).shards.some(({ entries }) => entries > 0)
  return away.find(has)!
}

test('split directories have no faults', async t => {
  await using cluster = await startCrowded()
  await isClean(t, cluster)
  await hasAll(t, cluster)
})

const cases: {
  readonly [title: string]: {
    readonly hand: (disks: Disks) => Promise<void>
    readonly faults: readonly string[]
  }
} = {
  'a wrong count of a shard is corrected': {
    async hand(disks) {
      const key = awayHolding(disks)
      const holding = decodeHolding(inoOfKey(key), disks.value(key))
      const shards = holding.shards.map(shard => ({ ...shard, entries: shard.entries + 3 }))
      await disks.put(key, encodeHolding({ ...holding, subdirectories: 77, shards }))
    },
    faults: ['directory-count'],
  },
  'shards whose record is gone are counted again': {
    hand: disks => disks.put(awayHolding(disks), null),
    faults: ['directory-count', 'misplaced-record'],
  },
  'shards whose record has decayed are counted again': {
    async hand(disks) {
      disks.decay(awayHolding(disks))
    },
    faults: ['directory-count', 'misplaced-record'],
  },
  'a split directory that does not know of its shards is told': {
    async hand(disks) {
      await disks.changeInode(disks.entry('crowd').ino, { shards: new Uint8Array(0) })
    },
    faults: ['directory-count'],
  },
  'a split directory whose inode is gone is made again with all its shards': {
    async hand(disks) {
      const { ino } = disks.entry('crowd')
      await disks.put(inodeKey(partitionOfIno(ino), ino), null)
    },
    faults: ['dangling-entry', 'partition-count'],
  },
}

for (const [title, { hand, faults }] of Object.entries(cases)) {
  test(title, async t => {
    await using cluster = await startCrowded()
    await damageAndRepair(t, cluster, hand, faults)
    await hasAll(t, cluster)
  })
}

test('a directory is counted again, however many of its shards count wrong', async t => {
  await using cluster = await InProcessCluster.start(1, 2, 256)
  const files = await cluster.connect()
  await files.mkdir('/wide')
  const { ino } = await files.stat('/wide')
  for (let index = 0; index < 256; index++) await files.writeFile(`/wide/${index}`, '')
  const client = await cluster.client()
  await eventually('it has as many shards as it can have', async () => {
    const { body } = await client.query('shards', partitionOfIno(ino), { ino })
    return body.shards.length === shardSlots
  })
  const hand = async (disks: Disks) => {
    for (const key of disks.keysOf(keyKind.holding)) {
      const holding = decodeHolding(ino, disks.value(key))
      await disks.put(key, encodeHolding({ ...holding, subdirectories: 77 }))
    }
  }
  await damageAndRepair(t, cluster, hand, ['directory-count'])
  t.is((await files.readdir('/wide')).length, 256)
})

test('a cluster whose directories are being split has no faults', async t => {
  await using cluster = await startCrowded()
  let going = true
  const work = async (seed: number) => {
    const files = await cluster.connect()
    const next = chance(seed)
    await files.mkdir(`/crowd-${seed}`)
    let made = 0
    for (; going; made++) {
      const directory = next(3) === 0 ? '/crowd' : `/crowd-${seed}`
      await files.writeFile(`${directory}/${seed}-${made}`, '')
      const what = next(4)
      if (what === 0) await files.unlink(`${directory}/${seed}-${made}`)
      if (what === 1) {
        await files.rename(`${directory}/${seed}-${made}`, `/crowd/${seed}-moved-${made}`)
      }
    }
    return made
  }
  const workers = [1, 2, 3].map(work)
  for (let round = 0; round < 5; round++) {
    const { findings, undecided } = await cluster.check({ repair: round % 2 === 1 })
    t.deepEqual(findings, [], `round ${round}`)
    t.is(undecided, 0, `round ${round}`)
  }
  going = false
  t.log(`${await Promise.all(workers)} names were made meanwhile`)
  await isClean(t, cluster)
})
