/**
 * Ends one of the servers at every step of every kind of transaction, starts it again, and looks whether
 * the change is there as a whole or not at all.
 */
import test from 'ava'
import { faultsIn } from '../testing/checker.ts'
import type { Step } from '../testing/cluster.ts'
import {
  type Case,
  cases,
  lettersIn,
  makeWorld,
  type World,
  wrongSizesIn,
} from '../testing/transaction-cases.ts'

/** Runs the case and ends the server concerned at step `fatal`. @returns the steps that were taken. */
async function runWithCrash(
  { run }: Case,
  world: World,
  fatal: number,
  downMs: number,
): Promise<Step[]> {
  const { cluster } = world
  const steps: Step[] = []
  let restarted = Promise.resolve()
  cluster.onStep = step => {
    steps.push(step)
    if (steps.length !== fatal + 1) return
    cluster.crash(step.server)
    restarted = cluster.env.timers.sleep(downMs).then(async () => {
      await cluster.startServer(step.server)
    })
  }
  await cluster.passing(run(world))
  // The answer is out; the decision has yet to be told.
  await cluster.env.advance(50)
  cluster.onStep = () => undefined
  await cluster.passing(restarted)
  await cluster.env.advance(5_000)
  return steps
}

for (const [title, each] of Object.entries(cases)) {
  test(`whole or not at all, whoever ends at whichever step: ${title}`, async t => {
    for (let fatal = 0, count = 1; fatal <= count; fatal++) {
      for (const downMs of [0, 5, 2_500]) {
        const world = await makeWorld(each)
        const { cluster } = world
        const steps = await runWithCrash(each, world, fatal, downMs)
        count = Math.max(count, steps.length)
        const { server, what } = steps[fatal] ?? { server: 'nobody', what: 'anything' }
        const at = `${server} ${what} (step ${fatal}, down for ${downMs} ms)`
        t.deepEqual(faultsIn(cluster.contents.values()), [], at)
        t.deepEqual(lettersIn(world, world.a), each.after.a, at)
        t.deepEqual(lettersIn(world, world.b), each.after.b, at)
        t.deepEqual(await cluster.passing(wrongSizesIn(world)), [], at)
        for (const running of cluster.servers.values()) {
          t.is(running.locksHeld, 0, at)
          t.is(running.participant.promisedCount + running.coordinator.activeCount, 0, at)
        }
        if (steps.length <= fatal) return t.log(`${fatal} steps`)
      }
    }
  })
}
