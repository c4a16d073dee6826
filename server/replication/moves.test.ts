/** Partitions that move between servers, and what must not go wrong on the way. */
import test from 'ava'
import { damagedRetryMs } from '../../network/limits.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { partitionOfKey, usageKey, xattrsKey } from '../metadata/keys.ts'
import { TestCluster } from '../testing/cluster.ts'
import { TestMoves } from '../testing/moves.ts'

async function setUp(servers = 2) {
  const cluster = new TestCluster({ servers, partitions: servers })
  await cluster.start()
  return { cluster, moves: new TestMoves(cluster) }
}

const both = ['server0', 'server1']

/** A row of a partition that nothing else looks at. */
function row(partition: number, number: number) {
  return { key: usageKey(partition, 2 ** 41 + number), value: Buffer.alloc(8) }
}

test('what is being committed when the last other copy goes is acknowledged as before', async t => {
  const { cluster, moves } = await setUp()
  await moves.copy(0, 'server1')
  const server = cluster.servers.get('server0')!
  const partition = server.partitions.get(0, cluster.view.partitions[0]!.epoch)
  server.store.hold()
  const committed = partition.stageMutations([row(0, 1)])
  moves.dropOthers(0)
  await cluster.env.advance(10)
  server.store.release()
  await t.notThrowsAsync(cluster.passing(committed))
})

test('a new primary that was started again before it was heard tells the manager again that it serves', async t => {
  const { cluster, moves } = await setUp()
  await moves.copy(0, 'server1')
  moves.isUp = false
  moves.show(0, { replicas: both, inSync: both, primary: 'server1' })
  await cluster.env.advance(1_000)
  t.is([...cluster.servers.get('server1')!.partitions.all()].length, 2)
  cluster.crash('server1')
  await cluster.startServer('server1')
  moves.isUp = true
  await moves.until(() => moves.served.length > 0)
  t.is(moves.served[0]?.partition, 0)
})

test('a copy that is whole is told of again when the connection breaks before the manager heard of it', async t => {
  const { cluster, moves } = await setUp()
  moves.isUp = false
  moves.show(0, { replicas: both, inSync: ['server0'], primary: 'server0' })
  await cluster.env.advance(2_000)
  cluster.loses = name => name === 'feed'
  const partition = cluster.servers.get('server0')!.partitions.get(0, 2)
  const committed = partition.stageMutations([row(0, 1)])
  await cluster.env.advance(61_000)
  cluster.loses = () => false
  await cluster.passing(committed)
  moves.isUp = true
  await moves.until(() => cluster.view.partitions[0]!.inSync.length === 2)
  t.pass()
})

test('a copy that is not wanted any more takes no turn of those that are', async t => {
  const { cluster, moves } = await setUp(5)
  const slow = new Set(['server1', 'server2'])
  cluster.loses = (name, to) => name === 'feed' && slow.has(to)
  const fed = new Set<string>()
  cluster.onStep = ({ server, what }) => {
    if (what === 'receives feed') fed.add(server)
  }
  for (const to of ['server1', 'server2', 'server3']) {
    moves.show(0, {
      replicas: [...cluster.view.partitions[0]!.replicas, to],
      inSync: ['server0'],
      primary: 'server0',
    })
    await cluster.env.advance(100)
  }
  moves.dropOthers(0)
  slow.clear()
  await cluster.env.advance(5_000)
  t.deepEqual([...fed], [])
})

test('a holder that is back is fed although no manager has heard that it was lost', async t => {
  const { cluster, moves } = await setUp()
  await moves.copy(0, 'server1')
  moves.isUp = false
  cluster.crash('server1')
  const partition = cluster.servers.get('server0')!.partitions.get(0, 3)
  const committed = partition.stageMutations([row(0, 1)])
  await cluster.env.advance(30_000)
  await cluster.startServer('server1')
  await cluster.env.advance(5_000)
  await t.notThrowsAsync(cluster.passing(committed))
})

test('a copy that was made under a view that its holder never saw goes all the same', async t => {
  const { cluster, moves } = await setUp()
  const rows = () => {
    const keys = [...cluster.contents.get('server1')!.keys()]
    return keys.filter(key => partitionOfKey(key) === 0).length
  }
  moves.isUp = false
  moves.show(0, { replicas: both, inSync: ['server0'], primary: 'server0' }, 'server1')
  await cluster.env.advance(5_000)
  t.true(rows() > 0)
  moves.dropOthers(0)
  await cluster.env.advance(5_000)
  t.is(rows(), 0)
})

test('who has not heard that a copy is not wanted any more cannot feed it', async t => {
  const { cluster, moves } = await setUp()
  const asked = { feed: 'a', number: 0 }
  const { epoch } = cluster.view.partitions[0]!
  moves.dropOthers(0)
  const server = cluster.servers.get('server0')!
  const call = server.peers.dial('server1')
  const opening = call.then(peer => peer.call('openFeed', asked, { partition: 0, epoch }))
  await t.throwsAsync(cluster.passing(opening), { code: 'STALE_EPOCH' })
})

/** A record that a loss of power takes. */
const unsynced = xattrsKey(0, makeIno(0, 2 ** 39))

/** The primary has lost its power, and the other copy that is in sync is down. */
async function setUpUnsure() {
  const { cluster, moves } = await setUp()
  await moves.copy(0, 'server1')
  const partition = cluster.servers.get('server0')!.partitions.get(0, 3)
  await cluster.passing(partition.stageMutations([{ key: unsynced, value: Buffer.alloc(8) }]))
  cluster.losePower(['server0'])
  cluster.crash('server1')
  const started = cluster.startServer('server0')
  started.catch(() => undefined)
  await cluster.env.advance(10_000)
  const isServed = () =>
    [...(cluster.servers.get('server0')?.partitions.all() ?? [])].some(({ id }) => id === 0)
  return { cluster, moves, isServed }
}

test('a primary that may have lost something waits for a copy that was in sync, as long as the view has it', async t => {
  const { cluster, moves, isServed } = await setUpUnsure()
  moves.show(0, { replicas: both, inSync: ['server0'], primary: 'server0' })
  await cluster.env.advance(60_000)
  t.false(isServed())
  await cluster.passing(cluster.startServer('server1'))
  await moves.until(isServed)
  t.true(cluster.contents.get('server0')!.has(unsynced))
})

test('a primary that may have lost something serves what it has when nobody else has a copy any more', async t => {
  const { moves, isServed } = await setUpUnsure()
  t.false(isServed())
  moves.dropOthers(0)
  await moves.until(isServed)
  t.pass()
})

test('a cut that a former primary still asks for is refused, also by a server that was started again meanwhile', async t => {
  const { cluster, moves } = await setUp(3)
  await moves.copy(0, 'server1')
  const { epoch } = cluster.view.partitions[0]!
  const former = cluster.servers.get('server0')!
  await moves.handOver(0, 'server1')
  cluster.crash('server2')
  await cluster.startServer('server2')
  const cut = { ino: makeIno(0, 99), generation: 1, block: 0, offset: 0, reach: 1 }
  const ask = async (epochOfFile: number) => {
    const peer = await former.peers.dial('server2')
    const request = { ...cut, purge: false, durable: false, epoch: epochOfFile }
    await peer.call('cutBlocks', request, { partition: 2, epoch: 1 })
  }
  await t.throwsAsync(cluster.passing(ask(epoch)), { code: 'STALE_EPOCH' })
  await moves.handOver(0, 'server0')
  // Its own view may be behind: it serves all the same.
  await t.notThrowsAsync(cluster.passing(ask(epoch)))
})

test('a primary that has to fetch what is damaged elsewhere says so once and asks seldom, until the other serves', async t => {
  const { cluster, moves } = await setUp()
  await moves.copy(0, 'server1')
  const bad = row(0, 2).key
  const partition = cluster.servers.get('server0')!.partitions.get(0, 3)
  await cluster.passing(partition.stageMutations([{ key: bad, value: Buffer.alloc(8) }]))
  cluster.losePower(['server0'])
  cluster.servers.get('server1')!.store.damaged.add(bad)
  let pulls = 0
  cluster.onStep = ({ what }) => {
    if (what === 'receives pullPartition') pulls++
  }
  cluster.startServer('server0').catch(() => undefined)
  await cluster.env.advance(5 * damagedRetryMs)
  t.true(pulls > 1 && pulls <= 6, `${pulls}`)
  const told = cluster.logged.filter(line => String(line).includes('server1 is damaged'))
  t.is(told.length, 1)
  t.regex(String(told[0]), /stop this server.*fsck --repair/)
  cluster.crash('server0')
  moves.show(0, { replicas: both, inSync: ['server1'], primary: 'server1' })
  await moves.until(() => moves.served.some(served => served.partition === 0))
  t.pass()
})

test('a primary that never saw that it was not tells the manager that it serves', async t => {
  const { cluster, moves } = await setUp()
  await moves.copy(0, 'server1')
  cluster.loses = name => name === 'yieldPartition'
  moves.show(0, { replicas: both, inSync: both, primary: 'server1' }, 'server0')
  moves.show(0, { replicas: both, inSync: both, primary: 'server0' })
  const { epoch } = cluster.view.partitions[0]!
  await moves.until(() => moves.served.some(served => served.epoch === epoch))
  t.pass()
})
