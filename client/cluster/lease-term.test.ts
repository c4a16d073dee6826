import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { leaseIdleMs, leaseRenewalMs, leaseTermMs } from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { RenewLeasesReply } from '../../network/wire/operations.ts'
import { LeaseTerms } from './lease-term.ts'
import { RemoteWall } from './remote-wall.ts'

type Term = Omit<RenewLeasesReply, 'wallNs'>

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const wall = new RemoteWall(env.clock)
  const terms = new LeaseTerms(env.clock, wall)
  const asked: number[] = []
  const server = {
    reply: async (generation: number): Promise<Term> => ({
      generation: generation === 0 ? 1 : generation,
      termMs: leaseTermMs,
      alone: true,
    }),
  }
  const peer = {
    call: async (_: string, { generation }: { generation: number }) => {
      asked.push(generation)
      return { body: { ...(await server.reply(generation)), wallNs: 7n }, payload: [] }
    },
  } as unknown as Peer
  const renew = () => terms.renew(peer)
  return { env, wall, terms, asked, server, renew }
}

test('a term begins when one is wanted, and is over when nobody renews it', async t => {
  const { env, wall, terms, asked, renew } = setUp()
  await renew()
  t.deepEqual(asked, [], 'nobody wants one')
  t.is(terms.current, null)
  await renew()
  t.is(wall.nowNs(), 7n, "the server's wall clock is heard with it")
  t.is(terms.current?.generation, 1)
  await env.advance(leaseTermMs - 1)
  t.is(terms.current?.generation, 1)
  await env.advance(1)
  t.is(terms.current, null)
})

test('a term that is renewed goes on, as long as it is used', async t => {
  const { env, terms, asked, renew } = setUp()
  t.is(terms.current, null)
  await renew()
  const term = terms.current
  for (let passed = 0; passed < 3 * leaseIdleMs; passed += leaseRenewalMs) {
    await env.advance(leaseRenewalMs)
    await renew()
    if (passed < leaseIdleMs) t.is(terms.current, term)
  }
  const renewals = asked.length
  t.true(renewals < (2.2 * leaseIdleMs) / leaseRenewalMs, `${renewals} renewals`)
  t.is(terms.current, null)
  await renew()
  t.is(asked.at(-1), 0)
})

test('a term counts from when its renewal was asked for', async t => {
  const { env, terms, server, renew } = setUp()
  const { reply } = server
  server.reply = async generation => {
    await env.timers.sleep(100)
    return await reply(generation)
  }
  t.is(terms.current, null)
  const renewal = renew()
  await env.advance(100)
  await renewal
  await env.advance(leaseTermMs - 101)
  t.is(terms.current?.generation, 1)
  await env.advance(1)
  t.is(terms.current, null)
})

test('a term runs out also while its machine is suspended, and its timers stand still', async t => {
  const { env, terms, asked, renew } = setUp()
  t.is(terms.current, null)
  await renew()
  const before = terms.current!
  env.suspend(leaseTermMs - 1)
  t.is(terms.current, before)
  env.suspend(1)
  t.is(terms.current, null)
  await renew()
  t.deepEqual(asked, [0, 0])
})

test('a term knows as of its last renewal whether others have one', async t => {
  const { terms, server, renew } = setUp()
  t.is(terms.current, null)
  await renew()
  t.true(terms.current?.isAlone)
  server.reply = async generation => ({ generation, termMs: leaseTermMs, alone: false })
  await renew()
  t.false(terms.current?.isAlone)
})

test('a term that its server ended is followed by another one when it has run out', async t => {
  const { env, terms, asked, server, renew } = setUp()
  const { reply } = server
  t.is(terms.current, null)
  await renew()
  const before = terms.current!
  await env.advance(100)
  server.reply = async generation => ({ generation, termMs: 0, alone: false })
  await renew()
  server.reply = reply
  t.true(before.untilMs < 0, 'nothing is said by it any more')
  t.is(terms.current, null)
  await env.advance(leaseTermMs - 101)
  await renew()
  t.deepEqual(asked, [0, 1])
  await env.advance(1)
  await renew()
  t.deepEqual(asked, [0, 1, 0])
})

test('a term goes on when the connection breaks, and is heard again when it is renewed by the next', async t => {
  const { env, terms, asked, renew } = setUp()
  t.is(terms.current, null)
  await renew()
  const term = terms.current!
  await env.advance(100)
  terms.unheard()
  t.is(terms.current, term)
  t.false(term.isHeard)
  t.true(terms.isUnheard)
  await renew()
  t.deepEqual(asked, [0, 1])
  t.true(term.isHeard)
  await env.advance(leaseTermMs - 1)
  t.is(terms.current, term)
})

test('a server that does not renew a term, or begins another one, ends it', async t => {
  for (const answer of [
    { generation: 1, termMs: 0, alone: false },
    { generation: 2, termMs: leaseTermMs, alone: true },
  ]) {
    const { env, terms, server, renew } = setUp()
    t.is(terms.current, null)
    await renew()
    const before = terms.current!
    await env.advance(1)
    server.reply = async () => answer
    await renew()
    t.true(before.untilMs < 0)
    t.is(terms.current?.generation ?? 0, answer.termMs === 0 ? 0 : 2)
  }
})

test('a renewal that was asked for before the connection broke says nothing', async t => {
  const { terms, server, renew } = setUp()
  t.is(terms.current, null)
  await renew()
  const answer = Promise.withResolvers<Term>()
  server.reply = () => answer.promise
  const renewal = renew()
  terms.unheard()
  answer.resolve({ generation: 1, termMs: leaseTermMs, alone: true })
  await renewal
  t.false(terms.current?.isHeard)
})

test('a renewal that fails leaves the term as it was', async t => {
  const { env, terms, server, renew } = setUp()
  t.is(terms.current, null)
  await renew()
  await env.advance(1)
  server.reply = () => Promise.reject(new ClusterError('TIMEOUT', 'no answer'))
  await renew()
  await env.advance(leaseTermMs - 2)
  t.is(terms.current?.generation, 1)
  await env.advance(1)
  t.is(terms.current, null)
})
