import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { leaseRecallMs, leaseTermMs, readLeaseMs, readLeaseRestMs } from '../../network/limits.ts'
import { entriesKey, inodeKey } from '../metadata/keys.ts'
import { FakeClient, never, setUp } from './leases.test-support.ts'
import { LeasedKey, outwaitLeases } from './read-leases.ts'

const key = inodeKey(0, 7)
const other = inodeKey(0, 8)
const elsewhere = inodeKey(1, 7)
const name = entriesKey(0, 7, 99)

test('who changes something waits until others have given it back, and not for its own', async t => {
  const { leases, begin, met, isOver } = setUp()
  const { fake } = begin('me')
  t.is(leases.grant(key, 'me'), readLeaseMs)
  t.is(met(key, 'me'), null)
  t.is(met(other, 'you'), null)
  const answer = Promise.withResolvers<void>()
  fake.answers = answer.promise
  const released = met(key, 'you')!
  t.false(await isOver(released))
  t.deepEqual(fake.recalled, [{ inodes: [7], names: [] }])
  t.false(await isOver(met(key, 'you')!), 'asked once, and waited for by all')
  t.is(fake.recalled.length, 1)
  answer.resolve()
  t.true(await isOver(released))
  t.is(met(key, 'you'), null)
  t.is(leases.size, 0)
})

test('whoever is in nobody else has its own called back as well', async t => {
  const { leases, begin, met, isOver } = setUp()
  const { fake } = begin('me')
  leases.grant(name, 'me')
  t.true(await isOver(met(name, null)!))
  t.deepEqual(fake.recalled, [{ inodes: [], names: [{ parent: 7, hash: 99 }] }])
})

test('all who have a lease are asked, and each of them is waited for', async t => {
  const { leases, begin, met, isOver } = setUp()
  const [me, you] = [begin('me'), begin('you')]
  leases.grant(key, 'me')
  leases.grant(key, 'you')
  const answer = Promise.withResolvers<void>()
  you.fake.answers = answer.promise
  const released = met(key, 'they')!
  t.false(await isOver(released))
  t.is(me.fake.recalled.length, 1)
  t.is(met(key, 'you'), null, 'what is left is its own')
  answer.resolve()
  t.true(await isOver(released))
})

test('without a term nothing is leased, and what a term had ends with it', async t => {
  const { env, leases, begin, met } = setUp()
  t.is(leases.grant(key, 'me'), 0)
  const { generation } = begin('me')
  leases.grant(key, 'me')
  await env.advance(leaseTermMs - 1)
  t.like(leases.renew('me', new FakeClient(), generation), { generation, termMs: leaseTermMs })
  await env.advance(leaseTermMs - 1)
  t.not(met(key, 'you'), null)
  await env.advance(1)
  t.is(met(key, 'you'), null)
  t.is(leases.grant(key, 'me'), 0)
  const renewed = leases.renew('me', new FakeClient(), generation)
  t.not(renewed.generation, generation, 'it is another one: the client has to forget')
  t.is(renewed.termMs, leaseTermMs)
})

test('who does not give back what it is asked for has its term renewed no more, and is waited for until then', async t => {
  const { env, leases, begin, met, isOver } = setUp()
  const { fake, generation } = begin('me')
  leases.grant(key, 'me')
  fake.answers = never
  fake.call = async () => {
    await env.timers.sleep(leaseRecallMs)
    throw new ClusterError('TIMEOUT', 'no answer')
  }
  const released = met(key, 'you')!
  await env.advance(leaseRecallMs - 1)
  t.is(leases.renew('me', fake, generation).termMs, leaseTermMs)
  await env.advance(1)
  t.like(leases.renew('me', fake, generation), { generation, termMs: 0 })
  t.is(leases.grant(other, 'me'), 0)
  await env.advance(leaseTermMs - 2)
  t.false(await isOver(released))
  await env.advance(1)
  t.true(await isOver(released))
})

test('who begins another term has given back all that it had', async t => {
  const { leases, begin, met, isOver } = setUp()
  const first = begin('me')
  leases.grant(key, 'me')
  leases.grant(other, 'me')
  first.fake.answers = never
  const released = met(key, 'you')!
  t.false(await isOver(released))
  const second = begin('me')
  t.true(await isOver(released))
  t.is(met(other, 'you'), null)
  t.like(leases.renew('me', first.fake, first.generation), {
    generation: first.generation,
    termMs: 0,
  })
  t.is(leases.renew('me', second.fake, second.generation).termMs, leaseTermMs)
})

test('a client is told whether another one has a term', async t => {
  const { env, leases, begin } = setUp()
  const { fake, generation } = begin('me')
  t.true(leases.renew('me', fake, generation).alone)
  const you = begin('you')
  t.false(leases.renew('me', fake, generation).alone)
  t.false(leases.renew('you', you.fake, you.generation).alone)
  await env.advance(leaseTermMs / 2)
  leases.renew('me', fake, generation)
  await env.advance(leaseTermMs / 2)
  t.true(leases.renew('me', fake, generation).alone)
})

test('a process that knows nothing of a term begins another one, with another number', t => {
  for (let generation = 1; generation < 5; generation++) {
    const { leases } = setUp()
    t.not(leases.renew('me', new FakeClient(), generation).generation, generation)
  }
})

test('what somebody had to wait for is leased to nobody for a while', async t => {
  const { env, leases, begin, met, isOver } = setUp()
  const { fake, generation } = begin('me')
  leases.grant(key, 'me')
  t.true(await isOver(met(key, 'you')!))
  t.is(leases.grant(key, 'me'), 0)
  t.is(leases.grant(other, 'me'), readLeaseMs)
  await env.advance(readLeaseRestMs / 2)
  leases.renew('me', fake, generation)
  await env.advance(readLeaseRestMs / 2)
  leases.renew('me', fake, leases.renew('me', fake, generation).generation)
  t.is(leases.grant(key, 'me'), readLeaseMs)
})

test('a partition that pauses grants none, until the last that wanted it so is done', t => {
  const { leases, begin } = setUp()
  begin('me')
  const resumes = [leases.pause(0), leases.pause(0)]
  t.is(leases.grant(key, 'me'), 0)
  t.is(leases.grant(elsewhere, 'me'), readLeaseMs)
  resumes[0]!()
  t.is(leases.grant(key, 'me'), 0)
  resumes[1]!()
  t.is(leases.grant(key, 'me'), readLeaseMs)
})

test('what is leased of a partition is called back before it goes elsewhere, and nothing else', async t => {
  const { leases, begin, met, isOver } = setUp()
  const { fake } = begin('me')
  for (const leased of [key, name, elsewhere]) leases.grant(leased, 'me')
  t.true(await isOver(leases.withdraw(0)))
  t.deepEqual(fake.recalled, [{ inodes: [7], names: [{ parent: 7, hash: 99 }] }])
  t.is(met(key, 'you'), null)
  t.not(met(elsewhere, 'you'), null)
})

test('a term is not renewed while a partition that its client was granted anything in is not served here', async t => {
  let isServed = true
  const { leases, begin, isOver } = setUp({ serves: () => isServed })
  const { fake, generation } = begin('me')
  isServed = false
  t.is(leases.renew('me', fake, generation).termMs, leaseTermMs, 'it was granted nothing')
  isServed = true
  leases.grant(key, 'me')
  isServed = false
  t.is(leases.renew('me', fake, generation).termMs, 0)
  isServed = true
  t.is(leases.renew('me', fake, generation).termMs, 0, 'others may have changed it')
  const again = begin('me')
  leases.grant(key, 'me')
  t.true(await isOver(leases.withdraw(0)))
  isServed = false
  t.is(leases.renew('me', again.fake, again.generation).termMs, leaseTermMs)
})

test('what was leased before a process began has run out a term later, of a server that is new at once', async t => {
  const { env, leases, isOver } = setUp({ isNew: false })
  const former = leases.formerEnded(0, false)
  await env.advance(leaseTermMs - 1)
  t.false(await isOver(former))
  const byAnother = leases.formerEnded(1, true)
  await env.advance(1)
  t.true(await isOver(former))
  t.true(await isOver(leases.formerEnded(0, false)))
  t.false(await isOver(byAnother))
  await env.advance(leaseTermMs)
  t.true(await isOver(byAnother))
  t.true(await isOver(setUp().leases.formerEnded(0, false)))
})

test('a partition that is given up at once is so when nobody goes by what others had leased of it', async t => {
  const { env, leases, isOver } = setUp()
  void leases.formerEnded(0, true)
  const withdrawn = leases.withdraw(0)
  t.true(await isOver(leases.withdraw(1)))
  await env.advance(leaseTermMs - 1)
  t.false(await isOver(withdrawn))
  await env.advance(1)
  t.true(await isOver(withdrawn))
  t.true(await isOver(leases.withdraw(0)))
})

test('leases are bounded, and make room when they have run out', async t => {
  const { env, leases, begin } = setUp({ limit: 1 })
  const { fake, ...begun } = begin('me')
  let { generation } = begun
  leases.grant(key, 'me')
  t.is(leases.grant(other, 'me'), 0)
  t.is(leases.size, 1)
  for (let passed = 0; passed < readLeaseMs; passed += leaseTermMs / 2) {
    await env.advance(leaseTermMs / 2)
    generation = leases.renew('me', fake, generation).generation
  }
  t.is(leases.grant(other, 'me'), readLeaseMs)
})

test('what the server changes by itself waits until nobody has a lease on it', async t => {
  const { leases, begin, isOver } = setUp()
  const { fake } = begin('me')
  const answer = Promise.withResolvers<void>()
  fake.answers = answer.promise
  leases.grant(key, 'me')
  let runs = 0
  const done = outwaitLeases(() => {
    runs++
    leases.check(key, null)
  })
  t.false(await isOver(done))
  answer.resolve()
  t.true(await isOver(done))
  t.is(runs, 2)
})

test('who alone goes by anything of a partition may be leased all of it, and nobody else is served before it has given that back', async t => {
  const { env, leases, begin, isOver } = setUp()
  const [me, you] = [begin('me'), begin('you')]
  leases.grant(key, 'you')
  t.is(leases.grantPartition(0, 'me'), 0, 'another goes by something there')
  await env.advance(readLeaseMs)
  Object.assign(me, begin('me'))
  begin('you')
  t.is(leases.grantPartition(0, 'me'), readLeaseMs)
  leases.checkServed(0, 'me')
  leases.checkServed(1, 'you')
  t.is(leases.grant(other, 'you'), 0, 'nothing is leased to another meanwhile')
  t.is(leases.grant(elsewhere, 'you'), readLeaseMs)
  const answer = Promise.withResolvers<void>()
  me.fake.answers = answer.promise
  const served = t.throws(() => leases.checkServed(0, 'you'), { instanceOf: LeasedKey })!
  t.false(await isOver(served.released))
  t.deepEqual(me.fake.recalled, [{ inodes: [], names: [], partitions: [0] }])
  answer.resolve()
  t.true(await isOver(served.released))
  leases.checkServed(0, 'you')
  t.is(leases.grantPartition(0, 'me'), 0, 'it rests')
  t.is(you.fake.recalled.length, 0)
})
