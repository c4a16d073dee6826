import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { maxPurgesInFlight } from '../../network/limits.ts'
import type { CutBlocksRequest } from '../../network/wire/operations.ts'
import { purgeKey } from '../metadata/keys.ts'
import { TestCluster } from '../testing/cluster.ts'

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
    return { body: {}, payload: [] }
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

test('the blocks of files that are gone are cut, and the queue empties', async t => {
  const cuts: CutBlocksRequest[] = []
  const { cluster, server, left } = await makeWorld(3, async request => {
    cuts.push(request)
  })
  await cluster.env.advance(10)
  t.is(left(), 0)
  t.is(server.purger.doneCount, 3)
  t.is(server.purger.waitingCount, 0)
  t.deepEqual(cuts[0], { ino: 100, generation: 1, block: 0, offset: 0, reach: 2 })
})

test('only so many files are purged at a time', async t => {
  let running = 0
  let most = 0
  const { cluster, left } = await makeWorld(3 * maxPurgesInFlight, async (_, { cluster }) => {
    most = Math.max(most, ++running)
    await cluster.env.timers.sleep(1)
    running--
  })
  await cluster.env.advance(100)
  t.is(left(), 0)
  t.is(most, maxPurgesInFlight)
})

test('a file that cannot be purged stays queued, and holds up no other', async t => {
  let broken = true
  const { cluster, server, partition, left } = await makeWorld(40, async ({ ino }, { cluster }) => {
    if (broken && ino < 103) throw new ClusterError('DISK', 'unreadable')
    await cluster.env.timers.sleep(1)
  })
  await cluster.env.advance(100)
  t.is(left(), 3)
  t.true(cluster.logged.length > 0)
  t.is(server.purger.waitingCount, 0)
  broken = false
  server.purger.wake(partition)
  await cluster.env.advance(100)
  t.is(left(), 0)
})

test('what is queued while a partition is purged is purged, too', async t => {
  const { cluster, left } = await makeWorld(1, async ({ ino }, { queue }) => {
    if (ino === 100) await queue(300)
  })
  await cluster.env.advance(10)
  t.is(left(), 0)
})

test('a purger that stops leaves the rest for the next start', async t => {
  const { cluster, server, partition, left } = await makeWorld(40, (_, { cluster }) =>
    cluster.env.timers.sleep(50),
  )
  await cluster.env.advance(1)
  const stopped = server.purger.stop()
  await cluster.passing(stopped)
  server.purger.wake(partition)
  await cluster.env.advance(200)
  t.true(left() >= 40 - maxPurgesInFlight && left() < 40)
})
