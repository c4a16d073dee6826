import test from 'ava'
import fc from 'fast-check'
import { ClusterError } from '../errors.ts'
import {
  leastPayloadRoomBytes,
  maxFrameBodyBytes,
  maxFramePayloadBytes,
  payloadRoomBytes,
} from '../limits.ts'
import { type FrameHeader, frameKind } from '../transport/contract.ts'
import { Deframer } from './deframer.ts'
import { goodbyeKind, headerBytes, payloadLength, writeHeader } from './framing.ts'

// The same cases every time: a failure is the code's, never the day's.
fc.configureGlobal({ seed: 20_260_101 })

interface Frame {
  readonly header: FrameHeader
  readonly body: Uint8Array
  readonly payload: Uint8Array
}

const frames: fc.Arbitrary<Frame> = fc.record({
  header: fc.record({
    callId: fc.nat(0xffffffff),
    kind: fc.constantFrom(...Object.values(frameKind)),
    operation: fc.nat(0xffff),
    partition: fc.nat(0xffff),
    epoch: fc.nat(0xffffffff),
  }),
  body: fc.uint8Array({ maxLength: 100 }),
  payload: fc.uint8Array({ maxLength: 200 }),
})

function encode({ header, body, payload }: Frame): Uint8Array {
  const bytes = new Uint8Array(headerBytes + body.length + payload.length)
  const view = new DataView(bytes.buffer)
  writeHeader({ bytes, view }, 0, header, body, payload.length)
  bytes.set(body, headerBytes)
  bytes.set(payload, headerBytes + body.length)
  return bytes
}

function collector() {
  const got: Frame[] = []
  const payloads: (readonly Uint8Array[])[] = []
  let goodbyes = 0
  const deframer = new Deframer({
    frame(header, body, payload) {
      got.push({
        header,
        body: Uint8Array.from(body),
        payload: Uint8Array.from(Buffer.concat(payload)),
      })
      payloads.push(payload)
    },
    goodbye: () => goodbyes++,
  })
  return { got, payloads, deframer, goodbyes: () => goodbyes }
}

function codeOf(work: () => void): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof ClusterError ? error.code : String(error)
  }
}

test('frames come out as they went in, however the stream is cut', t => {
  const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 8 }), cuts, (sent, lengths) => {
      const stream = Buffer.concat(sent.map(encode))
      const { got, deframer } = collector()
      for (let at = 0, i = 0; at < stream.length; i++) {
        const length = lengths[i % lengths.length]!
        deframer.push(Uint8Array.from(stream.subarray(at, at + length)))
        at += length
      }
      t.true(deframer.idle)
      t.deepEqual(
        got,
        sent.map(frame => ({
          ...frame,
          body: Uint8Array.from(frame.body),
          payload: Uint8Array.from(frame.payload),
        })),
      )
    }),
    { numRuns: 300 },
  )
})

const plain: Frame = {
  header: { callId: 1, kind: frameKind.request, operation: 2, partition: 3, epoch: 4 },
  body: new Uint8Array(10).fill(1),
  payload: new Uint8Array(100).fill(2),
}

test('payload is handed out where it arrived, and side by side pieces as one', t => {
  const stream = encode(plain)
  const { payloads, deframer } = collector()
  deframer.push(stream.subarray(0, 50))
  deframer.push(stream.subarray(50, 70))
  const apart = stream.slice(70)
  deframer.push(apart)
  const [payload] = payloads
  t.deepEqual(
    payload?.map(piece => piece.buffer),
    [stream.buffer, apart.buffer],
  )
  t.deepEqual(
    payload?.map(piece => piece.byteOffset),
    [42, 0],
  )
  t.is(payloadLength(payload ?? []), 100)
})

test('the rest of a large payload has memory of its own, and nothing that follows gets there', t => {
  const large = Uint8Array.from({ length: payloadRoomBytes + 100_000 }, (_, index) => index % 251)
  const sent = [plain, { ...plain, payload: large }, plain, { ...plain, payload: large }]
  const stream = Buffer.concat(sent.map(encode))
  const { got, payloads, deframer } = collector()
  t.is(deframer.room(), null)
  for (let at = 0; at < stream.length; ) {
    const room = deframer.room()
    // The scratch of a socket is used again for each read, the room is not.
    const target = room ?? new Uint8Array(1000)
    const bytes = Math.min(target.length, 70_000, stream.length - at)
    target.set(stream.subarray(at, at + bytes))
    at += bytes
    if (room === null) deframer.push(target.slice(0, bytes))
    else deframer.filled(bytes)
  }
  t.deepEqual(
    got.map(frame => Buffer.compare(frame.payload, plain.payload) === 0),
    [true, false, true, false],
  )
  for (const index of [1, 3]) {
    t.is(Buffer.compare(got[index]!.payload, large), 0)
    const lengths = payloads[index]!.map(piece => piece.byteLength)
    t.true(lengths.length <= 5, `${lengths}`)
    t.is(Math.max(...lengths), payloadRoomBytes)
  }
  t.true(deframer.idle)
  t.is(deframer.room(), null)
})

test('a header and a body have no room, nor has a little payload', t => {
  for (const length of [leastPayloadRoomBytes, leastPayloadRoomBytes - 1]) {
    const stream = encode({ ...plain, payload: new Uint8Array(length) })
    const { deframer } = collector()
    for (let at = 0; at < headerBytes + plain.body.length; at++) {
      t.is(deframer.room(), null)
      deframer.push(stream.slice(at, at + 1))
    }
    const isLarge = length === leastPayloadRoomBytes
    t.is(deframer.room()?.byteLength, isLarge ? length : undefined)
  }
})

test('a frame keeps its own payload when later ones arrive', t => {
  const { payloads, deframer } = collector()
  const empty = { ...plain, payload: new Uint8Array(0) }
  deframer.push(Buffer.concat([empty, plain, empty, plain].map(encode)))
  t.deepEqual(payloads.map(payloadLength), [0, 100, 0, 100])
})

test('a changed bit of header or body is found, whichever it is', t => {
  const length = headerBytes + plain.body.length
  for (let bit = 0; bit < length * 8; bit++) {
    const stream = encode(plain)
    stream[bit >> 3]! ^= 1 << (bit & 7)
    const { got, deframer } = collector()
    const code = codeOf(() => deframer.push(stream))
    const waiting = code === undefined && !deframer.idle
    t.true(waiting || ['MALFORMED', 'OVERSIZE', 'CHECKSUM'].includes(code ?? ''), `bit ${bit}`)
    t.is(got.length, 0, `bit ${bit}`)
  }
})

test('a length beyond the limits is refused before anything is waited for', t => {
  for (const [body, payload] of [
    [maxFrameBodyBytes + 1, 0],
    [0, maxFramePayloadBytes + 1],
    [0xffffffff, 0xffffffff],
  ] as const) {
    const stream = encode({ ...plain, body: new Uint8Array(0), payload: new Uint8Array(0) })
    const view = new DataView(stream.buffer)
    view.setUint32(0, body, true)
    view.setUint32(4, payload, true)
    t.is(
      codeOf(() => collector().deframer.push(stream)),
      'OVERSIZE',
    )
  }
})

test('a goodbye is no frame', t => {
  const bytes = new Uint8Array(headerBytes)
  const header = { ...plain.header, kind: goodbyeKind } as const
  writeHeader({ bytes, view: new DataView(bytes.buffer) }, 0, header, new Uint8Array(0), 0)
  const { got, deframer, goodbyes } = collector()
  deframer.push(bytes)
  t.deepEqual([got.length, goodbyes()], [0, 1])
})

test('random bytes are refused', t => {
  const refused = fc.property(fc.uint8Array({ minLength: 32, maxLength: 200 }), bytes => {
    const code = codeOf(() => collector().deframer.push(bytes))
    return code === 'MALFORMED' || code === 'OVERSIZE' || code === 'CHECKSUM'
  })
  t.notThrows(() => fc.assert(refused, { numRuns: 500 }))
})

test('a broken stream takes nothing more', t => {
  const { deframer } = collector()
  t.throws(() => deframer.push(new Uint8Array(40)))
  t.throws(() => deframer.push(encode(plain)), { name: 'AssertionError' })
})
