import test from 'ava'
import { ClusterError, PosixError } from '../../network/errors.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import type { CutBlocksRequest, SetattrRequest } from '../../network/wire/operations.ts'
import { decodeInode } from '../metadata/inode.ts'
import { cutKey, inodeKey } from '../metadata/keys.ts'
import { TestCluster } from '../testing/cluster.ts'
import { makeFile } from '../testing/tree.ts'

const block = 1024 * 1024

/** A file of 4 blocks on a single server, whose cuts wait until `cuts` resolves them. */
async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const server = cluster.serverOf(0)
  const ino = await makeFile(cluster, clusterRootIno, 'f')
  const cuts: { request: CutBlocksRequest; end: PromiseWithResolvers<void>; allocated: number }[] =
    []
  const cutBlocks = async ({ body }: { body: CutBlocksRequest }): Promise<Reply<'cutBlocks'>> => {
    const end = Promise.withResolvers<void>()
    const cut = { request: body, end, allocated: 0 }
    cuts.push(cut)
    await end.promise
    return { body: { allocated: cut.allocated, boot: cluster.bootOf(server.id) }, payload: [] }
  }
  server.service = { ...server.service, cutBlocks }
  await write(cluster, ino, 4 * block)
  return { cluster, server, ino, cuts }
}

async function attributes(cluster: TestCluster, ino: number) {
  return (await cluster.passing(cluster.ask('getattr', 0, { ino }))).body.attributes
}

async function write(cluster: TestCluster, ino: number, end: number, allocated = 0) {
  const reach = Math.ceil(end / block)
  const reserved = await cluster.passing(
    cluster.mutate('reserve', 0, { ino, reach, exclusive: false }),
  )
  const { generation, cuts, change } = reserved.body.attributes
  const spilled = reserved.body.inline ? change : 0
  const request = { ino, end, generation, cuts, spilled, expectedSize: -1, reach }
  return cluster.passing(
    cluster.mutate('commitWrite', 0, { ...request, killPrivileges: false, allocated }),
  )
}

function truncate(cluster: TestCluster, ino: number, size: number) {
  const request: Omit<SetattrRequest, 'slot' | 'sequence'> = { ino, size }
  return cluster.mutate('setattr', 0, request)
}

test('a truncation cuts from its end on, and nobody sees the file before that is done', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const truncated = truncate(cluster, ino, block + 7)
  let seen = false
  const looked = cluster.ask('getattr', 0, { ino }).finally(() => {
    seen = true
  })
  await cluster.env.advance(1_000)
  t.false(seen)
  t.deepEqual(
    cuts.map(({ request }) => request),
    [{ ino, generation: 1, block: 1, offset: 7, reach: 4, purge: false, durable: false, epoch: 1 }],
  )
  t.true(server.store.content.has(cutKey(0, ino)))
  cuts[0]!.end.resolve()
  t.is((await cluster.passing(truncated)).body.attributes.size, block + 7)
  t.is((await looked).body.attributes.size, block + 7)
  t.false(server.store.content.has(cutKey(0, ino)))
  t.is(server.locksHeld, 0)
})

test('what a cut gave back is counted with the end of the cut', async t => {
  const { cluster, ino, cuts } = await makeWorld()
  await write(cluster, ino, 4 * block, 4 * block)
  const truncated = truncate(cluster, ino, block + 7)
  await cluster.env.advance(10)
  Object.assign(cuts[0]!, { allocated: 4096 - 3 * block })
  cuts[0]!.end.resolve()
  await cluster.passing(truncated)
  t.is((await attributes(cluster, ino)).allocated, block + 4096)
})

test('two truncations behind each other each keep the file to themselves', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const first = truncate(cluster, ino, 3 * block + 1)
  const second = truncate(cluster, ino, 2 * block + 1)
  await cluster.env.advance(10)
  t.is(cuts.length, 1)
  server.store.hold()
  cuts[0]!.end.resolve()
  await cluster.env.advance(10)
  server.store.release()
  await cluster.passing(first)
  await cluster.env.advance(10)
  t.is(cuts.length, 2)
  t.is(server.locksHeld, 1)
  cuts[1]!.end.resolve()
  await cluster.passing(second)
  t.is(server.locksHeld, 0)
  t.is((await attributes(cluster, ino)).size, 2 * block + 1)
})

test('nobody sees the file before a crash could no longer have it cut again', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const truncated = truncate(cluster, ino, 1_000)
  await cluster.env.advance(1)
  server.store.hold()
  cuts[0]!.end.resolve()
  let seen = false
  const looked = cluster.ask('getattr', 0, { ino }).finally(() => {
    seen = true
  })
  await cluster.env.advance(100)
  t.true(server.store.content.has(cutKey(0, ino)))
  t.false(seen)
  server.store.release()
  await cluster.passing(truncated)
  t.is((await cluster.passing(looked)).body.attributes.size, 1_000)
})

test('a truncation that cannot be finished never cuts what is written later', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const truncated = truncate(cluster, ino, 1_000)
  await cluster.env.advance(1)
  cuts[0]!.end.reject(new ClusterError('DISK', 'unreadable'))
  await t.throwsAsync(cluster.passing(truncated), { code: 'DISK' })
  t.is(server.locksHeld, 0)
  t.is((await attributes(cluster, ino)).size, 1_000)
  await t.throwsAsync(write(cluster, ino, 5_000), { instanceOf: PosixError, message: /EIO/ })
  // What has nothing to do with the data goes on.
  await cluster.passing(cluster.mutate('setattr', 0, { ino, mode: 0o600 }))
  t.is(cuts.length, 1)
  // Another truncation tries again, from the lower of the two ends, and takes what was written away.
  const { generation, cuts: seen } = await attributes(cluster, ino)
  const longer = truncate(cluster, ino, 9_000)
  await cluster.env.advance(1)
  t.like(cuts[1]!.request, { block: 0, offset: 1_000 })
  cuts[1]!.end.resolve()
  t.is((await cluster.passing(longer)).body.attributes.size, 9_000)
  const late = { ino, end: 5_000, generation, cuts: seen, spilled: 0, expectedSize: -1, reach: 4 }
  const committed = cluster.mutate('commitWrite', 0, {
    ...late,
    killPrivileges: false,
    allocated: 0,
  })
  await t.throwsAsync(cluster.passing(committed), { code: 'STALE_WRITE' })
  await t.notThrowsAsync(write(cluster, ino, 10_000))
})

test('a file whose truncation cannot be finished does not grow over what was cut off', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const failing = async (attempt: Promise<unknown>) => {
    await cluster.env.advance(1)
    cuts.at(-1)!.end.reject(new ClusterError('DISK', 'unreadable'))
    await t.throwsAsync(cluster.passing(attempt), { code: 'DISK' })
    t.is((await attributes(cluster, ino)).size, 1_000)
  }
  await failing(truncate(cluster, ino, 1_000))
  await failing(truncate(cluster, ino, 9_000))
  await failing(truncate(cluster, ino, 1_000))
  t.is(server.locksHeld, 0)
  t.is(cuts.length, 3)
})

test('a file whose truncation cannot be finished can be emptied and written anew', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const truncated = truncate(cluster, ino, 1_000)
  await cluster.env.advance(1)
  cuts[0]!.end.reject(new ClusterError('DISK', 'unreadable'))
  await t.throwsAsync(cluster.passing(truncated), { code: 'DISK' })
  await cluster.passing(truncate(cluster, ino, 0))
  t.is(server.store.content.get(cutKey(0, ino)), undefined)
  for (const cut of cuts.slice(1)) cut.end.resolve()
  await write(cluster, ino, 5_000)
  t.is((await attributes(cluster, ino)).generation, 2)
})

test('a truncation that a server left undone is finished at its next start, and once', async t => {
  const { cluster, server, ino, cuts } = await makeWorld()
  const { change } = await attributes(cluster, ino)
  const truncated = truncate(cluster, ino, 1_000)
  await cluster.env.advance(1)
  t.is(cuts.length, 1)
  cluster.crash(server.id)
  const again = await cluster.startServer(server.id)
  await cluster.env.advance(100)
  t.false(again.store.content.has(cutKey(0, ino)))
  t.is(decodeInode(again.store.content.get(inodeKey(0, ino))!).size, 1_000)
  t.is(again.locksHeld, 0)
  // Its client had no answer and asks again: it is the truncation of before.
  t.is((await cluster.passing(truncated)).body.attributes.change, change + 1)
  t.is((await attributes(cluster, ino)).change, change + 1)
})

/** A file of 40 blocks, synced, whose blocks are on both servers, and what to do after the other has cut its. */
async function makeTwo() {
  const cluster = new TestCluster({ servers: 2, partitions: 2 })
  await cluster.start()
  const [home, other] = [cluster.serverOf(0), cluster.serverOf(1)]
  const ino = await makeFile(cluster, clusterRootIno, 'f')
  await write(cluster, ino, 40 * block)
  await cluster.passing(home.metadata.sync())
  const afterCut: { now: () => void } = { now: () => undefined }
  const { cutBlocks } = other.service
  const handler: typeof cutBlocks = async incoming => {
    const reply = await cutBlocks!(incoming)
    afterCut.now()
    return reply
  }
  other.service = { ...other.service, cutBlocks: handler }
  return { cluster, home, other, ino, afterCut }
}

test('a truncation is on the disk before another server cuts blocks', async t => {
  const { cluster, home, ino, afterCut } = await makeTwo()
  afterCut.now = () => {
    cluster.losePower([home.id])
    const content = cluster.contents.get(home.id)!
    t.is(decodeInode(content.get(inodeKey(0, ino))!).size, 1_000)
    t.true(content.has(cutKey(0, ino)), 'it is finished at the next start')
    void cluster.startServer(home.id)
    afterCut.now = () => undefined
  }
  await cluster.passing(truncate(cluster, ino, 1_000))
  t.is((await attributes(cluster, ino)).size, 1_000)
  t.false(cluster.contents.get(home.id)!.has(cutKey(0, ino)))
})

test('another server has on its disk what it cut before a truncation is done', async t => {
  const { cluster, other, ino, afterCut } = await makeTwo()
  const before = other.store.written.length
  afterCut.now = () => t.true(other.store.written.slice(before).at(-1)?.sync)
  await cluster.passing(truncate(cluster, ino, 1_000))
  t.plan(1)
})

test('a server that has let the partition go asks for no cut any more', async t => {
  const { cluster, server, ino } = await makeWorld()
  let asked = 0
  const cutBlocks = async (): Promise<Reply<'cutBlocks'>> => {
    asked++
    throw new ClusterError('NOT_READY', 'soon')
  }
  server.service = { ...server.service, cutBlocks }
  const truncated = truncate(cluster, ino, 1_000)
  truncated.catch(() => undefined)
  await cluster.env.advance(1_000)
  t.true(asked > 1)
  await cluster.passing(server.partitions.letGo(0))
  const before = asked
  await cluster.env.advance(10_000)
  t.is(asked, before)
})
