/** What the compliance suite works with: a pair of connections, a recorder, known bytes. */
import { type ClusterCode, ClusterError } from '../errors.ts'
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

export const header: FrameHeader = {
  callId: 0xfedcba98,
  kind: frameKind.request,
  operation: 0xabcd,
  partition: 4095,
  epoch: 0xffffffff,
}

export const none = new Uint8Array(0)

interface Frame {
  readonly header: FrameHeader
  readonly body: Uint8Array
  readonly payload: Uint8Array
}

/** Keeps what a connection delivers and lets a test wait for it. */
export class Recorder implements ConnectionHandler {
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

export async function pairOf({ transport, address }: TransportUnderTest): Promise<Pair> {
  const accepted = Promise.withResolvers<Connection>()
  const listener = await transport.listen(address, accepted.resolve)
  const near = await transport.dial(listener.address)
  const far = await accepted.promise
  for (const end of [near, far]) end.vouch()
  return { listener, near, far }
}

export async function startedPair(under: TransportUnderTest) {
  const pair = await pairOf(under)
  const nearGot = new Recorder()
  const farGot = new Recorder()
  pair.near.start(nearGot)
  pair.far.start(farGot)
  return { ...pair, nearGot, farGot }
}

export async function closePair({ listener, near, far }: Pair): Promise<void> {
  await Promise.all([near.close(), far.close()])
  await listener.close()
}

export function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed + (i >> 8)) & 0xff
  return bytes
}

export function codeOf(error: unknown): ClusterCode | undefined {
  return error instanceof ClusterError ? error.code : undefined
}

export function codeThrown(work: () => unknown): ClusterCode | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
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

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return plain(Buffer.concat(pieces))
}

/** The same bytes as a plain Uint8Array, so that deep equality compares bytes only. */
export function plain(bytes: Uint8Array | undefined): Uint8Array {
  return Uint8Array.from(bytes ?? [])
}
