import { createServer } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import test from 'ava'
import { createLibp2p } from 'libp2p'
import { patientEnv } from '../env/patient.ts'
import { realEnv } from '../env/real.ts'
import { makeIdentity } from '../identity/identity.ts'
import { transportCompliance } from './compliance.ts'
import { codeOf, type RawStream } from './compliance-fixtures.ts'
import type { Transport } from './contract.ts'
import { framesProtocol, Libp2pTransport } from './libp2p.ts'
import { multiaddrOf, parseLibp2p } from './libp2p-address.ts'

const identity = await makeIdentity()
const listening = new Libp2pTransport(patientEnv(), identity)
const dialling = new Libp2pTransport(patientEnv(), await makeIdentity())
/** Nobody dials itself in libp2p: the two ends have keys of their own. */
const transport: Transport = {
  schemes: listening.schemes,
  listen: (address, accept) => listening.listen(address, accept),
  dial: (address, signal) => dialling.dial(address, signal),
}

/** Bytes of our own through a stream that libp2p has let in. */
async function dialRaw(address: string): Promise<RawStream> {
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
  const stream = await node.dialProtocol(multiaddrOf(parseLibp2p(address)), framesProtocol)
  const whenClosed = Promise.withResolvers<void>()
  stream.addEventListener('close', () => {
    void node.stop()
    whenClosed.resolve()
  })
  return {
    write: bytes => bytes.length > 0 && stream.send(bytes),
    end: () => void stream.close(),
    closed: whenClosed.promise,
  }
}

async function deadAddress(): Promise<string> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  await new Promise(resolve => server.close(resolve))
  const port = typeof bound === 'object' && bound !== null ? bound.port : 1
  return `libp2p://127.0.0.1:${port}/${identity.peerId}`
}

transportCompliance(test, 'libp2p', async () => ({
  transport,
  address: 'libp2p://127.0.0.1:0',
  deadAddress: await deadAddress(),
  dialRaw,
}))

test('who does not hold the key of the address is not spoken to', async t => {
  const listener = await transport.listen('libp2p://127.0.0.1:0', () => t.fail('was let in'))
  const { peerId } = await makeIdentity()
  const wrong = listener.address.replace(identity.peerId, peerId)
  t.is(await transport.dial(wrong).catch(codeOf), 'UNREACHABLE')
  await listener.close()
})

test('each side knows who the other is', async t => {
  const other = await makeIdentity()
  const remote = Promise.withResolvers<string>()
  const listener = await transport.listen('libp2p://127.0.0.1:0', far => {
    far.start({ frame: () => undefined, closed: () => undefined })
    remote.resolve(far.remote)
  })
  const near = await new Libp2pTransport(patientEnv(), other).dial(listener.address)
  near.start({ frame: () => undefined, closed: () => undefined })
  t.is(near.remote, listener.address)
  t.is(parseLibp2p(await remote.promise).peerId, other.peerId)
  await near.close()
  await listener.close()
})

test('a connection on which nothing is said stays when libp2p has asked whether it is there', async t => {
  const got = Promise.withResolvers<number>()
  const listener = await transport.listen('libp2p://127.0.0.1:0', far => {
    far.start({ frame: ({ callId }) => got.resolve(callId), closed: () => undefined })
    far.vouch()
  })
  const near = await transport.dial(listener.address)
  near.start({ frame: () => undefined, closed: error => got.reject(error) })
  // Longer than its interval of ten seconds.
  await realEnv().timers.sleep(12_000)
  near.send({ callId: 7, kind: 1, operation: 1, partition: 0, epoch: 0 }, new Uint8Array(0))
  t.is(await got.promise, 7)
  await near.close()
  await listener.close()
})

test('addresses that are none are refused', t => {
  for (const address of [
    'libp2p://127.0.0.1',
    'libp2p://127.0.0.1:70000',
    'libp2p://127.0.0.1:1/not-a-peer',
    'libp2p://127.0.0.1:1/12D3KooW',
    'tcp://127.0.0.1:1',
  ]) {
    t.throws(() => parseLibp2p(address), { code: 'UNREACHABLE' }, address)
  }
})
