/** What is no frame, or too large for one, from strangers and from members: cut off, counted, and nobody else's trouble. */
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { maxFrameBodyBytes } from '../limits.ts'
import { SocketTransport } from '../transport/socket.ts'
import { headerBytes, writeHeader } from '../wire/framing.ts'
import {
  dial,
  env,
  eventually,
  type ProvingTransport,
  TestCluster,
  TestListener,
} from './compliance-fixtures.ts'

const tcp: ProvingTransport = {
  ...{ name: 'tcp', provesKeys: false },
  make: () => new SocketTransport(env),
  address: () => 'tcp://127.0.0.1:0',
}

async function world(t: ExecutionContext) {
  const cluster = new TestCluster()
  const listener = await TestListener.start(tcp, await cluster.member('server'))
  t.teardown(() => listener.close())
  const client = await cluster.member('client')
  const peer = await dial(tcp, listener, client)
  t.teardown(() => peer.close())
  const { port, hostname: host } = new URL(listener.serving.address)
  const socket = async (): Promise<Socket> => {
    const opened = createConnection({ host, port: Number(port) })
    opened.on('error', () => undefined)
    t.teardown(() => opened.destroy())
    await once(opened, 'connect')
    opened.resume()
    return opened
  }
  return { listener, client, peer, socket }
}

/** As /metrics tells it. */
function malformed({ tally }: TestListener): number {
  const metric = tally.metrics().find(({ name }) => name === 'rookery_refusals_total')
  if (metric === undefined || metric.kind === 'histogram') return Number.NaN
  return metric.samples.find(({ labels }) => labels.reason === 'malformed')?.value ?? Number.NaN
}

/** The header of a frame that is larger than any may be; nothing follows it. */
function oversize(): Uint8Array {
  const bytes = new Uint8Array(headerBytes)
  const view = new DataView(bytes.buffer)
  const header = { callId: 1, kind: 1, operation: 1, partition: 0, epoch: 0 } as const
  writeHeader({ bytes, view }, 0, header, new Uint8Array(0), 0)
  view.setUint32(0, maxFrameBodyBytes + 1, true)
  return bytes
}

const nonsense = {
  'a line of HTTP': Buffer.from('GET / HTTP/1.1\r\nHost: somebody\r\n\r\n'),
  'bytes of any kind': Buffer.alloc(4096, 0xa5),
  'a frame that is larger than any may be': Buffer.from(oversize()),
}

for (const [what, bytes] of Object.entries(nonsense)) {
  test(`${what} from a stranger closes its connection, counts as malformed, and stops nobody`, async t => {
    const { listener, peer, socket } = await world(t)
    t.is(malformed(listener), 0)
    const stranger = await socket()
    const closed = once(stranger, 'close')
    stranger.write(bytes)
    await closed
    t.true(await eventually(() => malformed(listener) === 1))
    t.is(listener.logged.length, 1, listener.logged.join('\n'))
    t.truthy(await peer.call('statfs', {}))
  })
}

test('a frame that is larger than any may be, from a member, cuts it off and counts', async t => {
  const { listener, client, peer, socket } = await world(t)
  const through = await socket()
  const relay = createServer(near => {
    near.on('error', () => undefined)
    near.pipe(through, { end: false })
    through.pipe(near)
  }).listen(0, '127.0.0.1')
  t.teardown(() => relay.close())
  await once(relay, 'listening')
  const at = relay.address()
  const address = `tcp://127.0.0.1:${typeof at === 'object' ? at?.port : 0}`
  const member = await dial(tcp, { serving: { ...listener.serving, address } }, client)
  t.truthy(await member.call('statfs', {}))
  t.is(malformed(listener), 0)
  through.write(oversize())
  await member.closed
  t.true(await eventually(() => malformed(listener) === 1))
  t.truthy(await peer.call('statfs', {}))
})
