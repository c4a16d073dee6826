import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test from 'ava'
import { TestCluster } from '../network/admission/compliance-fixtures.ts'
import type { Token } from '../network/admission/token.ts'
import { realEnv } from '../network/env/real.ts'
import { protocolVersion } from '../network/limits.ts'
import { type FrameHeader, frameKind } from '../network/transport/contract.ts'
import { Libp2pTransport } from '../network/transport/libp2p.ts'
import { encodeBody } from '../network/wire/codec.ts'
import { operationNumbers } from '../network/wire/operations.ts'
import { admit } from './admission.ts'
import { Failure } from './failure.ts'

const { hello, prove } = operationNumbers

test('a member that passes for a manager is not told the secret of a token', async t => {
  const env = realEnv()
  const cluster = new TestCluster()
  const { credentials, peerId } = await cluster.member('client')
  const { certificate } = credentials
  const told: FrameHeader[] = []
  // It says what it is, as its certificate does, and lets everybody in.
  const listener = await new Libp2pTransport(env, credentials.identity).listen(
    'libp2p://127.0.0.1:0',
    connection => {
      const nonce = env.random.bytes(16)
      const introduction = { nonce, certificate }
      const self = { version: protocolVersion, cluster: cluster.id, role: 'client', id: '' }
      const greeting = { ...self, introduction, proof: new Uint8Array() }
      connection.start({
        frame(header) {
          if (header.operation !== hello && header.operation !== prove) told.push(header)
          const body = header.operation === hello ? greeting : {}
          connection.send({ ...header, kind: frameKind.reply }, encodeBody(body))
        },
        closed: () => undefined,
      })
    },
  )
  const directory = await mkdtemp(`${tmpdir()}/rookery-admission-`)
  t.teardown(async () => {
    await listener.close()
    await rm(directory, { recursive: true })
  })
  const endpoint = /^libp2p:\/\/([^/]+)/.exec(listener.address)![1]!
  const token: Token = {
    cluster: cluster.id,
    authority: cluster.authority.publicKey,
    role: 'admin',
    secret: env.random.bytes(16),
    managers: [{ peerId, endpoints: [endpoint] }],
  }
  const error = await t.throwsAsync<Failure>(
    admit({ env, token, directory, name: 'newcomer', say: () => undefined }),
    { instanceOf: Failure },
  )
  t.regex(error.message, /is a client, not a manager/)
  t.deepEqual(told, [])
})
