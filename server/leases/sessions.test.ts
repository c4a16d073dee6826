import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxSessions, sessionTimeoutMs } from '../../network/limits.ts'
import { Sessions } from './sessions.ts'

/** Sessions behind their grace, and what they told. */
async function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const closed: number[] = []
  const expired: string[] = []
  const events = {
    closed: (ino: number) => closed.push(ino),
    expired: (client: string) => expired.push(client),
  }
  const sessions = new Sessions(env, events)
  await env.advance(sessionTimeoutMs)
  return { env, sessions, closed, expired }
}

test('a client that is not known is told so', async t => {
  const { sessions } = await setUp()
  const error = t.throws(() => sessions.heard('a'), { instanceOf: ClusterError })
  t.is(error?.code, 'SESSION_EXPIRED')
})

test('an inode is open until everybody who opened it has released it as often', async t => {
  const { sessions, closed } = await setUp()
  sessions.renew('a', [])
  sessions.renew('b', [{ ino: 7, count: 1 }])
  sessions.opened('a', 7)
  sessions.opened('a', 7)
  sessions.released('b', 7)
  sessions.released('b', 7)
  sessions.released('a', 7)
  t.true(sessions.mayBeOpen(7))
  t.deepEqual(closed, [])
  sessions.released('a', 7)
  t.false(sessions.mayBeOpen(7))
  t.deepEqual(closed, [7])
})

test('what a client cannot have open is refused, and leaves what it had as it was', async t => {
  const { sessions, closed } = await setUp()
  sessions.renew('a', [{ ino: 1, count: 1 }])
  const second = [null, {}, { ino: '2', count: 1 }, { ino: 2, count: 0 }, { ino: 2, count: 0.5 }]
  const wrong = [undefined, null, 7, ...second.map(open => [{ ino: 3, count: 1 }, open])]
  for (const opens of wrong) {
    const renew = () => sessions.renew('a', opens as unknown as [])
    t.is((t.throws(renew) as ClusterError).code, 'MALFORMED', JSON.stringify(opens))
  }
  t.false(sessions.mayBeOpen(3))
  sessions.released('a', 1)
  t.deepEqual(closed, [1])
})

test('a renewal replaces what was known, and closes only what nobody holds any longer', async t => {
  const { sessions, closed } = await setUp()
  sessions.renew('a', [
    { ino: 1, count: 2 },
    { ino: 2, count: 1 },
    { ino: 3, count: 1 },
  ])
  sessions.renew('b', [{ ino: 2, count: 1 }])
  sessions.renew('a', [{ ino: 1, count: 1 }])
  t.deepEqual(closed, [3])
  t.true(sessions.mayBeOpen(1) && sessions.mayBeOpen(2))
  sessions.released('a', 1)
  t.deepEqual(closed, [3, 1])
})

test('a session ends when its client was silent too long, not before', async t => {
  const { env, sessions, closed, expired } = await setUp()
  sessions.renew('a', [{ ino: 1, count: 1 }])
  sessions.renew('b', [{ ino: 2, count: 5 }])
  await env.advance(sessionTimeoutMs - 1)
  sessions.heard('a')
  await env.advance(sessionTimeoutMs / 2)
  t.deepEqual(expired, ['b'])
  t.deepEqual(closed, [2])
  t.true(sessions.has('a'))
  t.false(sessions.has('b'))
  t.throws(() => sessions.heard('b'))
  await env.advance(sessionTimeoutMs)
  t.deepEqual(expired, ['b', 'a'])
})

test('what a client without a session opens or releases does not count', async t => {
  const { sessions, closed } = await setUp()
  sessions.opened('a', 1)
  sessions.released('a', 1)
  t.false(sessions.mayBeOpen(1))
  t.deepEqual(closed, [])
})

test('a server knows only so many clients at a time, and those it knows may renew', async t => {
  const { sessions } = await setUp()
  for (let index = 0; index < maxSessions; index++) sessions.renew(`${index}`, [])
  t.throws(() => sessions.renew('one more', []), { message: /OVERLOADED/ })
  t.notThrows(() => sessions.renew('0', []))
})

test('what an older connection of a client still brings is refused', t => {
  const sessions = new Sessions(new SimulatedEnv({ seed: 1 }), { closed() {}, expired() {} })
  sessions.renew('a', [], 1)
  t.notThrows(() => sessions.heard('a', 1))
  t.throws(() => sessions.heard('a', 2), { message: /SESSION_EXPIRED/ })
  sessions.renew('a', [], 2)
  t.throws(() => sessions.heard('a', 1), { message: /STALE_SLOT/ })
  t.throws(() => sessions.renew('a', [], 1), { message: /STALE_SLOT/ })
  t.notThrows(() => sessions.heard('a', 2))
  sessions.close()
})

test('a release that an older connection still brings closes nothing', async t => {
  const { sessions, closed } = await setUp()
  sessions.renew('a', [], 1)
  sessions.renew('a', [{ ino: 7, count: 1 }], 2)
  sessions.released('a', 7, 1)
  t.true(sessions.mayBeOpen(7))
  sessions.released('a', 7, 2)
  t.deepEqual(closed, [7])
})
