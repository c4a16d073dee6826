import test from 'ava'
import { Refusal } from '../../network/admission/refusal.ts'
import { ClusterError } from '../../network/errors.ts'
import { leaseTermMs } from '../../network/limits.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import type { View } from '../../network/wire/view.ts'
import { inodeKey, intentKey, purgeKey } from '../metadata/keys.ts'
import { faultsIn, treeIn } from '../testing/checker.ts'
import { client, TestCluster } from '../testing/cluster.ts'
import { makeFile } from '../testing/tree.ts'

async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 2 })
  await cluster.start()
  return { cluster, server: cluster.serverOf(0) }
}

function without(view: View, partition: number, epoch: number): View {
  const partitions = view.partitions.map((state, id) =>
    id === partition ? { ...state, primary: null, epoch } : state,
  )
  return { ...view, partitions }
}

function inEpoch(view: View, epoch: number): View {
  return { ...view, partitions: view.partitions.map(state => ({ ...state, epoch })) }
}

test('only what the view gives to this server is served, and only in its epoch', async t => {
  const { cluster, server } = await makeWorld()
  t.is(server.partitions.get(1, 1).id, 1)
  t.throws(() => server.partitions.get(1, 2), { instanceOf: ClusterError, message: /STALE_EPOCH/ })
  t.throws(() => server.partitions.get(7, 1), { message: /NOT_PRIMARY/ })
  const forged = t.throws(() => server.partitions.get(1, 0xffff_ffff), { instanceOf: Refusal })
  t.is(forged.reason, 'forged_epoch')
  await server.partitions.follow(without(cluster.view, 1, 2))
  t.throws(() => server.partitions.get(1, 1), { message: /NOT_PRIMARY/ })
  t.is([...server.partitions.all()].length, 1)
  t.is(server.partitions.epochOf(1), 0)
})

test('a partition serves when what a crash may have left is taken up, not before', async t => {
  const { cluster, server } = await makeWorld()
  cluster.crash(server.id)
  const starting = cluster.startServer(server.id)
  const { partitions } = cluster.serverOf(0)
  t.throws(() => partitions.get(1, 1), { message: /NOT_READY/ })
  await starting
  t.is(partitions.get(1, 1).id, 1)
})

test('a partition that is lost is closed, and taken up anew when it comes back', async t => {
  const { cluster, server } = await makeWorld()
  const before = server.partitions.get(0, 1)
  before.locks.acquire([inodeKey(0, clusterRootIno)], 'somebody')
  const late = makeFileSoon(cluster, 'late')
  await cluster.env.advance(1)
  await cluster.passing(server.partitions.follow(without(cluster.view, 0, 2)))
  t.throws(() => before.stageMutations([]), { message: /NOT_PRIMARY/ })
  t.throws(() => before.store.get(inodeKey(0, clusterRootIno)), { message: /NOT_PRIMARY/ })
  await cluster.passing(server.partitions.follow(inEpoch(cluster.view, 1)))
  t.not(server.partitions.get(0, 1), before)
  await cluster.passing(late)
  await makeFile(cluster, clusterRootIno, 'new')
  const tree = treeIn(cluster.contents.values())
  t.is(new Set(tree.values()).size, 2)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('who has been started again does not say that it stopped while clients may go by what it leased before', async t => {
  const { cluster, server } = await makeWorld()
  cluster.crash(server.id)
  const starting = cluster.startServer(server.id)
  const { partitions } = cluster.serverOf(0)
  let stopped = 0
  const stops = [0, 1].map(async id => {
    await partitions.letGo(id)
    stopped++
  })
  await cluster.env.advance(leaseTermMs - 1)
  t.is(stopped, 0)
  await cluster.env.advance(1)
  await Promise.all([...stops, partitions.letGo(0), starting])
  t.is(stopped, 2)
})

test('a partition that is lost and regained while it starts is taken up once', async t => {
  const { cluster, server } = await makeWorld()
  cluster.crash(server.id)
  const starting = cluster.startServer(server.id)
  const { partitions } = cluster.serverOf(0)
  const views = [without(cluster.view, 0, 2), inEpoch(cluster.view, 3)]
  const following = Promise.all(views.map(view => partitions.follow(view)))
  await Promise.all([starting, cluster.env.during(following, 2 * leaseTermMs)])
  t.is(partitions.get(0, 3), partitions.get(0, 3))
  t.is(partitions.epochOf(0), 3)
})

test('numbers that a loss of power took are never given out again, however often it goes', async t => {
  const { cluster, server } = await makeWorld()
  await makeFile(cluster, clusterRootIno, 'kept')
  await cluster.passing(server.metadata.sync())
  const given = new Set<number>()
  for (let round = 0; round < 4; round++) {
    for (const name of ['a', 'b']) given.add(await makeFile(cluster, clusterRootIno, name))
    cluster.losePower([server.id])
    await cluster.startServer(server.id)
    t.is(treeIn(cluster.contents.values()).size, 1)
  }
  t.is(given.size, 8)
})

test('neither do a change or a generation that was lost come again', async t => {
  const { cluster, server } = await makeWorld()
  const ino = await makeFile(cluster, clusterRootIno, 'f')
  await cluster.passing(cluster.mutate('reserve', 0, { ino, reach: 3, exclusive: false }))
  await cluster.passing(cluster.mutate('setattr', 0, { ino, size: 5 }))
  await cluster.passing(server.metadata.sync())
  const empty = async () => {
    const request = { ino, truncate: true, wantData: false }
    return (await cluster.passing(cluster.mutate('open', 0, request))).body.attributes
  }
  const mode = async () =>
    (await cluster.passing(cluster.mutate('setattr', 0, { ino, mode: 0o600 }))).body.attributes
  const lost = [await empty(), await mode()]
  cluster.losePower([server.id])
  await cluster.startServer(server.id)
  const later = [await mode(), await empty()]
  t.true(later[0]!.change > lost[1]!.change)
  t.true(later[1]!.generation > lost[0]!.generation)
})

test('a promise whose coordinator never decided is given up after a restart', async t => {
  const { cluster, server } = await makeWorld()
  const ino = await makeFile(cluster, clusterRootIno, 'f')
  const transaction = '0f'.repeat(16)
  const request = { transaction, coordinator: 1, leg: 'addLink', argument: { ino }, client }
  const partition = server.partitions.get(0, 1)
  await cluster.passing(server.participant.prepare(partition, request, 'other'))
  cluster.crash(server.id)
  const again = await cluster.startServer(server.id)
  t.is(again.participant.promisedCount, 1)
  t.true(again.partitions.get(0, 1).locks.isPromised(inodeKey(0, ino)))
  await cluster.env.advance(3_000)
  t.is(again.participant.promisedCount, 0)
  t.is(again.store.get(intentKey(0, transaction)), undefined)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('files whose blocks were not yet purged are purged after a restart', async t => {
  const { cluster, server } = await makeWorld()
  cluster.crash(server.id)
  const reach = Buffer.alloc(8)
  reach.writeDoubleLE(3)
  cluster.contents.get(server.id)!.set(purgeKey(1, 99, 2), reach)
  const again = await cluster.startServer(server.id)
  await cluster.env.advance(1_000)
  t.is(again.purger.doneCount, 1)
  t.is(again.purger.waitingCount, 0)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

function makeFileSoon(cluster: TestCluster, name: string): Promise<unknown> {
  const request = {
    parent: clusterRootIno,
    name: Buffer.from(name),
    mode: 0o100644,
    uid: 0,
    gid: 0,
  }
  const rest = { rdev: 0, target: new Uint8Array(0), exclusive: true, open: false }
  return cluster.mutate('create', 0, { ...request, ...rest })
}
