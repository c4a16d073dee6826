/**
 * Frames over one stream of bytes, whatever carries it.
 *
 * 1. `#unsentBytes` counts what was queued and has not yet left.
 * 2. An orderly close ends with a goodbye frame from each side; a stream that ends otherwise was cut off.
 * 3. `closed` is called once, after the stream is gone, and no frame is delivered after an abort.
 * 4. Until somebody vouches for the peer, only small frames are taken from it, and the door may turn it away.
 */
import assert from 'node:assert/strict'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import {
  maxFrameBodyBytes,
  maxFramePayloadBytes,
  maxUnprovenBodyBytes,
  sendHighWaterBytes,
  sendLimitBytes,
  shutdownDeadlineMs,
} from '../limits.ts'
import { Deframer } from '../wire/deframer.ts'
import { checkLengths, goodbyeKind, headerBytes, payloadLength } from '../wire/framing.ts'
import type { ByteStream } from './byte-stream.ts'
import type { Channel, Connection, ConnectionHandler, FrameHeader } from './contract.ts'
import type { Waiting } from './door.ts'
import { Handing } from './handing.ts'
import { Outgoing } from './outgoing.ts'

const noPayload: readonly Uint8Array[] = []
const noBody = new Uint8Array(0)
const goodbye = { kind: goodbyeKind, callId: 0, operation: 0, partition: 0, epoch: 0 } as const

type State = 'open' | 'closing' | 'aborted' | 'closed'

export interface FramedInit {
  readonly env: Env
  readonly stream: ByteStream
  readonly remote: string
  readonly channel: Channel
  /** Where it waits among those for whom nobody has vouched yet; of those who came in. */
  readonly waiting?: Waiting | undefined
}

export class FramedConnection implements Connection {
  readonly remote: string
  readonly channel: Channel
  readonly #waiting: Waiting | undefined
  readonly #env: Env
  readonly #stream: ByteStream
  readonly #outgoing = new Outgoing()
  readonly #deframer: Deframer
  readonly #whenClosed = Promise.withResolvers<void>()
  #state: State = 'open'
  #handler: ConnectionHandler | undefined
  #error: ClusterError | undefined
  #peerSaidGoodbye = false
  #flushScheduled = false
  #unsentBytes = 0
  #queuedBytes = 0
  readonly #handing = new Handing()
  #drained: PromiseWithResolvers<void> | undefined

  constructor({ env, stream, remote, channel, waiting }: FramedInit) {
    this.channel = channel
    this.#waiting = waiting
    this.#env = env
    this.#stream = stream
    this.remote = remote
    this.#deframer = new Deframer({
      frame: (header, body, payload) => {
        if (this.#state === 'open' || this.#state === 'closing') {
          this.#handler?.frame(header, body, payload)
        }
      },
      goodbye: () => this.#onGoodbye(),
    })
    this.#deframer.limit(maxUnprovenBodyBytes, 0)
    waiting?.becomes(error => this.#fail(error))
    stream.attach({
      received: bytes => this.#receive(() => this.#deframer.push(bytes)),
      room: () => this.#deframer.room(),
      filled: bytes => this.#receive(() => this.#deframer.filled(bytes)),
      ended: () => this.#onEnd(),
      failed: cause => this.#fail(this.#lost(cause)),
      closed: () => this.#onClose(),
    })
  }

  vouch(): void {
    this.#waiting?.end()
    this.#deframer.limit(maxFrameBodyBytes, maxFramePayloadBytes)
  }

  start(handler: ConnectionHandler): void {
    assert(this.#handler === undefined, 'a connection is started once')
    this.#handler = handler
    if (this.#state === 'closed') process.nextTick(() => handler.closed(this.#error))
    else this.#stream.resume()
  }

  send(header: FrameHeader, body: Uint8Array, payload = noPayload): boolean {
    if (this.#state !== 'open') throw this.#closedError()
    const payloadBytes = payload === noPayload ? 0 : payloadLength(payload)
    checkLengths(body.byteLength, payloadBytes)
    const bytes = headerBytes + body.byteLength + payloadBytes
    if (this.#unsentBytes + bytes > sendLimitBytes) {
      this.abort(new ClusterError('OVERLOADED', `${this.remote} does not read what it is sent`))
      throw this.#closedError()
    }
    this.#outgoing.add(header, body, payload, payloadBytes)
    this.#queued(bytes)
    return this.#unsentBytes <= sendHighWaterBytes
  }

  drained(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError())
    if (this.#unsentBytes <= sendHighWaterBytes) return Promise.resolve()
    this.#drained ??= Promise.withResolvers()
    return this.#drained.promise
  }

  get handsOver(): boolean {
    return this.#stream.outlivesProcess && this.#state === 'open'
  }

  handed(): Promise<boolean> | null {
    return this.handsOver ? this.#handing.handed() : null
  }

  close(): Promise<void> {
    if (this.#state === 'open') this.#beginClose()
    return this.#whenClosed.promise
  }

  abort(error: ClusterError): void {
    this.#fail(error)
  }

  #receive(take: () => void): void {
    if (this.#state === 'aborted' || this.#state === 'closed') return
    try {
      take()
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      this.#fail(error)
    }
  }

  #queued(bytes: number): void {
    this.#unsentBytes += bytes
    this.#queuedBytes += bytes
    this.#handing.queued(bytes)
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    process.nextTick(flushOf, this.#flush)
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false
    if (this.#state === 'aborted' || this.#state === 'closed') return
    const bytes = this.#queuedBytes
    this.#queuedBytes = 0
    const pieces = this.#outgoing.take()
    if (pieces.length > 0) this.#stream.write(pieces, error => this.#sent(bytes, error))
  }

  #sent(bytes: number, error?: Error | null): void {
    // What a broken stream drops has not been sent: `failed` or `closed` follows.
    if (error) return
    this.#unsentBytes -= bytes
    this.#handing.left(bytes)
    if (this.#drained === undefined || this.#unsentBytes > sendHighWaterBytes) return
    this.#drained.resolve()
    this.#drained = undefined
  }

  #beginClose(): void {
    this.#outgoing.add(goodbye, noBody, noPayload, 0)
    this.#flush()
    this.#state = 'closing'
    this.#stream.end()
    // The peer's last word is to be read even when nobody listens.
    this.#stream.resume()
    this.#endWaits()
    const timer = this.#env.timers.after(shutdownDeadlineMs, () => {
      this.#fail(new ClusterError('TIMEOUT', `${this.remote} did not take leave`))
    })
    this.#whenClosed.promise.then(() => timer.cancel())
  }

  #onGoodbye(): void {
    this.#peerSaidGoodbye = true
    if (this.#state === 'open') this.#beginClose()
  }

  #onEnd(): void {
    if (this.#peerSaidGoodbye) return
    this.#fail(new ClusterError('CLOSED', `${this.remote} is gone without a goodbye`))
  }

  #fail(error: ClusterError): void {
    if (this.#state === 'aborted' || this.#state === 'closed') return
    this.#state = 'aborted'
    this.#error = error
    this.#outgoing.take()
    this.#endWaits()
    this.#stream.destroy()
  }

  #onClose(): void {
    if (this.#state === 'closed') return
    if (this.#state === 'open') this.#error = this.#lost()
    this.#state = 'closed'
    this.#waiting?.end()
    this.#endWaits()
    this.#handler?.closed(this.#error)
    this.#whenClosed.resolve()
  }

  #endWaits(): void {
    this.#handing.end()
    this.#drained?.reject(this.#closedError())
    this.#drained = undefined
  }

  #lost(cause?: unknown): ClusterError {
    return new ClusterError('CLOSED', `the connection to ${this.remote} was lost`, { cause })
  }

  #closedError(): ClusterError {
    return new ClusterError('CLOSED', `the connection to ${this.remote} is closed`, {
      cause: this.#error,
    })
  }
}

function flushOf(flush: () => void): void {
  flush()
}
