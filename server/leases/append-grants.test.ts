import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import { AppendGrants } from './append-grants.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  return { env, grants: new AppendGrants(env) }
}

test('one append is granted at a time, and a repeat of the request gets it again', t => {
  const { grants } = setUp()
  grants.grant(1, 'a', 4)
  t.notThrows(() => grants.grant(1, 'a', 4))
  t.throws(() => grants.grant(1, 'a', 5), { message: /CONFLICT/ })
  t.throws(() => grants.grant(1, 'b', 4), { message: /CONFLICT/ })
  t.notThrows(() => grants.grant(2, 'b', 4))
})

test('only others are kept from raising the size', t => {
  const { grants } = setUp()
  grants.grant(1, 'a', 4)
  t.true(grants.excludes(1, 'b'))
  t.false(grants.excludes(1, 'a'))
  t.false(grants.excludes(2, 'b'))
  t.true(grants.holds(1, 'a'))
  t.false(grants.holds(1, 'b'))
})

test('only its holder gives a grant back', t => {
  const { grants } = setUp()
  grants.grant(1, 'a', 4)
  grants.release(1, 'b')
  t.true(grants.holds(1, 'a'))
  grants.release(1, 'a')
  t.notThrows(() => grants.grant(1, 'b', 0))
})

test('a grant ends by itself, and with its client', async t => {
  const { env, grants } = setUp()
  grants.grant(1, 'a', 4)
  await env.advance(operationDeadlineMs - 1)
  t.true(grants.excludes(1, 'b'))
  await env.advance(1)
  t.false(grants.excludes(1, 'b'))
  t.false(grants.holds(1, 'a'))
  grants.grant(1, 'b', 0)
  grants.grant(2, 'b', 0)
  grants.releaseAll('b')
  t.false(grants.excludes(1, 'a') || grants.excludes(2, 'a'))
})
