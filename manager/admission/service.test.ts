import test from 'ava'
import { verifyCertificate } from '../../network/admission/certificate.ts'
import { RefusalTally } from '../../network/admission/refusal-tally.ts'
import { decodeToken } from '../../network/admission/token.ts'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { makeIdentity } from '../../network/identity/identity.ts'
import { silentLog } from '../../network/log.ts'
import type { Handler, Peer } from '../../network/rpc/contract.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'
import { type ClusterState, createState } from '../membership/state.ts'
import { AdmissionDesk, type AdmissionOperations } from './service.ts'
import { createAdmission } from './state.ts'

const cluster = 'a1'.repeat(16)
const [identity, manager] = [await makeIdentity(), await makeIdentity()]
const managers = [{ peerId: manager.peerId, endpoints: ['10.0.0.1:7400'] }]

/** A desk whose states are kept in a list, and somebody who stands before it. */
function deskOf() {
  const env = new SimulatedEnv({ seed: 1 })
  const admission = createAdmission(env.random)
  const states: ClusterState[] = [
    createState({ cluster, partitionCount: 1, replicaCount: 1, admission }),
  ]
  const state = () => states.at(-1)!
  const refused = new RefusalTally()
  const desk = new AdmissionDesk({
    env,
    log: silentLog,
    state,
    refused,
    managers: async () => managers,
    change: async change => {
      const after = change(state())
      if (after !== state()) states.push(after)
    },
  })
  let closed = 0
  const peer = {
    peerId: identity.peerId,
    remote: 'libp2p://10.0.0.9:1/x',
    close: async () => {
      closed++
    },
  } as unknown as Peer
  async function ask<N extends OperationName & keyof AdmissionOperations>(
    name: N,
    body: RequestOf<N>,
    from: Peer = peer,
  ) {
    const handler = desk.service[name] as unknown as Handler<N>
    return (await handler({ peer: from, partition: 0, epoch: 0, body, payload: [] })).body
  }
  return { env, states, state, ask, peer, refused, closed: () => closed }
}

test('a token is spent in the change that lets its bearer in, and the bearer gets the same again', async t => {
  const { ask, states, state } = deskOf()
  const text = (await ask('createToken', { role: 'server', uses: 1, lifeMs: 60_000 })).token
  const { secret, authority, managers: places } = decodeToken(text)
  t.deepEqual(places, managers)
  const before = states.length
  const reply = await ask('admit', { token: secret, role: 'server', name: 's' })
  t.is(states.length, before + 1)
  t.is(state().admission?.tokens[0]?.usesLeft, 0)
  const certificate = verifyCertificate(reply.certificate, { authority, cluster })
  t.is(certificate.peerId, identity.peerId)
  t.is(certificate.role, 'server')
  t.deepEqual(reply.managers, [`libp2p://10.0.0.1:7400/${manager.peerId}`])
  t.is(state().admission?.secret, Buffer.from(reply.secret).toString('base64'))
  t.deepEqual(await ask('admit', { token: secret, role: 'server', name: 's' }), reply)
  t.is(states.length, before + 1)
})

test('whoever comes with a bad token is told why, cut off, and counted', async t => {
  const { ask, env, closed, states, refused } = deskOf()
  const before = states.length
  const bad = { token: new Uint8Array(16), role: 'server', name: 's' } as const
  await t.throwsAsync(ask('admit', bad), { code: 'BAD_TOKEN' })
  t.is(refused.of('bad_token'), 1)
  for (const nonsense of [{}, { ...bad, token: 'text' }, { ...bad, token: new Uint8Array(3) }]) {
    await t.throwsAsync(ask('admit', nonsense as typeof bad), { code: 'MALFORMED' })
  }
  await env.advance(1)
  t.is(closed(), 4)
  t.is(states.length, before)
})

test('nobody is let in where others could hear the secret', async t => {
  const { ask, peer, state } = deskOf()
  const { token } = await ask('createToken', { role: 'client', uses: 1, lifeMs: 60_000 })
  const { secret } = decodeToken(token)
  for (const remote of ['tcp://10.0.0.9:1', 'unix:/x#1']) {
    const open = { ...peer, remote } as Peer
    const asked = ask('admit', { token: secret, role: 'client', name: 'c' }, open)
    await t.throwsAsync(asked, { message: /over libp2p/ })
  }
  t.is(state().admission?.tokens[0]?.usesLeft, 1)
})

test('nobody becomes a manager, by token or by an administrator', async t => {
  const { ask } = deskOf()
  const wish = { role: 'manager', uses: 1, lifeMs: 60_000 } as const
  await t.throwsAsync(ask('createToken', wish), { code: 'MALFORMED' })
  const arrival = { peerId: identity.peerId, role: 'manager', name: 'm' } as const
  await t.throwsAsync(ask('certify', arrival), { code: 'MALFORMED' })
})

test('tokens are listed with what became of them', async t => {
  const { ask, env } = deskOf()
  const make = (lifeMs: number) => ask('createToken', { role: 'client', uses: 1, lifeMs })
  const [used, revoked] = [await make(60_000), await make(60_000)]
  await make(1_000)
  await make(60_000)
  const { secret } = decodeToken(used.token)
  await ask('admit', { token: secret, role: 'client', name: 'c' })
  await ask('revokeToken', { id: revoked.id })
  await env.advance(2_000)
  const { tokens } = await ask('listTokens', {})
  t.deepEqual(
    tokens.map(({ state }) => state),
    ['used', 'revoked', 'expired', 'usable'],
  )
})

test('a key that is shut out is in the list of the removed from then on', async t => {
  const { ask, state } = deskOf()
  const { peerId } = identity
  await ask('certify', { peerId, role: 'client', name: 'laptop' })
  const [key] = (await ask('listKeys', {})).keys
  t.is(key?.name, 'laptop')
  await ask('removeKey', { peerId })
  t.deepEqual((await ask('listKeys', {})).keys, [])
  t.is(state().admission?.removed[0]?.peerId, peerId)
})
