/** Copies whose source has something that cannot be read. */
import test from 'ava'
import { heldRetryMs } from '../../network/limits.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { xattrsKey } from '../metadata/keys.ts'
import { TestCluster } from '../testing/cluster.ts'
import { TestMoves } from '../testing/moves.ts'

const both = ['server0', 'server1']
const key = keyIn(0)

/** Of a record that nothing looks at. */
function keyIn(partition: number) {
  return xattrsKey(partition, makeIno(partition, 2 ** 39))
}

/** A partition on server0 with a record that is damaged, which is to be copied to server1. */
async function setUp() {
  const cluster = new TestCluster({ servers: 2, partitions: 2 })
  await cluster.start()
  const moves = new TestMoves(cluster)
  const server = cluster.servers.get('server0')!
  const partition = server.partitions.get(0, cluster.view.partitions[0]!.epoch)
  await cluster.passing(partition.stageMutations([{ key, value: Buffer.alloc(8) }]))
  server.store.damaged.add(key)
  let feeds = 0
  cluster.onStep = ({ what }) => {
    if (what === 'receives openFeed') feeds++
  }
  moves.show(0, { replicas: both, inSync: ['server0'], primary: 'server0' })
  await cluster.env.advance(heldRetryMs / 2)
  const held = () => [...server.copies.reports()].map(report => report.held)
  const isWhole = () => cluster.view.partitions[0]!.inSync.length === 2
  const change = (value: Uint8Array | null) => {
    const now = server.partitions.get(0, cluster.view.partitions[0]!.epoch)
    return cluster.passing(now.stageMutations([{ key, value }]))
  }
  return { cluster, moves, server, feeds: () => feeds, held, isWhole, change }
}

test('a copy whose source is damaged is held up, and told of once', async t => {
  const { cluster, feeds, held } = await setUp()
  t.is(feeds(), 1)
  t.regex(held()[0]!, /record of kind x.*cannot be read.*fsck --repair/)
  t.is(cluster.logged.filter(line => String(line).includes('held up')).length, 1)
})

test('a copy that is held up is made as soon as its source was repaired', async t => {
  const { cluster, moves, feeds, held, isWhole, change } = await setUp()
  await change(null)
  await cluster.env.advance(5_000)
  t.true(isWhole())
  await moves.until(isWhole)
  t.is(feeds(), 2)
  t.deepEqual(held(), [])
})

test('a copy that is held up is tried again after a long while, and not told of again', async t => {
  const { cluster, server, feeds, held, isWhole } = await setUp()
  await cluster.env.advance(heldRetryMs)
  t.is(feeds(), 2)
  t.is(held().length, 1)
  t.is(cluster.logged.filter(line => String(line).includes('held up')).length, 1)
  server.store.damaged.clear()
  await cluster.env.advance(heldRetryMs)
  t.true(isWhole())
})

test('a server has other copies to feed while some are held up', async t => {
  const cluster = new TestCluster({ servers: 2, partitions: 10 })
  await cluster.start()
  const moves = new TestMoves(cluster)
  const server = cluster.servers.get('server0')!
  for (const partition of [0, 2, 4]) {
    const bad = keyIn(partition)
    const staged = server.partitions
      .get(partition, 1)
      .stageMutations([{ key: bad, value: Buffer.alloc(8) }])
    await cluster.passing(staged)
    server.store.damaged.add(bad)
    moves.show(partition, { replicas: both, inSync: ['server0'], primary: 'server0' })
  }
  await cluster.env.advance(1_000)
  await moves.copy(6, 'server1')
  t.is([...server.copies.reports()].filter(({ held }) => held !== undefined).length, 3)
})
