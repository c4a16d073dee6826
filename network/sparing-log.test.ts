import test from 'ava'
import { SimulatedEnv } from './env/simulated.ts'
import { sparingLogLines, sparingLogPeriodMs } from './limits.ts'
import type { Log } from './log.ts'
import { sparingLog } from './sparing-log.ts'

test('of what comes at any rate some lines are written in each period, and the others counted', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const written: object[] = []
  const note = (fields: object) => written.push(fields)
  const log: Log = sparingLog(env, { info: note, warn: note })
  for (let i = 0; i < 1_000; i++) log.warn({ i }, 'no')
  t.is(written.length, sparingLogLines)
  await env.advance(sparingLogPeriodMs)
  t.deepEqual(written.at(-1), { unsaid: 1_000 - sparingLogLines })
  log.warn({ i: 'once more' }, 'no')
  t.deepEqual(written.at(-1), { i: 'once more' })
  await env.advance(2 * sparingLogPeriodMs)
  t.is(written.length, sparingLogLines + 2)
  for (let i = 0; i < 100; i++) log.info({}, 'yes')
  t.is(written.length, sparingLogLines + 102)
})
