/** What needs a server that has been away for as long as an operation waits is told so at once. */
import test, { type ExecutionContext } from 'ava'
import type { SimulatedEnv } from '../../network/env/simulated.ts'
import { operationDeadlineMs, outageGraceMs, recoveryIntervalMs } from '../../network/limits.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import { faultsIn } from '../testing/checker.ts'
import { TestCluster } from '../testing/cluster.ts'
import { makeDirectory, makeFile, rename } from '../testing/tree.ts'

/** Partitions 0 and 2 are those of server0, 1 and 3 of server1. */
async function setUp() {
  const cluster = new TestCluster({ servers: 2, partitions: 4 })
  await cluster.start()
  const a = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a'))
  const near = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 2, 'b'))
  await makeFile(cluster, near, 'f')
  await cluster.env.advance(100)
  /** How long a new directory takes whose inode goes there. */
  const making = async (partition: number, prefix: string) => {
    const startMs = cluster.env.clock.monotonicMs()
    const name = cluster.nameIn(clusterRootIno, partition, prefix)
    const failed = await makeDirectory(cluster, clusterRootIno, name).then(
      () => null,
      (error: Error) => error.message,
    )
    return { tookMs: elapsed(cluster.env, startMs), failed }
  }
  return { cluster, a, near, making }
}

function elapsed(env: SimulatedEnv, startMs: number): number {
  return env.clock.monotonicMs() - startMs
}

async function whole(t: ExecutionContext, cluster: TestCluster): Promise<void> {
  await cluster.env.advance(5_000)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
  for (const server of cluster.servers.values()) {
    t.is(server.locksHeld + server.participant.promisedCount + server.coordinator.activeCount, 0)
  }
}

test('directories that would be made on a server that is away wait for it once, and the others go on', async t => {
  const { cluster, making } = await setUp()
  cluster.crash('server1')
  const first = await making(1, 'x')
  t.regex(first.failed ?? '', /ABSENT/)
  t.true(Math.abs(first.tookMs - operationDeadlineMs) < 1_000, `${first.tookMs}`)
  for (const prefix of ['y', 'z', 'u', 'v']) {
    const next = await making(1, prefix)
    t.regex(next.failed ?? '', /ABSENT/)
    t.true(next.tookMs <= outageGraceMs, `${next.tookMs}`)
    const other = await making(2, prefix)
    t.is(other.failed, null)
    t.true(other.tookMs <= outageGraceMs, `${other.tookMs}`)
  }
  await cluster.startServer('server1')
  t.is((await making(1, 'x')).failed, null)
  await whole(t, cluster)
})

test('a server that is started again, or went unnoticed, makes no transaction fail', async t => {
  const { cluster, making } = await setUp()
  cluster.crash('server1')
  t.regex((await making(1, 'w')).failed ?? '', /ABSENT/)
  await cluster.startServer('server1')
  for (const [index, awayMs] of [10_000, 25_000].entries()) {
    await cluster.env.advance(20_000)
    cluster.crash('server1')
    cluster.env.timers.after(awayMs, () => void cluster.startServer('server1'))
    const { tookMs, failed } = await making(1, `x${index}`)
    t.is(failed, null)
    t.true(tookMs >= awayMs, `${tookMs}`)
  }
  await whole(t, cluster)
})

test('a name whose fate is decided by a server that is away is waited for once; then it has that fate', async t => {
  const { cluster, a, near, making } = await setUp()
  const h = await makeFile(cluster, a, 'h')
  const f = (await cluster.ask('lookup', 2, { parent: near, name: Buffer.from('f') })).body.ino
  // The promise is given, and its coordinator ends before it has decided.
  cluster.onStep = ({ server, what }) => {
    if (server === 'server0' && what === 'answered prepare') cluster.crash('server1')
  }
  rename(cluster, [a, 'h'], [near, 'f']).catch(() => undefined)
  await cluster.env.run(() => !cluster.servers.has('server1'), 10_000)
  cluster.onStep = () => undefined
  t.true(cluster.serverOf(2).locksHeld > 0)
  const looking = () =>
    cluster.passing(cluster.ask('lookup', 2, { parent: near, name: Buffer.from('f') }))
  const startMs = cluster.env.clock.monotonicMs()
  await t.throwsAsync(looking(), { message: /ABSENT: transaction/ })
  t.true(elapsed(cluster.env, startMs) <= 1.5 * operationDeadlineMs + 1_000)
  for (let i = 0; i < 8; i++) {
    const nextMs = cluster.env.clock.monotonicMs()
    await t.throwsAsync(looking(), { message: /ABSENT: transaction/ })
    await t.throwsAsync(makeFile(cluster, near, 'f'), { message: /ABSENT/ })
    t.true(elapsed(cluster.env, nextMs) <= 2 * outageGraceMs)
  }
  t.is((await making(2, 'elsewhere')).failed, null)
  await cluster.startServer('server1')
  await cluster.env.advance(2 * recoveryIntervalMs)
  // Aborted, and then done by the client that goes on asking; or not yet.
  const found = await looking()
  t.true([h, f].includes(found.body.ino))
  await whole(t, cluster)
})

test('what a server asks by itself is no outage: who asks anew waits as long as ever', async t => {
  const { cluster, making } = await setUp()
  t.is((await making(1, 'w')).failed, null)
  cluster.crash('server1')
  await cluster.env.advance(2 * operationDeadlineMs)
  cluster.env.timers.after(10_000, () => void cluster.startServer('server1'))
  const { failed, tookMs } = await making(1, 'x')
  t.is(failed, null, `${tookMs}`)
  await whole(t, cluster)
})
