/** Appends that a restart of their server, or a loss of its power, finds under way. */
import test from 'ava'
import { appendGrantMs, sessionTimeoutMs } from '../../network/limits.ts'
import { clusterRootIno, type Ino } from '../../network/wire/ids.ts'
import type { ReserveReply } from '../../network/wire/operations.ts'
import { grantKey } from '../metadata/keys.ts'
import { client, TestCluster } from '../testing/cluster.ts'
import { makeFile } from '../testing/tree.ts'

const block = 1024 * 1024
const other = 'd2'.repeat(16)

/** A file of one block, synced. */
async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const ino = await makeFile(cluster, clusterRootIno, 'f')
  await cluster.passing(append(cluster, ino, await cluster.passing(reserve(cluster, ino))))
  const { id, metadata } = cluster.serverOf(0)
  await cluster.passing(metadata.sync())
  const isKept = () => cluster.contents.get(id)!.has(grantKey(0, ino))
  return { cluster, id, ino, isKept }
}

async function reserve(cluster: TestCluster, ino: Ino, as = client): Promise<ReserveReply> {
  const request = { ino, reach: 10, exclusive: true }
  return (await cluster.mutate('reserve', 0, request, [], as)).body
}

async function append(
  cluster: TestCluster,
  ino: Ino,
  { attributes, inline }: ReserveReply,
  as = client,
): Promise<number> {
  const { generation, cuts, change, size } = attributes
  const request = { ino, end: size + block, generation, cuts, spilled: inline ? change : 0 }
  const rest = { expectedSize: size, reach: 10, killPrivileges: false, allocated: 0 }
  const { body } = await cluster.mutate('commitWrite', 0, { ...request, ...rest }, [], as)
  return body.attributes.size
}

test('an append that a restart finds under way has the file to itself until it ends', async t => {
  const { cluster, id, ino, isKept } = await makeWorld()
  t.false(isKept())
  const mine = await cluster.passing(reserve(cluster, ino))
  t.true(isKept())
  cluster.crash(id)
  await cluster.startServer(id)
  let granted = false
  const theirs = reserve(cluster, ino, other).finally(() => {
    granted = true
  })
  await cluster.env.advance(appendGrantMs / 2)
  t.false(granted)
  t.is(await cluster.passing(append(cluster, ino, mine)), 2 * block)
  t.is(await cluster.passing(append(cluster, ino, await cluster.passing(theirs), other)), 3 * block)
  t.false(isKept())
})

test('an appender that a restart finds gone holds up others for its time, and is swept up', async t => {
  const { cluster, id, ino, isKept } = await makeWorld()
  await cluster.passing(reserve(cluster, ino))
  await cluster.env.advance(appendGrantMs / 2)
  cluster.crash(id)
  const startMs = cluster.env.clock.monotonicMs()
  const { metadata } = await cluster.startServer(id)
  const longer = { ino, end: 5 * block, generation: 1, cuts: 0, spilled: 0, expectedSize: -1 }
  const write = { ...longer, reach: 0, killPrivileges: false, allocated: 0 }
  const raised = cluster.mutate('commitWrite', 0, write, [], other)
  await t.throwsAsync(cluster.passing(raised), { code: 'STALE_WRITE' })
  const theirs = await cluster.passing(reserve(cluster, ino, other))
  t.true(cluster.env.clock.monotonicMs() - startMs >= appendGrantMs)
  t.is(theirs.attributes.size, block)
  t.true(isKept())
  await cluster.env.advance(2 * sessionTimeoutMs)
  t.false(isKept())
  await cluster.passing(metadata.settled())
})

test('after a loss of power nothing is granted that one of before could still write over', async t => {
  const { cluster, id, ino, isKept } = await makeWorld()
  await cluster.passing(reserve(cluster, ino))
  cluster.losePower([id])
  t.false(isKept())
  const startMs = cluster.env.clock.monotonicMs()
  await cluster.startServer(id)
  const theirs = await cluster.passing(reserve(cluster, ino, other))
  t.true(cluster.env.clock.monotonicMs() - startMs >= appendGrantMs)
  t.is(await cluster.passing(append(cluster, ino, theirs, other)), 2 * block)
})
