import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import {
  leaseFlushMs,
  leaseRecallMs,
  leaseResumeMs,
  leaseTermMs,
  readLeaseMs,
  readLeaseRestMs,
} from '../../network/limits.ts'
import { inodeKey } from '../metadata/keys.ts'
import { FakeClient, never, setUp } from './leases.test-support.ts'

const key = inodeKey(0, 7)

function writing() {
  const room = setUp()
  const { fake, generation } = room.begin('me')
  room.begin('you')
  room.leases.grant(key, 'me')
  const granted = room.leases.grantWriting(key, 'me')
  return { ...room, fake, generation, granted }
}

test('who only reads what another writes behind has it called back, and waits', async t => {
  const { leases, met, metReading, isOver, fake, granted } = writing()
  t.true(granted)
  t.is(metReading(key, 'me'), null)
  t.is(met(key, 'me'), null)
  t.true(leases.isWrittenBehind(key, 'you'))
  t.false(leases.isWrittenBehind(key, 'me'))
  const answer = Promise.withResolvers<void>()
  fake.answers = answer.promise
  const released = metReading(key, 'you')!
  t.false(await isOver(released))
  t.deepEqual(fake.recalled, [{ inodes: [7], names: [] }])
  t.is(metReading(key, 'me'), null, 'what it has left it can bring')
  t.false(leases.grantWriting(key, 'me'), 'but nothing more')
  answer.resolve()
  t.true(await isOver(released))
  t.is(metReading(key, 'you'), null)
  t.is(met(key, 'you'), null)
})

test('nobody is leased for writing what others go by, or what rests', async t => {
  const { env, leases, begin, met, isOver } = setUp()
  begin('me')
  begin('you')
  t.false(leases.grantWriting(key, 'me'), 'without a lease')
  leases.grant(key, 'you')
  leases.grant(key, 'me')
  t.false(leases.grantWriting(key, 'me'))
  t.true(await isOver(met(key, 'me')!))
  t.is(leases.grant(key, 'me'), 0)
  await env.advance(readLeaseRestMs / 2)
  begin('me')
  await env.advance(readLeaseRestMs / 2)
  t.is(leases.grant(key, 'me'), readLeaseMs)
  t.true(leases.grantWriting(key, 'me'))
})

test('who has to write first has more time to answer, as long as its term goes on', async t => {
  const { env, leases, metReading, isOver, fake, generation } = writing()
  const answer = Promise.withResolvers<void>()
  fake.answers = answer.promise
  const released = metReading(key, 'you')!
  for (let ms = 0; ms < leaseFlushMs - leaseTermMs / 2; ms += leaseTermMs / 2) {
    await env.advance(leaseTermMs / 2)
    t.is(leases.renew('me', fake, generation).termMs, leaseTermMs)
  }
  t.true(leaseFlushMs > leaseRecallMs + leaseTermMs)
  t.false(await isOver(released))
  answer.resolve()
  t.true(await isOver(released))
})

test('a writer that is not heard of any more is waited for until its term is over', async t => {
  const { env, met, metReading, isOver, fake } = writing()
  fake.answers = never
  const released = metReading(key, 'you')!
  await env.advance(leaseTermMs - 1)
  t.false(await isOver(released))
  await env.advance(1)
  t.true(await isOver(released))
  t.is(metReading(key, 'you'), null)
  t.is(met(key, 'you'), null)
  t.is(met(key, null), null)
})

test('also where nobody had asked it before its term was over', async t => {
  const { env, met } = writing()
  await env.advance(leaseTermMs - 1)
  t.not(met(key, 'you'), null)
  await env.advance(1)
  t.is(met(key, 'you'), null)
})

test('who began another term early may have blocks on their way until that of before would have been over', async t => {
  const { env, leases, met, metReading, isOver } = writing()
  await env.advance(leaseTermMs - leaseResumeMs - 100)
  leases.renew('me', new FakeClient(), 0)
  t.is(met(key, 'me'), null)
  await env.advance(leaseResumeMs)
  t.is(metReading(key, 'you'), null)
  const released = met(key, 'you')!
  await env.advance(99)
  t.false(await isOver(released))
  await env.advance(1)
  t.true(await isOver(released))
  t.is(met(key, 'you'), null)
})

test('a recall that fails is no answer', async t => {
  const { env, metReading, isOver, fake } = writing()
  fake.call = async () => {
    throw new ClusterError('CLOSED', 'gone')
  }
  const released = metReading(key, 'you')!
  t.false(await isOver(released))
  await env.advance(leaseTermMs)
  t.true(await isOver(released))
})

test('a writer whose connection broke is asked again by its next one, and what it says then counts', async t => {
  const { env, leases, met, metReading, isOver, fake, generation } = writing()
  fake.call = async () => {
    throw new ClusterError('CLOSED', 'gone')
  }
  const released = metReading(key, 'you')!
  t.false(await isOver(released))
  t.is(leases.renew('me', fake, generation).termMs, 0, 'by that one it did not answer')
  await env.advance(leaseRecallMs)
  const next = new FakeClient()
  const answer = Promise.withResolvers<void>()
  next.answers = answer.promise
  t.is(leases.renew('me', next, generation).termMs, leaseTermMs)
  t.false(await isOver(released))
  t.deepEqual(next.recalled, [{ inodes: [7], names: [] }])
  t.false(leases.grantWriting(key, 'me'))
  answer.resolve()
  t.true(await isOver(released))
  t.is(met(key, 'you'), null)
})

test('also where its server had not noticed yet that it broke', async t => {
  const { env, leases, metReading, isOver, fake, generation } = writing()
  fake.answers = never
  const released = metReading(key, 'you')!
  t.false(await isOver(released))
  await env.advance(leaseRecallMs)
  t.is(leases.renew('me', new FakeClient(), generation).termMs, leaseTermMs)
  t.true(await isOver(released))
})

test('who comes by one connection after the other, and answers by none, is waited for no longer than who is silent', async t => {
  const { env, leases, metReading, isOver, fake, generation } = writing()
  fake.answers = never
  const released = metReading(key, 'you')!
  let waitedMs = 0
  for (; !(await isOver(released)); waitedMs += leaseTermMs / 4) {
    const next = new FakeClient()
    next.answers = never
    next.call = async (_: string, __: object, { deadlineMs }: { deadlineMs: number }) => {
      await env.timers.sleep(deadlineMs)
      throw new ClusterError('TIMEOUT', 'no answer')
    }
    leases.renew('me', next, generation)
    await env.advance(leaseTermMs / 4)
  }
  t.true(waitedMs <= leaseFlushMs + leaseTermMs, `${waitedMs} ms`)
})

test('what its writer has closed is read without asking it', t => {
  const { leases, metReading, fake } = writing()
  leases.closed(key, 'you')
  t.true(leases.isWrittenBehind(key, 'you'))
  leases.closed(key, 'me')
  t.is(metReading(key, 'you'), null)
  t.deepEqual(fake.recalled, [])
})

test('a writer goes on with what it had begun, unless others were told that nobody does', async t => {
  const { env, leases, begin, met, isOver } = writing()
  leases.renew('me', new FakeClient(), 0)
  t.is(leases.resumeWriting(key, 'me'), readLeaseMs)
  t.true(await isOver(met(key, 'you')!))
  t.true(leases.calmMs(key, 'you') > 0)
  t.is(leases.resumeWriting(key, 'me'), 0)
  await env.advance(readLeaseRestMs)
  begin('me')
  t.is(leases.resumeWriting(key, 'me'), readLeaseMs)
})

test('that data was kept is known of a writer that ended unheard, without a gap, until another one is granted', async t => {
  const { env, leases, begin } = writing()
  const { writing: writers } = leases
  writers.keptData(key, 9, 10)
  t.false(writers.isDataKept(key, 'me', 9, 10), 'its term goes on')
  await env.advance(leaseTermMs)
  writers.keptData(key, 10, 11)
  t.true(writers.isDataKept(key, 'me', 10, 11))
  t.false(writers.isDataKept(key, 'you', 10, 11))
  writers.keptData(key, 11, 12)
  for (const left of [10, 11, 12]) t.true(writers.isDataKept(key, 'me', left, 12))
  t.false(writers.isDataKept(key, 'me', 9, 12))
  t.false(writers.isDataKept(key, 'me', 10, 13), 'more has changed')
  writers.keptData(key, 13, 14)
  t.false(writers.isDataKept(key, 'me', 10, 14), 'what was 13 is not known')
  t.true(writers.isDataKept(key, 'me', 13, 14))
  await leases.formerEnded(0, false)
  t.false(writers.isDataKept(key, 'me', 13, 14), 'the partition was taken up anew')
  writers.keptData(key, 14, 15)
  begin('me')
  t.true(leases.resumeWriting(key, 'me') > 0)
  t.false(writers.isDataKept(key, 'me', 14, 15))
})

test('who looks after a writer has come back waits for what it has, for a moment at most', async t => {
  for (const end of ['it goes on', 'it has closed the file', 'it says nothing']) {
    const { env, leases, begin, met, metReading, isOver } = writing()
    await env.advance(leaseTermMs)
    t.is(metReading(key, 'you'), null, 'as long as it is away nobody waits')
    t.false(leases.isWrittenBehind(key, 'you'))
    begin('me')
    t.true(leases.isWrittenBehind(key, 'you'))
    t.is(metReading(key, 'me'), null)
    const released = metReading(key, 'you')!
    const changing = met(key, 'you')!
    t.false(await isOver(released))
    if (end === 'it goes on') t.true(leases.resumeWriting(key, 'me') > 0)
    else if (end === 'it has closed the file') leases.closed(key, 'me')
    else await env.advance(leaseResumeMs)
    t.true(await isOver(released))
    t.is(leases.isWrittenBehind(key, 'you'), end === 'it goes on')
    t.true(await isOver(changing))
    if (end === 'it goes on') t.true(await isOver(met(key, 'you')!))
    t.is(met(key, 'you'), null)
  }
})

test('what several change goes on resting, and each is told for how long', async t => {
  const { env, leases, begin, met, isOver } = writing()
  t.is(leases.calmMs(key, 'me'), 0)
  t.true(await isOver(met(key, 'you')!))
  t.is(leases.calmMs(key, 'you'), readLeaseRestMs)
  await env.advance(readLeaseRestMs / 2)
  t.is(leases.calmMs(key, 'you'), readLeaseRestMs / 2, 'one that is alone comes to rest')
  t.is(leases.calmMs(key, 'me'), readLeaseRestMs)
  t.is(leases.calmMs(key, 'you'), readLeaseRestMs)
  await env.advance(readLeaseRestMs - 1)
  begin('me')
  t.is(leases.grant(key, 'me'), 0)
  await env.advance(1)
  t.is(leases.grant(key, 'me'), readLeaseMs)
})

test('what was just taken over from another server is leased to nobody for writing, for as long as it may rest there', async t => {
  const { env, leases, begin } = setUp()
  await leases.formerEnded(0, false)
  begin('me')
  leases.grant(key, 'me')
  t.false(leases.grantWriting(key, 'me'))
  await env.advance(readLeaseRestMs)
  begin('me')
  leases.grant(key, 'me')
  t.true(leases.grantWriting(key, 'me'))
})
