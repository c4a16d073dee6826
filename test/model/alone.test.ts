/** A client that works alone is answered before its servers have done what it asks for: nobody can tell, nor is any of it lost. */
import test from 'ava'
import fc from 'fast-check'
import { command, workCommand } from './commands.ts'
import { describe } from './describe.ts'
import { type Event, linearize } from './linearize.ts'
import { parametersOf } from './parameters.ts'
import { runPlan, workPlanOf } from './storm.ts'

/**
 * Of a file that another sequence of the same client has closed meanwhile, and of what a client that has ended wrote, which may
 * have been in its own memory: who knows what became of it.
 */
function unlessUncertain(event: Event, lost: ReadonlySet<string>): Event {
  const isClosed = event.answer?.error === 'EBADF'
  const isUncertain = isClosed || (event.call.name === 'write' && lost.has(event.client))
  return isUncertain ? { ...event, answer: null, ended: Number.POSITIVE_INFINITY } : event
}

test('some order explains what a client is told that changes behind, and others that come to it', async t => {
  const parameters = parametersOf(t.log)
  let behindCount = 0
  const plans = workPlanOf(workCommand, command)
  const check = fc.asyncProperty(plans, async plan => {
    const { start, events: all, lost, cluster, behindCount: count } = await runPlan(plan)
    const events = all.map(event => unlessUncertain(event, lost))
    behindCount += count
    const judged = { events, lost }
    const verdict = linearize(start, events, lost)
    if (!verdict.explained)
      throw new Error(
        `no order explains this:\n${describe(judged, verdict)}\n${cluster.warnings.join('\n')}`,
      )
    await cluster.env.advance(lost.size > 0 ? 200_000 : 10_000)
    // One that has ended says it to nobody.
    const warnings = lost.size > 0 ? [] : cluster.warnings
    const lostAnswers = warnings.filter(text => text.includes('could not be'))
    const faults = [...cluster.faults(), ...lostAnswers]
    if (faults.length > 0) throw new Error(`${faults.join('\n')}\n${describe(judged, verdict)}`)
  })
  await fc.assert(check, parameters)
  t.log(`${behindCount} changes were made behind`)
  t.true(behindCount > 20)
})
