/**
 * Takes the power from the servers at every step of every kind of transaction: what was not synced is lost.
 * Then the change is there as a whole or not at all, and what was synced before is there.
 */
import test from 'ava'
import { clusterRootIno } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { decisionKey } from '../metadata/keys.ts'
import { faultsIn } from '../testing/checker.ts'
import { TestCluster } from '../testing/cluster.ts'
import {
  type Case,
  cases,
  lettersIn,
  makeWorld,
  type World,
  wrongSizesIn,
} from '../testing/transaction-cases.ts'
import { makeDirectory } from '../testing/tree.ts'
import { encodeDecision } from './records.ts'

interface Outage {
  readonly title: string
  readonly hit: (server: MemberId) => readonly MemberId[]
  /** Batches that each of them loses; all that were not synced unless given. */
  readonly lost?: number
}

const both = ['server0', 'server1']
const outages: readonly Outage[] = [
  { title: 'the one', hit: server => [server] },
  { title: 'the other', hit: server => both.filter(each => each !== server) },
  { title: 'both', hit: () => both },
  { title: 'the last batch of both', hit: () => both, lost: 1 },
]

async function syncAll(cluster: TestCluster): Promise<void> {
  for (const { metadata } of cluster.servers.values()) await cluster.passing(metadata.sync())
}

async function losePower(cluster: TestCluster, hit: readonly MemberId[], lost?: number) {
  cluster.losePower(hit, lost)
  await cluster.env.timers.sleep(5)
  for (const id of hit) await cluster.startServer(id)
}

/** @returns the step at which the power went, or null when there were fewer. */
async function runWithOutage(
  { run }: Case,
  world: World,
  fatal: number,
  { hit, lost }: Outage,
): Promise<string | null> {
  const { cluster } = world
  let steps = 0
  let at: string | null = null
  let restarted = Promise.resolve()
  cluster.onStep = ({ server, what }) => {
    if (steps++ !== fatal) return
    at = `${server} ${what}`
    restarted = losePower(cluster, hit(server), lost)
  }
  await cluster.passing(run(world))
  // The answer is out; the decision has yet to be told, and to be forgotten.
  await cluster.env.advance(2_500)
  cluster.onStep = () => undefined
  await cluster.passing(restarted)
  await cluster.env.advance(10_000)
  return at
}

for (const [title, each] of Object.entries(cases)) {
  test(`whole or not at all, whoever loses power at whichever step: ${title}`, async t => {
    for (const outage of outages) {
      for (let fatal = 0; ; fatal++) {
        const world = await makeWorld(each)
        const { cluster } = world
        await syncAll(cluster)
        const before = [lettersIn(world, world.a), lettersIn(world, world.b)]
        const step = await runWithOutage(each, world, fatal, outage)
        const at = `${outage.title}: ${step} (step ${fatal})`
        t.deepEqual(faultsIn(cluster.contents.values()), [], at)
        const after = [lettersIn(world, world.a), lettersIn(world, world.b)]
        const expected = [before, [each.after.a, each.after.b]].map(state => JSON.stringify(state))
        t.true(expected.includes(JSON.stringify(after)), `${at}: ${JSON.stringify(after)}`)
        t.deepEqual(await cluster.passing(wrongSizesIn(world)), [], at)
        for (const running of cluster.servers.values()) {
          t.is(running.locksHeld, 0, at)
          t.is(running.participant.promisedCount + running.coordinator.activeCount, 0, at)
        }
        if (step === null) break
      }
    }
  })

  test(`what was synced after it outlasts every loss of power: ${title}`, async t => {
    const world = await makeWorld(each)
    const { cluster } = world
    await syncAll(cluster)
    await cluster.passing(each.run(world))
    await syncAll(cluster)
    await cluster.passing(losePower(cluster, both))
    await cluster.env.advance(10_000)
    t.deepEqual(faultsIn(cluster.contents.values()), [])
    t.deepEqual(lettersIn(world, world.a), each.after.a)
    t.deepEqual(lettersIn(world, world.b), each.after.b)
  })
}

test('a decision is on the disk before anybody who asks hears of it', async t => {
  const cluster = new TestCluster({ servers: 2, partitions: 2 })
  await cluster.start()
  const coordinator = cluster.serverOf(0)
  const partition = coordinator.partitions.get(0, 1)
  const transaction = 'ab'.repeat(16)
  const key = decisionKey(0, transaction)
  await partition.stageMutations([{ key, value: encodeDecision([1]) }])
  const asked = cluster.serverOf(1).peers.call('outcome', 0, { transaction })
  t.is((await cluster.passing(asked)).body.outcome, 'committed')
  cluster.losePower([coordinator.id])
  t.true(coordinator.store.content.has(key))
})

test('promises and decisions of one server need no sync: its log has them in their order', async t => {
  const cluster = new TestCluster({ servers: 1, partitions: 4 })
  await cluster.start()
  const { store } = cluster.serverOf(0)
  store.written.length = 0
  await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1))
  await cluster.env.advance(10_000)
  t.is(store.written.filter(({ sync }) => sync).length, 0)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})
