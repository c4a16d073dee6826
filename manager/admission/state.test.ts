import { randomBytes } from 'node:crypto'
import test from 'ava'
import { realEnv } from '../../network/env/real.ts'
import { maxRemoved, maxTokens, tokenRememberedS } from '../../network/limits.ts'
import {
  type Arrival,
  authoritySerial,
  createAdmission,
  tokenIdOf,
  withArrival,
  withMember,
  withoutKey,
  withoutToken,
  withRemoved,
  withToken,
} from './state.ts'

const nowS = 1_000_000
const secret = randomBytes(16)
const arrival: Arrival = { peerId: 'peer-a', role: 'server', name: 'a' }
const other: Arrival = { ...arrival, peerId: 'peer-b' }

function withOneToken(more: { readonly uses?: number; readonly lifeS?: number } = {}) {
  const empty = createAdmission(realEnv().random)
  return withToken(empty, { secret, role: 'server', uses: 1, lifeS: 3600, ...more }, nowS)
}

test('a token lets in one key, and no second one', t => {
  const { state, member } = withArrival(withOneToken(), secret, arrival, nowS)
  t.is(member.role, 'server')
  t.is(member.serial, authoritySerial + 1)
  t.is(state.tokens[0]?.usesLeft, 0)
  t.throws(() => withArrival(state, secret, other, nowS), { message: /used up/ })
})

test('the key that a token let in gets the same again, while the token lives', t => {
  const first = withArrival(withOneToken(), secret, arrival, nowS)
  const again = withArrival(first.state, secret, arrival, nowS + 3599)
  t.is(again.state, first.state)
  t.is(again.member, first.member)
  t.throws(() => withArrival(first.state, secret, arrival, nowS + 3600), { message: /expired/ })
})

test('a token for two lets in two', t => {
  const first = withArrival(withOneToken({ uses: 2 }), secret, arrival, nowS)
  const second = withArrival(first.state, secret, other, nowS)
  t.true(second.member.serial > first.member.serial)
  const third: Arrival = { ...arrival, peerId: 'peer-c' }
  t.throws(() => withArrival(second.state, secret, third, nowS), { message: /used up/ })
})

test('expired, revoked, unknown, and for another role: each is refused with its reason, and spends nothing', t => {
  const state = withOneToken()
  const revoked = withoutToken(state, tokenIdOf(secret))
  t.throws(() => withArrival(state, secret, arrival, nowS + 3600), { message: /has expired/ })
  t.throws(() => withArrival(revoked, secret, arrival, nowS), { message: /was revoked/ })
  t.throws(() => withArrival(state, randomBytes(16), arrival, nowS), { message: /does not know/ })
  const client: Arrival = { ...arrival, role: 'client' }
  t.throws(() => withArrival(state, secret, client, nowS), {
    code: 'BAD_TOKEN',
    message: /for a server, not for a client/,
  })
  t.throws(() => withoutToken(state, 'ffffffff'), { message: /no token ffffffff/ })
})

test('the secret of a token is not kept', t => {
  const text = JSON.stringify(withOneToken())
  t.false(text.includes(secret.toString('hex')))
  t.false(text.includes(secret.toString('base64')))
})

test('a removed key stays out with its old token, and comes in with a new one and a higher serial', t => {
  const { state, member } = withArrival(withOneToken(), secret, arrival, nowS)
  const removed = withRemoved(state, arrival.peerId)
  t.true(removed.removed[0]!.serial >= member.serial)
  t.deepEqual(removed.admitted, [])
  t.is(withRemoved(removed, arrival.peerId), removed)
  t.throws(() => withArrival(removed, secret, arrival, nowS), { message: /used up/ })
  const next = randomBytes(16)
  const token = { secret: next, role: 'server' as const, uses: 1, lifeS: 60 }
  const back = withArrival(withToken(removed, token, nowS), next, arrival, nowS)
  t.true(back.member.serial > back.state.removed[0]!.serial)
})

test('a server is not shut out as a client is, and who was never let in is nobody', t => {
  const { state } = withArrival(withOneToken(), secret, arrival, nowS)
  t.throws(() => withoutKey(state, arrival.peerId), { code: 'IN_USE', message: /member remove/ })
  t.throws(() => withoutKey(state, other.peerId), { message: /was let in/ })
  const client = withMember(state, { ...other, role: 'client' }, { token: '', nowS })
  t.deepEqual(withoutKey(client.state, other.peerId).admitted, state.admitted)
})

test('a removed key that a token for several let in gets a higher serial with it, not its old one', t => {
  const { state } = withArrival(withOneToken({ uses: 2 }), secret, arrival, nowS)
  const back = withArrival(withRemoved(state, arrival.peerId), secret, arrival, nowS)
  t.true(back.member.serial > back.state.removed[0]!.serial)
})

test('a key has one role at a time: the last it was let in for', t => {
  const state = withOneToken()
  const first = withMember(state, arrival, { token: '', nowS })
  const second = withMember(first.state, { ...arrival, role: 'admin' }, { token: '', nowS })
  t.deepEqual(
    second.state.admitted.map(({ role }) => role),
    ['admin'],
  )
})

test('tokens are bounded, and forgotten a while after they expired', t => {
  let state = createAdmission(realEnv().random)
  for (let count = 0; count < maxTokens; count++) {
    state = withToken(state, { secret: randomBytes(16), role: 'client', uses: 1, lifeS: 10 }, nowS)
  }
  const one = { secret, role: 'client' as const, uses: 1, lifeS: 10 }
  t.throws(() => withToken(state, one, nowS + 10), { code: 'OVERLOADED' })
  t.is(withToken(state, one, nowS + 10 + tokenRememberedS).tokens.length, 1)
})

test('as many removed keys are remembered as there is room for, and then it is said that no more can be removed', t => {
  const removed = Array.from({ length: maxRemoved }, (_, index) => ({
    peerId: index === 0 ? arrival.peerId : `peer ${index}`,
    serial: 1,
  }))
  const full = { ...createAdmission(realEnv().random), removed }
  const both = withMember(
    withMember(full, arrival, { token: '', nowS }).state,
    { ...other, role: 'client' },
    { token: '', nowS },
  ).state
  t.throws(() => withRemoved(both, other.peerId), {
    code: 'OVERLOADED',
    message: /1024 keys were removed/,
  })
  const again = withRemoved(both, arrival.peerId)
  t.is(again.removed.length, maxRemoved)
  t.true(again.removed.at(-1)!.serial > 1)
})
