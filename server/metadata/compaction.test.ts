import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { compactionIntervalMs } from '../../network/limits.ts'
import { Compaction } from './compaction.ts'

test('a full store is merged at first, then when records were deleted, and not all the time', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  let merged = 0
  const store = {
    deletedCount: 0,
    async compact() {
      merged++
    },
  }
  const compaction = new Compaction({ env, store })
  await compaction.check()
  t.is(merged, 1)
  await env.advance(compactionIntervalMs)
  await compaction.check()
  t.is(merged, 1)
  store.deletedCount = 5
  await compaction.check()
  store.deletedCount = 6
  await compaction.check()
  t.is(merged, 2)
  await env.advance(compactionIntervalMs)
  await compaction.check()
  t.is(merged, 3)
})
