import test from 'ava'
import { makeIdentity } from '../identity/identity.ts'
import { connect } from '../rpc/connect.ts'
import type { Connection, FrameHeader } from '../transport/contract.ts'
import { TlsTransport } from '../transport/tls.ts'
import {
  env,
  eventually,
  failure,
  helloOf,
  type ProvingTransport,
  TestCluster,
  TestListener,
} from './compliance-fixtures.ts'

const over: ProvingTransport = {
  name: 'tls',
  provesKeys: false,
  make: identity => new TlsTransport(env, identity),
  address: () => 'tls://127.0.0.1:0',
}

test('who sits between two members, and passes on all that they say, gets neither of them', async t => {
  const cluster = new TestCluster()
  const listener = await TestListener.start(over, await cluster.member('server'))
  const middle = new TlsTransport(env, await makeIdentity())
  let passedOn = 0
  const passTo = (other: Connection) => ({
    frame(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]) {
      passedOn++
      other.send(header, body, payload)
    },
    closed: () => void other.close(),
  })
  const between = await middle.listen('tls://127.0.0.1:0', async near => {
    const far = await middle.dial(listener.serving.address)
    near.start(passTo(far))
    far.start(passTo(near))
  })
  const client = await cluster.member('client')
  const dialled = connect({
    env,
    transport: over.make(client.credentials.identity),
    address: between.address,
    hello: helloOf(client),
    credentials: client.credentials,
    service: {},
    log: () => undefined,
  })
  t.is(await failure(dialled), 'NOT_ADMITTED')
  t.is(passedOn, 2)
  t.true(await eventually(() => listener.refused.no_proof === 1))
  t.is(listener.serving.peers.size, 0)
  await between.close()
  await listener.close()
})
