/**
 * Has a partition go from server to server at steps of every kind of transaction that it takes part in, or its
 * server lose power while another one has a copy. Then the change is there as a whole, on one server.
 */
import test from 'ava'
import { faultsIn } from '../testing/checker.ts'
import { TestMoves } from '../testing/moves.ts'
import {
  type Case,
  cases,
  lettersIn,
  makeWorld,
  type World,
  wrongSizesIn,
} from '../testing/transaction-cases.ts'

type Hit = (world: World, moves: TestMoves, partition: number) => Promise<void>

const hits: { readonly [title: string]: Hit } = {
  'the other copy goes': async (_world, moves, partition) => moves.dropOthers(partition),
  'another server takes over': async ({ cluster }, moves, partition) => {
    const { replicas, inSync, primary } = cluster.view.partitions[partition]!
    moves.show(partition, { replicas, inSync, primary: inSync.find(id => id !== primary)! })
  },
  'its server loses power, and another takes over': async ({ cluster }, moves, partition) => {
    const { replicas, inSync, primary } = cluster.view.partitions[partition]!
    const left = inSync.filter(id => id !== primary)
    cluster.losePower([primary!])
    moves.show(partition, { replicas, inSync: left, primary: left[0]! })
    await cluster.env.timers.sleep(5)
    await cluster.startServer(primary!)
  },
}

/** @returns the step at which it happened, or null when there were fewer. */
async function runWithHit(
  { run }: Case,
  world: World,
  { partition, fatal, hit }: { partition: number; fatal: number; hit: Hit },
): Promise<string | null> {
  const { cluster } = world
  const moves = new TestMoves(cluster)
  const others = [...cluster.servers.keys()].filter(
    id => id !== cluster.view.partitions[partition]!.primary,
  )
  await moves.copy(partition, others[0]!)
  let steps = 0
  let at: string | null = null
  let happened = Promise.resolve()
  cluster.onStep = ({ server, what }) => {
    if (at !== null || / (beacon|feed|syncReplica)$/.test(what) || steps++ !== fatal) return
    at = `${server} ${what}`
    happened = hit(world, moves, partition)
  }
  await cluster.passing(run(world))
  await cluster.env.advance(50)
  cluster.onStep = () => undefined
  await cluster.passing(happened)
  await cluster.env.advance(5_000)
  moves.dropOthers(partition)
  await cluster.env.advance(10_000)
  return at
}

const stride = 3
/** It has hundreds of steps, which are like each other. */
const { 'a directory split': _, ...shorter } = cases

for (const [title, each] of Object.entries(shorter)) {
  for (const [event, hit] of Object.entries(hits)) {
    test.serial(`whole, when ${event} at a step: ${title}`, async t => {
      for (const partition of [1, 2]) {
        // All of them take minutes, and neighbours tell much the same.
        for (let fatal = partition - 1; ; fatal += stride) {
          const world = await makeWorld(each)
          const { cluster } = world
          const step = await runWithHit(each, world, { partition, fatal, hit })
          const at = `partition ${partition}: ${step} (step ${fatal})`
          t.deepEqual(faultsIn(cluster.contents.values()), [], at)
          t.deepEqual(lettersIn(world, world.a), each.after.a, at)
          t.deepEqual(lettersIn(world, world.b), each.after.b, at)
          t.deepEqual(await cluster.passing(wrongSizesIn(world)), [], at)
          for (const running of cluster.servers.values()) {
            t.is(running.locksHeld, 0, at)
            t.is(running.participant.promisedCount + running.coordinator.activeCount, 0, at)
          }
          if (step === null) break
        }
      }
    })
  }
}
