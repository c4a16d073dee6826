import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { sessionTimeoutMs } from '../../network/limits.ts'
import type { Partition } from '../partition/partition.ts'
import { LockRecords } from './lock-records.ts'

const [early, late] = [1, 2]

test('who had locks in a partition that is taken up late is waited for as long, and no longer', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const logged: string[] = []
  let thawed = 0
  const records = new LockRecords({
    env,
    partitions: () => [],
    thawed: () => {
      thawed += 1
    },
    log: message => logged.push(message),
  })
  records.restore(early, 'a')
  await env.advance(sessionTimeoutMs)
  t.false(records.isFrozen(early))
  t.is(thawed, 1)
  records.restore(late, 'b')
  t.true(records.isFrozen(late))
  t.true(records.mayReclaim(late, 'b'))
  await env.advance(sessionTimeoutMs - 1)
  t.true(records.isFrozen(late))
  await env.advance(1)
  t.false(records.isFrozen(late))
  t.is(thawed, 2)
  t.is(logged.length, 2)
  records.close()
})

test('who comes back while its records go has lost its locks, and others still wait', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const removed = Promise.withResolvers<void>()
  const partition = {
    id: early,
    stageMutations: () => removed.promise,
    store: { sync: async () => undefined },
  }
  const records = new LockRecords({
    env,
    partitions: () => [partition as unknown as Partition],
    thawed: () => undefined,
    log: () => undefined,
  })
  records.restore(early, 'a')
  await env.advance(sessionTimeoutMs)
  t.false(records.mayReclaim(early, 'a'))
  records.returned('a')
  t.true(records.isFrozen(early))
  removed.resolve()
  await env.advance(1)
  t.false(records.isFrozen(early))
  records.close()
})
