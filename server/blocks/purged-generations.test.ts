import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { purgedRememberedMs } from '../../network/limits.ts'
import { PurgedGenerations } from './purged-generations.ts'

const generation = { ino: 7, generation: 2 }
const stale = { code: 'STALE_WRITE' }

test('only what was purged is refused', t => {
  const purged = new PurgedGenerations(new SimulatedEnv({ seed: 1 }))
  t.notThrows(() => purged.check(generation))
  purged.add(generation)
  t.throws(() => purged.check(generation), stale)
  t.notThrows(() => purged.check({ ...generation, generation: 3 }))
  t.notThrows(() => purged.check({ ...generation, ino: 8 }))
})

test('it is remembered for its time since it was last purged', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const purged = new PurgedGenerations(env)
  purged.add(generation)
  await env.advance(purgedRememberedMs - 1)
  purged.add(generation)
  await env.advance(purgedRememberedMs - 1)
  purged.add({ ino: 8, generation: 1 })
  t.throws(() => purged.check(generation), stale)
  await env.advance(1)
  purged.add({ ino: 9, generation: 1 })
  t.notThrows(() => purged.check(generation))
  t.is(purged.size, 2)
})

test('no more than so many are remembered', t => {
  const purged = new PurgedGenerations(new SimulatedEnv({ seed: 1 }), 2)
  for (const ino of [1, 2, 3]) purged.add({ ino, generation: 1 })
  t.is(purged.size, 2)
  t.notThrows(() => purged.check({ ino: 1, generation: 1 }))
  t.throws(() => purged.check({ ino: 2, generation: 1 }), stale)
})
