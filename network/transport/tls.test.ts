import { X509Certificate } from 'node:crypto'
import { createConnection, createServer } from 'node:net'
import { connect } from 'node:tls'
import test from 'ava'
import { privateKeyOf } from '../admission/ed25519.ts'
import { reasonOf } from '../admission/refusal.ts'
import { patientEnv } from '../env/patient.ts'
import type { ClusterError } from '../errors.ts'
import { identityFrom, makeIdentity } from '../identity/identity.ts'
import { parseTls } from './address.ts'
import { transportCompliance } from './compliance.ts'
import {
  closePair,
  codeOf,
  header,
  pairOf,
  type RawStream,
  Recorder,
} from './compliance-fixtures.ts'
import { TlsTransport } from './tls.ts'
import { tlsIdentityOf } from './tls-certificate.ts'

const transport = new TlsTransport(patientEnv(), await makeIdentity())
const address = 'tls://127.0.0.1:0'

function dialRaw(to: string): Promise<RawStream> {
  const socket = connect({ ...parseTls(to), rejectUnauthorized: false })
  const whenClosed = Promise.withResolvers<void>()
  socket.on('close', () => whenClosed.resolve())
  socket.resume()
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('secureConnect', () =>
      resolve({
        write: bytes => socket.write(bytes),
        end: () => socket.end(),
        closed: whenClosed.promise,
      }),
    )
  })
}

/** A port that was free a moment ago. */
async function deadAddress(): Promise<string> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  await new Promise(resolve => server.close(resolve))
  return `tls://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 1}`
}

transportCompliance(test, 'tls', async () => ({
  ...{ transport, address, dialRaw },
  deadAddress: await deadAddress(),
}))

test('both ends of a connection are bound to the same bytes, and no other ends are', async t => {
  const pairs = [await pairOf({ transport, address, deadAddress: '' })]
  pairs.push(await pairOf({ transport, address, deadAddress: '' }))
  const bindings = pairs.map(({ near, far }) => {
    t.deepEqual(near.channel, far.channel)
    t.is(near.channel.binding.byteLength, 32)
    t.is(near.channel.peerId, null)
    return Buffer.from(near.channel.binding).toString('hex')
  })
  t.is(new Set(bindings).size, 2)
  for (const pair of pairs) {
    pair.near.start(new Recorder())
    pair.far.start(new Recorder())
    await closePair(pair)
  }
})

test('nothing of what is said can be read on the way', async t => {
  const seen: Buffer[] = []
  const far = Promise.withResolvers<Recorder>()
  const listener = await transport.listen(address, connection => {
    const got = new Recorder()
    connection.start(got)
    far.resolve(got)
  })
  const proxy = createServer(socket => {
    const onward = createConnection(parseTls(listener.address))
    socket.on('data', bytes => seen.push(bytes))
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  const bound = proxy.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const near = await transport.dial(`tls://127.0.0.1:${port}`)
  near.start(new Recorder())
  const secret = Buffer.from('nobody else is to read this')
  near.send(header, secret)
  const got = await far.promise
  await got.has(1)
  t.is(Buffer.compare(got.frames[0]!.body, secret), 0)
  t.true(seen.length > 0)
  t.false(Buffer.concat(seen).includes(secret))
  await near.close()
  await listener.close()
  proxy.close()
})

test('who speaks no TLS, or an older one, is refused and told of once', async t => {
  const refused: ClusterError[] = []
  const listener = await transport.listen(
    address,
    () => t.fail('was let in'),
    (_, error) => refused.push(error),
  )
  const { host, port } = parseTls(listener.address)
  const plain = createConnection({ host, port })
  plain.on('error', () => undefined)
  plain.write('GET / HTTP/1.1\r\n\r\n'.repeat(10))
  plain.resume()
  await new Promise(resolve => plain.on('close', resolve))
  const older = connect({ host, port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  await new Promise(resolve => older.on('error', resolve))
  const silent = createConnection({ host, port })
  await new Promise(resolve => silent.on('connect', resolve))
  silent.resume()
  silent.end()
  await new Promise(resolve => silent.on('close', resolve))
  t.deepEqual(refused.map(reasonOf), ['malformed', 'malformed', 'no_proof'])
  await listener.close()
})

test('a listener that speaks no TLS is nobody that answers', async t => {
  const server = createServer(socket => socket.end('220 welcome\r\n'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  t.is(await transport.dial(`tls://127.0.0.1:${port}`).catch(codeOf), 'UNREACHABLE')
  server.close()
})

test('a certificate is of the key of its member, signed by it, whatever the key', t => {
  for (let first = 0; first < 256; first++) {
    const identity = identityFrom(Buffer.alloc(32, first))
    const certificate = new X509Certificate(tlsIdentityOf(identity).cert)
    t.true(certificate.verify(certificate.publicKey))
    t.true(certificate.checkPrivateKey(privateKeyOf(identity)))
    t.is(certificate.subject, `CN=${identity.peerId}`)
    t.is(certificate.issuer, certificate.subject)
    t.is(certificate.serialNumber.length, 32)
  }
})

test('addresses that are none are refused', t => {
  t.deepEqual(parseTls('tls://[::1]:7400'), { host: '::1', port: 7400 })
  for (const wrong of ['tls://h', 'tls://h:70000', 'tcp://h:1', 'tls:/x', '', 'tls://::1:1']) {
    t.throws(() => parseTls(wrong), { code: 'UNREACHABLE' }, wrong)
  }
})
