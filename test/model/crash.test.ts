/**
 * Short sequences in all combinations, with an end of all servers and of the client at every change of what
 * is stored: what was answered is there, what was not is there as a whole or not at all, and all names work on.
 */
import test, { type ExecutionContext } from 'ava'
import { CrashRuns } from './crash.ts'
import { alphabet, type NamedStep, smallAlphabet } from './crash-cases.ts'

function sequences(steps: readonly NamedStep[], length: number): NamedStep[][] {
  if (length === 0) return [[]]
  return sequences(steps, length - 1).flatMap(before => steps.map(step => [...before, step]))
}

const prepared = CrashRuns.prepare()

async function check(t: ExecutionContext, all: readonly (readonly NamedStep[])[]): Promise<void> {
  const runs = await prepared
  const { moments, states } = runs
  for (const steps of all) {
    const faults = await runs.run(steps)
    const title = steps.map(step => step.title).join('; ')
    if (faults.length > 0) t.fail(`${title}\n${faults.join('\n')}`)
  }
  t.log(
    `${all.length} sequences, ${runs.moments - moments} moments, ${runs.states - states} new states`,
  )
  t.pass()
}

// One test for each first change: a slow machine is seen to get on.
for (const first of alphabet) {
  test.serial(`whenever all ends, what was answered is there: ${first.title}, and one more`, t => {
    return check(t, [[first], ...alphabet.map(second => [first, second])])
  })
}

for (const first of smallAlphabet) {
  test.serial(`whenever all ends, what was answered is there: ${first.title}, and two more`, t => {
    return check(
      t,
      sequences(smallAlphabet, 2).map(more => [first, ...more]),
    )
  })
}
