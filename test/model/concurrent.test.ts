/** Concurrent calls of several clients have answers that some order of them explains (linearizability). */
import test from 'ava'
import fc from 'fast-check'
import { faultsIn } from '../../server/testing/checker.ts'
import { describe } from './describe.ts'
import { linearize } from './linearize.ts'
import { parametersOf } from './parameters.ts'
import { type Plan, planOf, runPlan } from './storm.ts'

async function check(plan: Plan): Promise<void> {
  const history = await runPlan(plan)
  const { start, events, lost, cluster } = history
  const verdict = linearize(start, events, lost)
  if (!verdict.explained) throw new Error(`no order explains this:\n${describe(history, verdict)}`)
  await cluster.env.advance(70_000)
  const faults = faultsIn(cluster.servers.contents.values())
  if (faults.length > 0) throw new Error(`${faults.join('\n')}\n${describe(history, verdict)}`)
}

const skies = {
  'while nothing disturbs them': { troubles: 0 },
  'while servers restart, connections break and clients end': { troubles: 5 },
}

for (const [title, options] of Object.entries(skies)) {
  test(`some order explains what concurrent clients are told, ${title}`, async t => {
    const parameters = parametersOf(t.log)
    await fc.assert(fc.asyncProperty(planOf(options), check), parameters)
    t.pass()
  })
}
