/** Concurrent calls of several clients have answers that some order of them explains (linearizability). */
import test from 'ava'
import fc from 'fast-check'
import type { Call } from './calls.ts'
import { command, dataCommand, splitCommand } from './commands.ts'
import { describe } from './describe.ts'
import { type Event, linearize } from './linearize.ts'
import { parametersOf } from './parameters.ts'
import { type Plan, type PlanOptions, planOf, runPlan } from './storm.ts'

/**
 * A read during a write may see a part of it, here where a file lies in blocks as on a local disk (ext4 locks
 * the inode for writes only): its answer says nothing.
 */
function withoutTornReads(events: readonly Event[]): Event[] {
  const changes = events.filter(({ call }) => changesData(call))
  return events.filter(({ call, started, ended }) => {
    if (call.name !== 'read') return true
    return !changes.some(other => other.started < ended && started < other.ended)
  })
}

function changesData(call: Call): boolean {
  if (call.name === 'setattr') return call.size !== undefined
  return call.name === 'write' || (call.name === 'open' && call.truncate)
}

async function check(plan: Plan): Promise<void> {
  const history = await runPlan(plan)
  const { start, events, lost, cluster } = history
  const judged = plan.inlineBytes === null ? events : withoutTornReads(events)
  const verdict = linearize(start, judged, lost)
  if (!verdict.explained)
    throw new Error(`no order explains this:\n${describe({ events: judged, lost }, verdict)}`)
  await cluster.env.advance(70_000)
  const faults = cluster.faults()
  if (faults.length > 0)
    throw new Error(`${faults.join('\n')}\n${describe({ events: judged, lost }, verdict)}`)
}

const names = { command, opens: false, inlineBytes: [null], splitEntries: [null] }
const data = { command: dataCommand, opens: true, inlineBytes: [null, 0, 10], splitEntries: [null] }

const skies: { readonly [title: string]: PlanOptions } = {
  'about names, while nothing disturbs them': { ...names, troubles: 0 },
  'about names, while servers restart, connections break and clients end': {
    ...names,
    troubles: 5,
  },
  'about names, while directories are split': {
    ...names,
    command: splitCommand,
    splitEntries: [1, 2, 3],
    troubles: 0,
  },
  'about names, while directories are split and servers restart': {
    ...names,
    command: splitCommand,
    splitEntries: [1, 2, 3],
    troubles: 5,
  },
  'about data, while nothing disturbs them': { ...data, troubles: 0 },
  'about data, while servers restart and connections break': { ...data, troubles: 5 },
}

for (const [title, options] of Object.entries(skies)) {
  test.serial(`some order explains what concurrent clients are told ${title}`, async t => {
    const parameters = parametersOf(t.log)
    await fc.assert(fc.asyncProperty(planOf(options), check), parameters)
    t.pass()
  })
}
