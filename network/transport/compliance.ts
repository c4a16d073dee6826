/**
 * What every transport must do. A transport's own test file calls this with a way to make it; streams
 * also say how to reach a listener with raw bytes.
 */
import type { TestFn } from 'ava'
import { type ClusterCode, ClusterError } from '../errors.ts'
import {
  leastPayloadRoomBytes,
  maxFrameBodyBytes,
  maxFramePayloadBytes,
  sendHighWaterBytes,
} from '../limits.ts'
import { payloadLength } from '../wire/framing.ts'
import {
  closePair,
  codeOf,
  codeThrown,
  header,
  joined,
  none,
  numbered,
  pairOf,
  pattern,
  plain,
  Recorder,
  rawHeader,
  startedPair,
  type TransportUnderTest,
} from './compliance-fixtures.ts'
import { frameKind } from './contract.ts'

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

  claim('the largest payload arrives whole, between small frames, both ways', async under => {
    const pair = await startedPair(under)
    const large = pattern(maxFramePayloadBytes, 5)
    const body = pattern(maxFrameBodyBytes, 6)
    for (const end of [pair.near, pair.far]) {
      end.send({ ...header, callId: 1 }, none)
      end.send({ ...header, callId: 2 }, body, [large])
      end.send({ ...header, callId: 3 }, none)
      end.send({ ...header, callId: 4 }, none, [large.subarray(leastPayloadRoomBytes)])
      end.send({ ...header, callId: 5 }, none)
    }
    await Promise.all([pair.farGot.has(5), pair.nearGot.has(5)])
    const last = large.subarray(leastPayloadRoomBytes)
    const outcomes = [pair.farGot, pair.nearGot].map(({ frames }) => [
      frames.map(frame => frame.header.callId),
      Buffer.compare(frames[1]!.payload, large),
      Buffer.compare(frames[1]!.body, body),
      Buffer.compare(frames[3]!.payload, last),
    ])
    await closePair(pair)
    return outcomes.map(outcome => [outcome, [[1, 2, 3, 4, 5], 0, 0, 0]])
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

  claim('what was queued is handed over, unless nobody can tell', async under => {
    const pair = await startedPair(under)
    pair.near.send(header, pattern(1000, 3))
    const handed = await pair.near.handed()
    await closePair(pair)
    return [
      [handed !== false, true],
      [pair.near.handed(), null],
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
