import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import {
  backgroundSyncIntervalMs,
  maxPurgesInFlight,
  purgeDelayMs,
  purgeRetryLongestMs,
} from '../../network/limits.ts'
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import { purgeKey } from '../metadata/keys.ts'
import { TestCluster } from '../testing/cluster.ts'
import type { TestServer } from '../testing/server.ts'

interface World {
  readonly cluster: TestCluster
  readonly queue: (ino: number) => Promise<void>
}

/** A server with `files` purge records; `cut` does what is asked of the blocks. */
async function makeWorld(
  files: number,
  cut: (request: CutBlocksRequest, world: World) => Promise<unknown>,
) {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const server = cluster.serverOf(0)
  const partition = server.partitions.get(0, 1)
  const cutBlocks = async ({ body }: { body: CutBlocksRequest }) => {
    await cut(body, { cluster, queue })
    return { body: { allocated: 0, boot: cluster.bootOf(server.id) }, payload: [] }
  }
  server.service = { ...server.service, cutBlocks }
  const reach = Buffer.alloc(8)
  reach.writeDoubleLE(2)
  const queue = (ino: number) =>
    partition.stageMutations([{ key: purgeKey(0, ino, 1), value: reach }])
  const queued = Array.from({ length: files }, (_, index) => queue(100 + index))
  await cluster.passing(Promise.all(queued))
  const left = () => [...server.store.content.keys()].filter(key => key[2] === 'p').length
  return { cluster, server, partition, queue, left }
}

const ofFile100 = { ino: 100, generation: 1, block: 0, offset: 0, reach: 2 }

test('the blocks of files that are gone are cut, and the queue empties', async t => {
  const cuts: CutBlocksRequest[] = []
  const { cluster, server, left } = await makeWorld(3, async request => {
    cuts.push(request)
  })
  await cluster.env.advance(1_000)
  t.is(left(), 0)
  t.is(server.purger.doneCount, 3)
  t.is(server.purger.waitingCount, 0)
  t.deepEqual(cuts[0], { ...ofFile100, purge: true, durable: false })
})

test('only so many files are purged at a time', async t => {
  let running = 0
  let most = 0
  const { cluster, left } = await makeWorld(3 * maxPurgesInFlight, async (_, { cluster }) => {
    most = Math.max(most, ++running)
    await cluster.env.timers.sleep(1)
    running--
  })
  await cluster.env.advance(1_000)
  t.is(left(), 0)
  t.is(most, maxPurgesInFlight)
})

test('a file that cannot be purged holds up no other, and is tried again less and less often', async t => {
  const tries: number[] = []
  let broken = true
  const { cluster, server, left } = await makeWorld(40, async ({ ino }, { cluster }) => {
    if (ino === 100) tries.push(cluster.env.clock.monotonicMs())
    if (broken && ino < 103) throw new ClusterError('DISK', 'unreadable')
    await cluster.env.timers.sleep(1)
  })
  await cluster.env.advance(1_000)
  t.is(left(), 3)
  t.is(cluster.logged.length, 1)
  t.is(server.purger.waitingCount, 1)
  await cluster.env.advance(600_000)
  const pauses = tries.slice(1).map((at, index) => at - tries[index]!)
  t.true(pauses[0]! <= 3 * purgeDelayMs, `${pauses}`)
  t.true(pauses.at(-1)! >= purgeRetryLongestMs, `${pauses}`)
  t.true(
    pauses.every(pause => pause <= purgeRetryLongestMs + 2 * purgeDelayMs),
    `${pauses}`,
  )
  broken = false
  await cluster.env.advance(2 * purgeRetryLongestMs)
  t.is(left(), 0)
  t.is(server.purger.waitingCount, 0)
})

test('what is queued while a partition is purged is purged, too', async t => {
  const { cluster, left } = await makeWorld(1, async ({ ino }, { queue }) => {
    if (ino === 100) await queue(300)
  })
  await cluster.env.advance(1_000)
  t.is(left(), 0)
})

test('a purger that stops leaves the rest for the next start', async t => {
  const { cluster, server, partition, left } = await makeWorld(40, (_, { cluster }) =>
    cluster.env.timers.sleep(50),
  )
  await cluster.env.advance(purgeDelayMs + 1)
  const stopped = server.purger.stop()
  await cluster.passing(stopped)
  server.purger.wake(partition)
  await cluster.env.advance(200)
  t.true(left() >= 40 - maxPurgesInFlight && left() < 40)
})

/** Partition 0 purges file 100, whose blocks are in partition 1, on another server. */
async function makeTwo() {
  const cluster = new TestCluster({ servers: 2, partitions: 2 })
  await cluster.start()
  const [home, other] = [cluster.serverOf(0), cluster.serverOf(1)]
  const key = purgeKey(0, 100, 1)
  const isQueued = () => cluster.contents.get(home.id)!.has(key)
  let cuts = 0
  const onCut = { now: () => undefined as undefined | Promise<void> }
  const listen = (server: TestServer) => {
    const boot = cluster.bootOf(server.id)
    const cutBlocks = async () => {
      cuts++
      await onCut.now()
      return { body: { allocated: 0, boot }, payload: [] }
    }
    server.service = { ...server.service, cutBlocks }
  }
  for (const server of [home, other]) listen(server)
  const reach = Buffer.alloc(8)
  reach.writeDoubleLE(40)
  await home.partitions.get(0, 1).stageMutations([{ key, value: reach }])
  return { cluster, home, other, isQueued, onCut, listen, cuts: () => cuts }
}

test('no block goes elsewhere before the loss of power could no longer bring its file back', async t => {
  const { cluster, home, isQueued, onCut, cuts } = await makeTwo()
  onCut.now = async () => {
    if (isQueued()) cluster.losePower([home.id])
  }
  await cluster.env.advance(purgeDelayMs + 1)
  t.true(cuts() > 0)
  t.true(isQueued())
})

test('a file stays queued until the servers of its blocks have synced what they deleted', async t => {
  const { cluster, home, other, isQueued, cuts } = await makeTwo()
  const { service } = other
  other.service = { ...service, sync: () => Promise.reject(new ClusterError('CLOSED', 'down')) }
  await cluster.env.advance(backgroundSyncIntervalMs + 100)
  const before = cuts()
  t.true(isQueued())
  t.is(home.purger.doneCount, 1)
  other.service = { ...other.service, ...(service.sync && { sync: service.sync }) }
  await cluster.env.advance(2 * backgroundSyncIntervalMs)
  t.false(isQueued())
  t.is(cuts(), before, 'it is not purged again')
})

test('what a loss of power may have brought back is deleted again', async t => {
  const { cluster, other, isQueued, listen, cuts } = await makeTwo()
  await cluster.env.advance(1_000)
  const before = cuts()
  t.true(before > 0)
  cluster.losePower([other.id])
  listen(await cluster.startServer(other.id))
  await cluster.env.advance(backgroundSyncIntervalMs)
  t.true(isQueued())
  await cluster.env.advance(2 * backgroundSyncIntervalMs)
  t.true(cuts() > before)
  t.false(isQueued())
})

test('a server that is down holds up its own blocks only, and these until it is back', async t => {
  const { cluster, home, other, isQueued, onCut } = await makeTwo()
  onCut.now = () => Promise.reject(new ClusterError('UNREACHABLE', `${other.id} is down`))
  await cluster.env.advance(60_000)
  t.true(isQueued())
  t.is(home.purger.waitingCount, 1)
  onCut.now = () => undefined
  await cluster.env.advance(2 * purgeRetryLongestMs)
  t.false(isQueued())
})

test('a queue that cannot be read holds up no other, and is read again later', async t => {
  const cluster = new TestCluster({ servers: 1, partitions: 2 })
  await cluster.start()
  const server = cluster.serverOf(0)
  const boot = cluster.bootOf(server.id)
  const cutBlocks = async () => ({ body: { allocated: 0, boot }, payload: [] })
  server.service = { ...server.service, cutBlocks }
  const reach = Buffer.alloc(8)
  reach.writeDoubleLE(2)
  const partitions = [0, 1].map(id => server.partitions.get(id, 1))
  const { store } = partitions[0]!
  const range = store.range.bind(store)
  store.range = () => {
    throw new ClusterError('DISK', 'the queue cannot be read')
  }
  const queued = partitions.map(partition =>
    partition.stageMutations([{ key: purgeKey(partition.id, 100, 1), value: reach }]),
  )
  await cluster.passing(Promise.all(queued))
  const isQueued = (id: number) => server.store.content.has(purgeKey(id, 100, 1))
  await cluster.env.advance(1_000)
  t.deepEqual([isQueued(0), isQueued(1)], [true, false])
  t.is(cluster.logged.length, 1)
  store.range = range
  await cluster.env.advance(2 * purgeRetryLongestMs)
  t.false(isQueued(0))
  t.is(server.purger.waitingCount, 0)
})

test('a partition that goes elsewhere in the middle holds up no other one', async t => {
  const cluster = new TestCluster({ servers: 2, partitions: 4 })
  await cluster.start()
  const server = cluster.serverOf(0)
  for (const other of cluster.servers.values()) {
    const boot = cluster.bootOf(other.id)
    const cutBlocks = async () => ({ body: { allocated: 0, boot }, payload: [] })
    other.service = { ...other.service, cutBlocks }
  }
  const reach = Buffer.alloc(8)
  reach.writeDoubleLE(40)
  for (const id of [0, 2]) {
    const partition = server.partitions.get(id, 1)
    await partition.stageMutations([{ key: purgeKey(id, 100, 1), value: reach }])
  }
  const { store } = server.partitions.get(0, 1)
  store.sync = async () => {
    void server.partitions.letGo(0)
    store.assertOpen()
  }
  await cluster.env.advance(3 * backgroundSyncIntervalMs)
  t.false(server.store.content.has(purgeKey(2, 100, 1)))
  t.true(server.store.content.has(purgeKey(0, 100, 1)))
})
