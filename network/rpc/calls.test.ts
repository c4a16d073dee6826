import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Env } from '../env/env.ts'
import { patientEnv } from '../env/patient.ts'
import { SimulatedEnv } from '../env/simulated.ts'
import { ClusterError, PosixError } from '../errors.ts'
import { maxCallsInFlight, maxCallsQueued, maxRequestsServed, protocolVersion } from '../limits.ts'
import {
  type Connection,
  type FrameHeader,
  frameKind,
  type Transport,
} from '../transport/contract.ts'
import { MemoryNetwork } from '../transport/memory.ts'
import { SocketTransport } from '../transport/socket.ts'
import { encodeBody } from '../wire/codec.ts'
import { type HelloRequest, operationNumbers } from '../wire/operations.ts'
import { connect } from './connect.ts'
import type { Peer, Reply, Service } from './contract.ts'
import { type Serving, serve } from './serve.ts'

const directory = await mkdtemp(join(tmpdir(), 'rookery-rpc-'))
test.after.always(() => rm(directory, { recursive: true }))
const server: HelloRequest = { version: protocolVersion, cluster: 'c1', role: 'server', id: 's1' }
const client: HelloRequest = { version: protocolVersion, cluster: 'c1', role: 'client', id: 'k1' }
const name = new TextEncoder().encode('file')
let made = 0

interface Wire {
  readonly env: Env
  readonly transport: Transport
  readonly address: string
}

function memoryWire(): Wire {
  const env = patientEnv()
  return { env, transport: new MemoryNetwork(env).transport('x'), address: 'memory:x' }
}

function unixWire(): Wire {
  const env = patientEnv()
  const address = `unix:${join(directory, `${++made}.sock`)}`
  return { env, transport: new SocketTransport(env), address }
}

const wires = { memory: memoryWire, unix: unixWire }

interface Ends {
  readonly serving: Serving
  readonly peer: Peer
  readonly logged: unknown[]
}

async function endsOf(wire: Wire, service: Service, own: Service = {}): Promise<Ends> {
  const logged: unknown[] = []
  const log = (_message: string, error?: unknown) => logged.push(error)
  const serving = await serve({ ...wire, hello: server, service, log })
  const { address } = serving
  const peer = await connect({ ...wire, address, hello: client, service: own, log })
  return { serving, peer, logged }
}

async function closeEnds(t: ExecutionContext, { serving, peer }: Ends): Promise<void> {
  await peer.close()
  await serving.close()
  t.is(serving.peers.size, 0)
}

function codeOf(error: unknown): string {
  return error instanceof ClusterError || error instanceof PosixError ? error.code : String(error)
}

const echo: Service = {
  lookup: ({ body, payload }) => ({
    body: { ino: body.parent, attributes: null, nameMs: 0, leaseMs: 0 },
    payload,
  }),
}

for (const [kind, makeWire] of Object.entries(wires)) {
  test(`${kind}: both sides learn who the other is and can call`, async t => {
    const ends = await endsOf(makeWire(), echo, {
      viewChanged: () => ({ body: {}, payload: [] }),
    })
    const [other] = ends.serving.peers
    t.deepEqual([ends.peer.hello, other?.hello], [server, client])
    const payload = [Uint8Array.of(1, 2, 3)]
    const reply = await ends.peer.call('lookup', { parent: 2 ** 51 + 1, name }, { payload })
    t.deepEqual(reply.body, { ino: 2 ** 51 + 1, attributes: null, nameMs: 0, leaseMs: 0 })
    t.deepEqual([...Buffer.concat(reply.payload)], [1, 2, 3])
    t.deepEqual((await other!.call('viewChanged', { view: null })).body, {})
    await closeEnds(t, ends)
    t.is(await ends.peer.closed, undefined)
  })

  test(`${kind}: thousands of interleaved calls each get their own answer`, async t => {
    const env = patientEnv()
    const ends = await endsOf(makeWire(), {
      lookup({ body, payload }): Reply<'lookup'> | Promise<Reply<'lookup'>> {
        const reply = {
          body: { ino: body.parent * 2, attributes: null, nameMs: 0, leaseMs: 0 },
          payload,
        }
        if (body.parent % 7 === 0) throw new PosixError('ENOENT', `${body.parent}`)
        if (body.parent % 3 !== 0) return reply
        return env.timers.sleep(body.parent % 5).then(() => reply)
      },
    })
    const calls = Array.from({ length: 6000 }, async (_, i) => {
      const payload = i % 11 === 0 ? [new Uint8Array(i * 3).fill(i)] : []
      const reply = await ends.peer.call('lookup', { parent: i, name }, { payload }).catch(codeOf)
      if (typeof reply === 'string') return i % 7 === 0 && reply === 'ENOENT'
      const bytes = Buffer.concat(reply.payload)
      const sent = i % 11 === 0 ? i * 3 : 0
      return reply.body.ino === i * 2 && bytes.length === sent && bytes.every(b => b === (i & 255))
    })
    t.true((await Promise.all(calls)).every(right => right))
    await closeEnds(t, ends)
  })

  test(`${kind}: what a handler throws arrives; the unexpected is INTERNAL and logged`, async t => {
    const secret = new TypeError('the secret')
    const ends = await endsOf(makeWire(), {
      lookup() {
        throw new PosixError('EACCES', 'not yours')
      },
      getattr: () => Promise.reject(new ClusterError('STALE_EPOCH', 'partition 3')),
      create() {
        throw secret
      },
      open: () => Promise.reject(secret),
    })
    const { peer } = ends
    const thrown = await peer.call('lookup', { parent: 1, name }).catch((error: unknown) => error)
    t.true(thrown instanceof PosixError)
    t.is(thrown instanceof PosixError ? thrown.message : '', 'EACCES: not yours')
    t.is(await peer.call('getattr', { ino: 1 }).catch(codeOf), 'STALE_EPOCH')
    const mutation = { slot: 0, sequence: 0 }
    const open = { ino: 1, truncate: false, wantData: false, ...mutation }
    const error = await t.throwsAsync(peer.call('open', open))
    t.is(codeOf(error), 'INTERNAL')
    t.false(error.message.includes('secret'))
    const remove = { parent: 1, name, ...mutation }
    t.is(await peer.call('unlink', remove).catch(codeOf), 'UNKNOWN_OPERATION')
    const unsayable = peer.call('lookup', { parent: (2n ** 70n) as unknown as number, name })
    t.is(await unsayable.catch(codeOf), 'MALFORMED')
    t.deepEqual(ends.logged, [secret])
    await closeEnds(t, ends)
  })

  test(`${kind}: a lost connection fails every outstanding call`, async t => {
    const ends = await endsOf(makeWire(), { lookup: () => new Promise(() => undefined) })
    const calls = Array.from({ length: maxCallsInFlight + 10 }, () =>
      ends.peer.call('lookup', { parent: 1, name }).catch(codeOf),
    )
    await untilServed(ends)
    for (const peer of ends.serving.peers) peer.abort(new ClusterError('INTERNAL', 'gone'))
    const codes = new Set(await Promise.all(calls))
    t.deepEqual([...codes], ['CLOSED'])
    t.is(codeOf(await ends.peer.closed), 'CLOSED')
    t.is(await ends.peer.call('lookup', { parent: 1, name }).catch(codeOf), 'CLOSED')
    t.notThrows(() => ends.peer.notify('lookup', { parent: 1, name }))
    await closeEnds(t, ends)
  })

  test(`${kind}: replies larger than the high-water mark of calls keep their order`, async t => {
    const seen: number[] = []
    const ends = await endsOf(makeWire(), {
      lookup({ body }) {
        seen.push(body.parent)
        return { body: { ino: 1, attributes: null, nameMs: 0, leaseMs: 0 }, payload: [] }
      },
    })
    const payload = [new Uint8Array(4 << 20)]
    const calls = Array.from({ length: 20 }, (_, i) =>
      ends.peer.call('lookup', { parent: i, name }, { payload }),
    )
    await Promise.all(calls)
    t.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, i) => i),
    )
    await closeEnds(t, ends)
  })
}

/** One round trip on the connection, so that what was sent before has arrived. */
async function untilServed(ends: Ends): Promise<void> {
  const [other] = ends.serving.peers
  await other!.call('getattr', { ino: 1 }).catch(() => undefined)
}

test('calls beyond the bound in flight wait, beyond the queue they are OVERLOADED', async t => {
  let served = 0
  const gate = Promise.withResolvers<void>()
  const ends = await endsOf(memoryWire(), {
    async lookup({ body }) {
      served++
      await gate.promise
      return { body: { ino: body.parent, attributes: null, nameMs: 0, leaseMs: 0 }, payload: [] }
    },
  })
  const calls = Array.from({ length: maxCallsInFlight + maxCallsQueued }, (_, i) =>
    ends.peer.call('lookup', { parent: i, name }),
  )
  t.is(await ends.peer.call('lookup', { parent: 1, name }).catch(codeOf), 'OVERLOADED')
  await untilServed(ends)
  t.is(served, maxCallsInFlight)
  gate.resolve()
  const replies = await Promise.all(calls)
  t.true(replies.every(({ body }, i) => body.ino === i))
  await closeEnds(t, ends)
})

test('an aborted signal ends the call, and the peer sends no reply', async t => {
  const gate = Promise.withResolvers<void>()
  const ends = await endsOf(memoryWire(), {
    ...echo,
    async getattr() {
      await gate.promise
      throw new PosixError('EIO')
    },
  })
  const controller = new AbortController()
  const { signal } = controller
  const call = ends.peer.call('getattr', { ino: 1 }, { signal }).catch(codeOf)
  await ends.peer.call('lookup', { parent: 1, name })
  controller.abort()
  t.is(await call, 'CANCELLED')
  t.is(await ends.peer.call('getattr', { ino: 1 }, { signal }).catch(codeOf), 'CANCELLED')
  gate.resolve()
  t.is((await ends.peer.call('lookup', { parent: 4, name })).body.ino, 4)
  await closeEnds(t, ends)
})

/** A peer of which the test plays the other side, frame by frame, in simulated time. */
async function scripted(service: Service = {}) {
  const env = new SimulatedEnv({ seed: 1 })
  const transport = new MemoryNetwork(env).transport('x')
  const got: { readonly header: FrameHeader; readonly body: Uint8Array }[] = []
  let far: Connection | undefined
  const lost: (ClusterError | undefined)[] = []
  await transport.listen('memory:x', connection => {
    far = connection
    connection.start({
      frame(header, body) {
        got.push({ header, body })
        if (header.operation === operationNumbers.hello) {
          connection.send({ ...header, kind: frameKind.reply }, encodeBody(server))
        }
      },
      closed: error => lost.push(error),
    })
  })
  let peer: Peer | undefined
  const options = { env, transport, address: 'memory:x', hello: client, service }
  void connect(options).then(connected => {
    peer = connected
  })
  await env.run(() => peer !== undefined)
  got.length = 0
  return { env, peer: peer!, far: far!, got, lost }
}

test('a deadline ends the call, tells the peer, and its late reply is dropped', async t => {
  const { env, peer, far, got } = await scripted()
  const ended: string[] = []
  const call = (deadlineMs: number) =>
    peer.call('lookup', { parent: 1, name }, { deadlineMs }).then(
      ({ body }) => ended.push(`answered ${body.ino}`),
      error => ended.push(`${codeOf(error)} after ${env.clock.monotonicMs()}`),
    )
  const startMs = env.clock.monotonicMs()
  const calls = [call(500), call(100), call(2000)]
  await env.advance(1000)
  t.deepEqual(ended, [`TIMEOUT after ${startMs + 100}`, `TIMEOUT after ${startMs + 500}`])
  const kinds = got.map(({ header }) => header.kind)
  const { request, cancel } = frameKind
  t.deepEqual(kinds, [request, request, request, cancel, cancel])
  for (const { header } of got.slice(0, 3)) {
    const body = encodeBody({ ino: header.callId, attributes: null, nameMs: 0, leaseMs: 0 })
    far.send({ ...header, kind: frameKind.reply }, body)
    far.send({ ...header, kind: frameKind.reply }, body)
  }
  await env.advance(10_000)
  await Promise.all(calls)
  t.deepEqual(ended.slice(2), [`answered ${got[2]!.header.callId}`])
})

test('a reply for another operation and an unreadable one fail the call only', async t => {
  const { env, peer, far, got } = await scripted()
  const codes: string[] = []
  for (let i = 0; i < 2; i++) {
    void peer.call('getattr', { ino: 1 }).catch(error => codes.push(codeOf(error)))
  }
  await env.advance(1)
  const [first, second] = got
  far.send({ ...first!.header, kind: frameKind.reply, operation: 16 }, encodeBody({}))
  far.send({ ...second!.header, kind: frameKind.reply }, Uint8Array.of(0xdd, 1))
  await env.advance(1)
  t.deepEqual(codes, ['MALFORMED', 'MALFORMED'])
})

test('a cancelled request is not answered; one made twice cuts the peer off', async t => {
  const gate = Promise.withResolvers<void>()
  const wanted: (boolean | undefined)[] = []
  const { env, far, got, lost } = await scripted({
    async getattr({ isWanted }) {
      wanted.push(isWanted?.())
      await gate.promise
      wanted.push(isWanted?.())
      throw new PosixError('ENOENT')
    },
  })
  const header: FrameHeader = {
    callId: 5,
    kind: frameKind.request,
    operation: operationNumbers.getattr,
    partition: 0,
    epoch: 0,
  }
  const body = encodeBody({ ino: 1 })
  far.send(header, body)
  far.send({ ...header, callId: 6 }, body)
  far.send({ ...header, kind: frameKind.cancel }, new Uint8Array(0))
  await env.advance(1)
  gate.resolve()
  await env.advance(1)
  t.deepEqual(
    got.map(frame => [frame.header.kind, frame.header.callId]),
    [[frameKind.error, 6]],
  )
  t.deepEqual(wanted, [true, true, false, true])
  const never = await scripted({ getattr: () => new Promise(() => undefined) })
  never.far.send(header, body)
  never.far.send(header, body)
  await never.env.advance(1)
  t.is(never.lost.length, 1)
  t.is(lost.length, 0)
})

test('a peer that floods is cut off, also when it cancels what it asked', async t => {
  const { env, far, lost } = await scripted({ getattr: () => new Promise(() => undefined) })
  const operation = operationNumbers.getattr
  const body = encodeBody({ ino: 1 })
  for (let callId = 0; callId <= maxRequestsServed; callId++) {
    const header = { callId, operation, partition: 0, epoch: 0 }
    far.send({ ...header, kind: frameKind.request }, body)
    far.send({ ...header, kind: frameKind.cancel }, new Uint8Array(0))
    if (callId === maxRequestsServed - 1) {
      await env.advance(1)
      t.is(lost.length, 0)
    }
  }
  await env.advance(1)
  t.is(lost.length, 1)
})

test('notices are served without an answer, and their failures are logged', async t => {
  const failure = new Error('odd')
  const seen: number[] = []
  const ends = await endsOf(memoryWire(), {
    ...echo,
    release({ body }) {
      seen.push(...body.inos)
      throw failure
    },
  })
  ends.peer.notify('release', { inos: [1, 2] })
  await ends.peer.call('lookup', { parent: 1, name })
  t.deepEqual(seen, [1, 2])
  t.deepEqual(ends.logged, [failure])
  await closeEnds(t, ends)
})
