import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { readLeaseMs, readLeaseRestMs } from '../../network/limits.ts'
import { inodeKey } from '../metadata/keys.ts'
import { LeasedKey, outwaitLeases, ReadLeases } from './read-leases.ts'

const key = inodeKey(0, 7)
const other = inodeKey(0, 8)
const elsewhere = inodeKey(1, 7)

function setUp(limit?: number) {
  const env = new SimulatedEnv({ seed: 1 })
  return { env, leases: new ReadLeases(env, limit) }
}

test('who changes something waits until the leases of others have run out, and not for its own', async t => {
  const { env, leases } = setUp()
  t.is(leases.grant(key, 'me'), readLeaseMs)
  t.notThrows(() => leases.check(key, 'me'))
  t.notThrows(() => leases.check(other, 'you'))
  t.throws(() => leases.check(key, null), { instanceOf: LeasedKey })
  const met = t.throws(() => leases.check(key, 'you'), { instanceOf: LeasedKey })!
  let released = false
  void met.released.then(() => {
    released = true
  })
  await env.advance(readLeaseMs - 1)
  t.false(released)
  await env.advance(1)
  t.true(released)
  t.notThrows(() => leases.check(key, 'you'))
})

test('a lease that several have is in the way of each of them', async t => {
  const { env, leases } = setUp()
  leases.grant(key, 'me')
  await env.advance(readLeaseMs / 2)
  leases.grant(key, 'you')
  await env.advance(readLeaseMs / 2)
  for (const client of ['me', 'you']) {
    t.throws(() => leases.check(key, client), { instanceOf: LeasedKey })
  }
  await env.advance(readLeaseMs / 2)
  t.notThrows(() => leases.check(key, 'me'))
})

test('what somebody had to wait for is leased to nobody for a while', async t => {
  const { env, leases } = setUp()
  leases.grant(key, 'me')
  t.throws(() => leases.check(key, 'you'), { instanceOf: LeasedKey })
  await env.advance(readLeaseMs)
  t.is(leases.grant(key, 'me'), 0)
  t.is(leases.grant(other, 'me'), readLeaseMs)
  await env.advance(readLeaseRestMs)
  t.is(leases.grant(key, 'me'), readLeaseMs)
})

test('a partition that pauses grants none, until the last that wanted it so is done', t => {
  const { leases } = setUp()
  const resumes = [leases.pause(0), leases.pause(0)]
  t.is(leases.grant(key, 'me'), 0)
  t.is(leases.grant(elsewhere, 'me'), readLeaseMs)
  resumes[0]!()
  t.is(leases.grant(key, 'me'), 0)
  resumes[1]!()
  t.is(leases.grant(key, 'me'), readLeaseMs)
})

test('leases that ran out take no memory, and there are only so many', async t => {
  const { env, leases } = setUp(2)
  t.is(leases.grant(key, 'me'), readLeaseMs)
  t.is(leases.grant(other, 'me'), readLeaseMs)
  t.is(leases.grant(elsewhere, 'me'), 0)
  await env.advance(readLeaseMs)
  t.is(leases.grant(elsewhere, 'me'), readLeaseMs)
  t.is(leases.size, 1)
})

test('what a server changes by itself waits as often as it has to', async t => {
  const { env, leases } = setUp()
  leases.grant(key, 'me')
  let done = false
  const change = outwaitLeases(() => leases.check(key, '')).then(() => {
    done = true
  })
  await env.advance(readLeaseMs - 1)
  t.false(done)
  await env.advance(1)
  t.true(done)
  await change
  await t.throwsAsync(
    outwaitLeases(() => {
      throw new RangeError('something else')
    }),
    { instanceOf: RangeError },
  )
})
