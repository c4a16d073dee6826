/**
 * What every transport must do. A transport's own test file calls this with a way to make it; streams
 * also say how to reach a listener with raw bytes.
 */
import type { TestFn } from 'ava'
import { type ClusterCode, ClusterError } from '../errors.ts'
import { maxFrameBodyBytes, maxFramePayloadBytes, sendHighWaterBytes } from '../limits.ts'
import { payloadLength } from '../wire/framing.ts'
import {
  type Connection,
  type ConnectionHandler,
  type FrameHeader,
  frameKind,
  type Listener,
  type Transport,
} from './contract.ts'

/** A bare byte stream to a listener, to say what no connection would say. */
export interface RawStream {
  write(bytes: Uint8Array): void
  /** Half-closes. */
  end(): void
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>
}

export interface TransportUnderTest {
  readonly transport: Transport
  /** An address to listen on. */
  readonly address: string
  /** An address where nobody listens. */
  readonly deadAddress: string
  /** For transports over byte streams. */
  readonly dialRaw?: (address: string) => Promise<RawStream>
}

const header: FrameHeader = {
  callId: 0xfedcba98,
  kind: frameKind.request,
  operation: 0xabcd,
  partition: 4095,
  epoch: 0xffffffff,
}

const none = new Uint8Array(0)

interface Frame {
  readonly header: FrameHeader
  readonly body: Uint8Array
  readonly payload: Uint8Array
}

/** Keeps what a connection delivers and lets a test wait for it. */
class Recorder implements ConnectionHandler {
  readonly frames: Frame[] = []
  readonly whenClosed = Promise.withResolvers<ClusterError | undefined>()
  timesClosed = 0
  #waiting: (() => void)[] = []

  frame(frameHeader: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void {
    this.frames.push({ header: frameHeader, body, payload: Buffer.concat(payload) })
    for (const check of this.#waiting) check()
  }

  closed(error?: ClusterError): void {
    this.timesClosed++
    this.whenClosed.resolve(error)
  }

  has(count: number): Promise<void> {
    return new Promise(resolve => {
      const check = () => this.frames.length >= count && resolve()
      this.#waiting.push(check)
      check()
    })
  }
}

interface Pair {
  readonly listener: Listener
  readonly near: Connection
  readonly far: Connection
}

async function pairOf({ transport, address }: TransportUnderTest): Promise<Pair> {
  const accepted = Promise.withResolvers<Connection>()
  const listener = await transport.listen(address, accepted.resolve)
  const near = await transport.dial(listener.address)
  return { listener, near, far: await accepted.promise }
}

async function startedPair(under: TransportUnderTest) {
  const pair = await pairOf(under)
  const nearGot = new Recorder()
  const farGot = new Recorder()
  pair.near.start(nearGot)
  pair.far.start(farGot)
  return { ...pair, nearGot, farGot }
}

async function closePair({ listener, near, far }: Pair): Promise<void> {
  await Promise.all([near.close(), far.close()])
  await listener.close()
}

function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed + (i >> 8)) & 0xff
  return bytes
}

function codeOf(error: unknown): ClusterCode | undefined {
  return error instanceof ClusterError ? error.code : undefined
}

function codeThrown(work: () => unknown): ClusterCode | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

export function transportCompliance(
  test: TestFn,
  name: string,
  makeTransport: () => Promise<TransportUnderTest>,
): void {
  const claim = (
    words: string,
    run: (under: TransportUnderTest) => Promise<readonly [unknown, unknown][]>,
  ) =>
    test(`${name}: ${words}`, async t => {
      for (const [actual, expected] of await run(await makeTransport()))
        t.deepEqual(actual, expected)
    })
  delivery(claim)
  pressure(claim)
  endings(claim)
  addresses(claim)
  test(`${name}: bytes that are no frames close the connection and nothing else`, async t => {
    const under = await makeTransport()
    if (under.dialRaw === undefined) {
      t.pass('there are no raw bytes in this transport')
      return
    }
    for (const [actual, expected] of await rawBytes(under)) t.deepEqual(actual, expected)
  })
}

type Claim = (
  words: string,
  run: (under: TransportUnderTest) => Promise<readonly [unknown, unknown][]>,
) => void

function delivery(claim: Claim): void {
  claim('a frame arrives with its header, body and payload', async under => {
    const pair = await startedPair(under)
    pair.near.send(header, pattern(100, 1), [pattern(10, 2), none, pattern(20_000, 3)])
    await pair.farGot.has(1)
    const [frame] = pair.farGot.frames
    await closePair(pair)
    return [
      [frame?.header, header],
      [plain(frame?.body), pattern(100, 1)],
      [plain(frame?.payload), joined([pattern(10, 2), pattern(20_000, 3)])],
    ]
  })

  claim('thousands of small frames of one tick arrive in order, both ways', async under => {
    const pair = await startedPair(under)
    const count = 5000
    for (let i = 0; i < count; i++) {
      pair.near.send({ ...header, callId: i }, numbered(i))
      pair.far.send({ ...header, callId: i, kind: frameKind.reply }, none, [numbered(i)])
    }
    await Promise.all([pair.farGot.has(count), pair.nearGot.has(count)])
    const inOrder = (got: Recorder, part: 'body' | 'payload') =>
      got.frames.every(
        (f, i) => f.header.callId === i && Buffer.compare(f[part], numbered(i)) === 0,
      )
    const outcome = [inOrder(pair.farGot, 'body'), inOrder(pair.nearGot, 'payload')]
    await closePair(pair)
    return [[outcome, [true, true]]]
  })

  claim('the largest payload arrives whole, between small frames', async under => {
    const pair = await startedPair(under)
    const large = pattern(maxFramePayloadBytes, 5)
    pair.near.send({ ...header, callId: 1 }, none)
    pair.near.send({ ...header, callId: 2 }, pattern(maxFrameBodyBytes, 6), [large])
    pair.near.send({ ...header, callId: 3 }, none)
    await pair.farGot.has(3)
    const [, frame] = pair.farGot.frames
    const outcome = Buffer.compare(frame!.payload, large)
    const order = pair.farGot.frames.map(f => f.header.callId)
    await closePair(pair)
    return [
      [outcome, 0],
      [Buffer.compare(frame!.body, pattern(maxFrameBodyBytes, 6)), 0],
      [order, [1, 2, 3]],
    ]
  })

  claim('what arrives before start is kept', async under => {
    const pair = await pairOf(under)
    const got = new Recorder()
    pair.near.send(header, numbered(7))
    await new Promise(setImmediate)
    pair.far.start(got)
    await got.has(1)
    pair.near.start(new Recorder())
    await closePair(pair)
    return [[plain(got.frames[0]?.body), numbered(7)]]
  })
}

function pressure(claim: Claim): void {
  claim('a slow reader makes the sender wait, and loses nothing', async under => {
    const pair = await pairOf(under)
    const got = new Recorder()
    pair.near.start(new Recorder())
    const payload = pattern(1 << 20, 9)
    let sent = 0
    while (pair.near.send({ ...header, callId: sent++ }, none, [payload]));
    let drained = false
    const whenDrained = pair.near.drained().then(() => {
      drained = true
    })
    await new Promise(setImmediate)
    const before = drained
    pair.far.start(got)
    await whenDrained
    await got.has(sent)
    const whole = got.frames.every(f => Buffer.compare(f.payload, payload) === 0)
    await closePair(pair)
    return [
      [before, false],
      [sent * payload.byteLength >= sendHighWaterBytes, true],
      [whole, true],
    ]
  })

  claim('an oversize body or payload is refused and the connection stays', async under => {
    const pair = await startedPair(under)
    const body = codeThrown(() => pair.near.send(header, new Uint8Array(maxFrameBodyBytes + 1)))
    const payload = [new Uint8Array(maxFramePayloadBytes), new Uint8Array(1)]
    const large = codeThrown(() => pair.near.send(header, none, payload))
    pair.near.send(header, none)
    await pair.farGot.has(1)
    await closePair(pair)
    return [
      [body, 'OVERSIZE'],
      [large, 'OVERSIZE'],
    ]
  })
}

function endings(claim: Claim): void {
  claim('close sends what is queued, and both ends close without an error, once', async under => {
    const pair = await startedPair(under)
    const payload = pattern(3 << 20, 4)
    for (let i = 0; i < 10; i++) pair.near.send({ ...header, callId: i }, none, [payload])
    await pair.near.close()
    const errors = [await pair.nearGot.whenClosed.promise, await pair.farGot.whenClosed.promise]
    const count = pair.farGot.frames.length
    await closePair(pair)
    return [
      [errors, [undefined, undefined]],
      [count, 10],
      [payloadLength(pair.farGot.frames.map(f => f.payload)), 10 * payload.byteLength],
      [
        [pair.nearGot.timesClosed, pair.farGot.timesClosed],
        [1, 1],
      ],
    ]
  })

  claim('the side that is closed upon still delivers what it had queued', async under => {
    const pair = await startedPair(under)
    const closing = pair.near.close()
    for (let i = 0; i < 100; i++) pair.far.send({ ...header, callId: i }, numbered(i))
    await closing
    const count = pair.nearGot.frames.length
    await closePair(pair)
    return [[count, 100]]
  })

  claim('after close nothing can be sent and drained rejects', async under => {
    const pair = await startedPair(under)
    await pair.near.close()
    const sent = codeThrown(() => pair.near.send(header, none))
    const drained = await pair.near.drained().catch(codeOf)
    await pair.farGot.whenClosed.promise
    const far = codeThrown(() => pair.far.send(header, none))
    await closePair(pair)
    return [
      [
        [sent, drained, far],
        ['CLOSED', 'CLOSED', 'CLOSED'],
      ],
    ]
  })

  claim('an abort gives both ends an error and drops what is queued', async under => {
    const pair = await startedPair(under)
    const reason = new ClusterError('MALFORMED', 'enough')
    for (let i = 0; i < 5; i++) pair.near.send(header, none, [pattern(1 << 20, i)])
    pair.near.abort(reason)
    const near = await pair.nearGot.whenClosed.promise
    const far = await pair.farGot.whenClosed.promise
    const sent = codeThrown(() => pair.near.send(header, none))
    await closePair(pair)
    return [
      [near, reason],
      [codeOf(far), 'CLOSED'],
      [sent, 'CLOSED'],
      [
        [pair.nearGot.timesClosed, pair.farGot.timesClosed],
        [1, 1],
      ],
    ]
  })

  claim('a sender that waits is told when the connection is cut', async under => {
    const pair = await pairOf(under)
    const got = new Recorder()
    pair.near.start(got)
    while (pair.near.send(header, none, [pattern(1 << 20, 1)]));
    const drained = pair.near.drained().catch(codeOf)
    pair.far.abort(new ClusterError('OVERLOADED', 'go away'))
    const error = await got.whenClosed.promise
    const outcome = await drained
    await closePair(pair)
    return [
      [outcome, 'CLOSED'],
      [codeOf(error), 'CLOSED'],
    ]
  })

  claim('closing both ends at once is orderly', async under => {
    const pair = await startedPair(under)
    await Promise.all([pair.near.close(), pair.far.close()])
    const errors = [await pair.nearGot.whenClosed.promise, await pair.farGot.whenClosed.promise]
    await closePair(pair)
    return [[errors, [undefined, undefined]]]
  })
}

function addresses(claim: Claim): void {
  claim('a dead address is UNREACHABLE', async ({ transport, deadAddress }) => {
    return [[await transport.dial(deadAddress).catch(codeOf), 'UNREACHABLE']]
  })

  claim('an address that means nothing is UNREACHABLE', async ({ transport }) => {
    const listen = await transport.listen('carrier:pigeon', () => undefined).catch(codeOf)
    return [
      [
        [await transport.dial('carrier:pigeon').catch(codeOf), listen],
        ['UNREACHABLE', 'UNREACHABLE'],
      ],
    ]
  })

  claim('a taken address is IN_USE, and free again after close', async ({ transport, address }) => {
    const first = await transport.listen(address, () => undefined)
    const second = await transport.listen(first.address, () => undefined).catch(codeOf)
    await first.close()
    const third = await transport.listen(first.address, () => undefined)
    await third.close()
    return [[second, 'IN_USE']]
  })

  claim('a cancelled dial says so', async ({ transport, address }) => {
    const listener = await transport.listen(address, connection => connection.start(new Recorder()))
    const before = await transport.dial(listener.address, AbortSignal.abort()).catch(codeOf)
    const controller = new AbortController()
    const dialling = transport.dial(listener.address, controller.signal)
    controller.abort()
    const during = await dialling.catch(codeOf)
    await listener.close()
    return [
      [
        [before, during],
        ['CANCELLED', 'CANCELLED'],
      ],
    ]
  })

  claim('connections outlive their listener', async under => {
    const pair = await startedPair(under)
    await pair.listener.close()
    pair.near.send(header, numbered(1))
    await pair.farGot.has(1)
    await closePair(pair)
    return [[pair.farGot.frames.length, 1]]
  })
}

/** A header as another program might write it. */
export function rawHeader(fields: {
  readonly bodyBytes?: number
  readonly payloadBytes?: number
  readonly kind?: number
  readonly magic?: number
  readonly checksum?: bigint
}): Uint8Array {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, fields.bodyBytes ?? 0, true)
  view.setUint32(4, fields.payloadBytes ?? 0, true)
  view.setUint8(14, fields.kind ?? frameKind.request)
  view.setUint16(22, fields.magic ?? 0x6b52, true)
  view.setBigUint64(24, fields.checksum ?? 0n, true)
  return bytes
}

async function rawBytes({
  transport,
  address,
  dialRaw,
}: TransportUnderTest): Promise<readonly [unknown, unknown][]> {
  const closed: (ClusterCode | undefined)[] = []
  let frames = 0
  let settled: (() => void) | undefined
  const listener = await transport.listen(address, connection =>
    connection.start({
      frame: () => frames++,
      closed(error) {
        closed.push(error?.code)
        settled?.()
      },
    }),
  )
  const send = async (bytes: Uint8Array, end = false) => {
    const told = new Promise<void>(resolve => {
      settled = resolve
    })
    const raw = await dialRaw!(listener.address)
    raw.write(bytes)
    if (end) raw.end()
    await Promise.all([raw.closed, told])
  }
  await send(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: somebody\r\n\r\n'))
  await send(rawHeader({ kind: 9 }))
  await send(rawHeader({ bodyBytes: maxFrameBodyBytes + 1 }))
  await send(rawHeader({ payloadBytes: 0xffffffff }))
  await send(rawHeader({ checksum: 12345n }))
  await send(rawHeader({}).subarray(0, 20), true)
  await send(none, true)
  await listener.close()
  const expected = [
    'MALFORMED',
    'MALFORMED',
    'OVERSIZE',
    'OVERSIZE',
    'CHECKSUM',
    'CLOSED',
    'CLOSED',
  ]
  return [
    [closed, expected],
    [frames, 0],
  ]
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return plain(Buffer.concat(pieces))
}

/** The same bytes as a plain Uint8Array, so that deep equality compares bytes only. */
function plain(bytes: Uint8Array | undefined): Uint8Array {
  return Uint8Array.from(bytes ?? [])
}
