import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { leaseTermMs, sessionTimeoutMs } from '../../network/limits.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import { inodeKey, orphanKey, slotKey } from '../metadata/keys.ts'
import { faultsIn } from '../testing/checker.ts'
import { client, TestCluster } from '../testing/cluster.ts'
import { makeFile, remove } from '../testing/tree.ts'

const other = 'd2'.repeat(16)

/** A file without a name that `other` holds open, on a server whose grace is over. */
async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const server = cluster.serverOf(0)
  await cluster.env.advance(2 * sessionTimeoutMs)
  const ino = await makeFile(cluster, clusterRootIno, 'f')
  server.sessions.renew(other, [{ ino, count: 1 }])
  await cluster.passing(remove(cluster, 'unlink', clusterRootIno, 'f'))
  const exists = () => cluster.contents.get('server0')!.has(inodeKey(0, ino))
  return { cluster, server, ino, exists }
}

/** Lets time pass in which this client is heard of. */
async function stay(cluster: TestCluster, ms: number, ...clients: string[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += sessionTimeoutMs / 4) {
    for (const each of clients) cluster.serverOf(0).sessions.heard(each)
    await cluster.env.advance(sessionTimeoutMs / 4)
  }
}

test('a file without a name stays while it is open, and goes with the last release', async t => {
  const { cluster, server, ino, exists } = await makeWorld()
  await stay(cluster, 3 * sessionTimeoutMs, other)
  t.true(exists())
  t.deepEqual(faultsIn(cluster.contents.values()), [])
  server.sessions.released(other, ino)
  await cluster.env.advance(1)
  t.false(exists())
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('a file without a name goes when the one who had it open is gone', async t => {
  const { cluster, exists } = await makeWorld()
  await cluster.env.advance(2 * sessionTimeoutMs)
  t.false(exists())
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('a file without a name outlives a restart, for those who come back in time', async t => {
  const { cluster, server, ino, exists } = await makeWorld()
  cluster.crash(server.id)
  const again = await cluster.startServer(server.id)
  await cluster.env.advance(sessionTimeoutMs - leaseTermMs - 1)
  t.true(exists())
  again.sessions.renew(other, [{ ino, count: 1 }])
  await stay(cluster, 2 * sessionTimeoutMs, other)
  t.true(exists())
  again.sessions.renew(other, [])
  await cluster.env.advance(1)
  t.false(exists())
})

test('a file without a name goes after a restart when nobody comes back for it', async t => {
  const { cluster, server, exists } = await makeWorld()
  cluster.crash(server.id)
  await cluster.startServer(server.id)
  await cluster.env.advance(2 * sessionTimeoutMs + 1)
  t.false(exists())
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('a record that cannot be read keeps no file without a name from being removed', async t => {
  const { cluster, server, exists } = await makeWorld()
  const { store } = server.partitions.get(0, 1)
  const range = store.range.bind(store)
  store.range = async function* (from, to, options) {
    if (options?.onDamaged === undefined) throw new ClusterError('CHECKSUM', 'one has decayed')
    options.onDamaged(from)
    yield* range(from, to, options)
  }
  await cluster.env.advance(2 * sessionTimeoutMs)
  t.false(exists())
  t.deepEqual(cluster.logged, [])
})

test('a file that nobody has open goes with its last name', async t => {
  const { cluster } = await makeWorld()
  const ino = await makeFile(cluster, clusterRootIno, 'g')
  await cluster.passing(remove(cluster, 'unlink', clusterRootIno, 'g'))
  t.false(cluster.contents.get('server0')!.has(inodeKey(0, ino)))
})

test('a file that a transaction holds is left for the next round', async t => {
  const { cluster, server, ino, exists } = await makeWorld()
  const { locks } = server.partitions.get(0, 1)
  locks.acquire([inodeKey(0, ino)], 'transaction')
  server.sessions.released(other, ino)
  await cluster.env.advance(1)
  t.true(exists())
  locks.release([inodeKey(0, ino)], 'transaction')
  await cluster.env.advance(sessionTimeoutMs)
  t.false(exists())
  t.false(cluster.contents.get('server0')!.has(orphanKey(0, ino)))
})

test('the replies kept for a client go with it, and those of others stay', async t => {
  const { cluster } = await makeWorld()
  const content = cluster.contents.get('server0')!
  content.set(slotKey(0, other, 5), new Uint8Array(9))
  t.true([...content.keys()].some(key => key[2] === 's'))
  await stay(cluster, 2 * sessionTimeoutMs, other)
  const left = [...content.keys()].filter(key => key[2] === 's')
  t.deepEqual(left, [slotKey(0, other, 5)])
  t.false(cluster.serverOf(0).sessions.has(client))
})

test('the replies of a client that comes back while they are looked for stay', async t => {
  const { cluster, server } = await makeWorld()
  const key = slotKey(0, 'e3'.repeat(16), 5)
  cluster.contents.get('server0')!.set(key, new Uint8Array(9))
  const { range } = server.metadata
  server.metadata.range = async function* (from, to) {
    yield* range.call(server.metadata, from, to)
    server.sessions.renew('e3'.repeat(16), [])
  }
  await server.reaper.expired('e3'.repeat(16), [])
  await cluster.env.advance(1)
  t.true(cluster.contents.get('server0')!.has(key))
})

test('a disk that failed is no reason for the reaper to throw', async t => {
  const { cluster, server, ino } = await makeWorld()
  server.store.failWith(new Error('broken'))
  await t.throwsAsync(cluster.passing(server.metadata.commit([{ key: 'x', value: null }])))
  t.notThrows(() => server.sessions.released(other, ino))
  t.true(cluster.logged.length > 0)
})

test('what a client that is gone may have written over is no longer what others keep of it', async t => {
  const { cluster, server } = await makeWorld()
  const [inBlocks, small] = [
    await makeFile(cluster, clusterRootIno, 'blocks'),
    await makeFile(cluster, clusterRootIno, 'small'),
  ]
  const reserve = { ino: inBlocks, reach: 1, exclusive: false }
  const { attributes } = (await cluster.passing(cluster.mutate('reserve', 0, reserve))).body
  const { generation, cuts, change } = attributes
  const commit = { ino: inBlocks, end: 9, generation, cuts, spilled: change, expectedSize: -1 }
  const rest = { reach: 1, killPrivileges: false, allocated: 0 }
  await cluster.passing(cluster.mutate('commitWrite', 0, { ...commit, ...rest }))
  const attributesOf = async (ino: number) =>
    (await cluster.passing(cluster.ask('getattr', 0, { ino }))).body.attributes
  const before = [await attributesOf(inBlocks), await attributesOf(small)] as const
  const opens = [inBlocks, small, inBlocks + 1000].map(ino => ({ ino, count: 1 }))
  server.sessions.renew(other, opens)
  await stay(cluster, 2 * sessionTimeoutMs, client)
  t.false(server.sessions.has(other))
  t.deepEqual(await attributesOf(inBlocks), { ...before[0], change: before[0].change + 1 })
  t.deepEqual(await attributesOf(small), before[1])
})
