import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Libp2pTransport } from '../transport/libp2p.ts'
import { SocketTransport } from '../transport/socket.ts'
import { TlsTransport } from '../transport/tls.ts'
import { proofCompliance } from './compliance.ts'
import { env } from './compliance-fixtures.ts'

const directory = await mkdtemp(join(tmpdir(), 'rookery-proof-'))
test.after.always(() => rm(directory, { recursive: true }))
let made = 0

const socket = { provesKeys: false, make: () => new SocketTransport(env) }

proofCompliance(test, { ...socket, name: 'tcp', address: () => 'tcp://127.0.0.1:0' })
proofCompliance(test, {
  ...socket,
  name: 'unix',
  address: () => `unix:${join(directory, `${++made}.sock`)}`,
})
proofCompliance(test, {
  name: 'tls',
  provesKeys: false,
  make: identity => new TlsTransport(env, identity),
  address: () => 'tls://127.0.0.1:0',
})
proofCompliance(test, {
  name: 'libp2p',
  provesKeys: true,
  make: identity => new Libp2pTransport(env, identity),
  address: () => 'libp2p://127.0.0.1:0',
})
