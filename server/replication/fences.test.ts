import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { leaseMs } from '../../network/limits.ts'
import { Fences } from './fences.ts'

test('whoever comes with an older epoch, or as another primary of the same, is refused', t => {
  const fences = new Fences(new SimulatedEnv({ seed: 1 }), () => null)
  fences.pass(3, 5, 'a')
  fences.pass(3, 5, 'a')
  t.throws(() => fences.pass(3, 5, 'b'), { message: /STALE_EPOCH/ })
  fences.pass(3, 6, 'b')
  t.throws(() => fences.pass(3, 5, 'a'), { message: /STALE_EPOCH/ })
  t.false(fences.grant(3, 5, 'a'))
  t.is(fences.primaryOf(3), 'b')
})

test('a lease that was given is waited out, and after a start one that may have been', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const fences = new Fences(env, () => null)
  t.is(fences.leftMs(3), leaseMs)
  await env.advance(leaseMs)
  t.is(fences.leftMs(3), 0)
  t.true(fences.grant(3, 1, 'a'))
  await env.advance(leaseMs / 2)
  t.is(fences.leftMs(3), leaseMs / 2)
})
