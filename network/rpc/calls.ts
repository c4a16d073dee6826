/**
 * The calls that this side makes on one connection.
 *
 * 1. A call is in flight (sent, in `#inFlight`), queued (in `#queue`), or ended; it ends exactly once.
 * 2. At most `maxCallsInFlight` are in flight and `maxCallsQueued` queued; calls leave in the order made.
 * 3. Nothing is sent while the connection says to wait.
 * 4. A reply to a call that is not in flight (late, repeated, never made) is dropped.
 */
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { maxCallsInFlight, maxCallsQueued } from '../limits.ts'
import { type Connection, type FrameHeader, frameKind } from '../transport/contract.ts'
import { decodeBody, decodeError, encodeBody } from '../wire/codec.ts'
import { CallQueue } from './call-queue.ts'
import { Deadlines } from './deadlines.ts'
import { type CallTally, callOk, resultOf } from './tally.ts'

export interface Answer {
  readonly body: unknown
  readonly payload: readonly Uint8Array[]
}

export interface Outbound {
  readonly name: string
  readonly operation: number
  readonly partition: number
  readonly epoch: number
  readonly request: unknown
  readonly payload: readonly Uint8Array[]
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
}

interface Call {
  readonly header: FrameHeader
  readonly outbound: Outbound
  readonly body: Uint8Array
  readonly dueMs: number
  /** 0 where nobody counts. */
  readonly startedMs: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  aborted: (() => void) | undefined
  ended: boolean
}

const empty = new Uint8Array(0)

export class Calls {
  readonly #connection: Connection
  readonly #inFlight = new Map<number, Call>()
  readonly #queue = new CallQueue<Call>()
  readonly #deadlines: Deadlines
  readonly #tally: CallTally | null
  #lastId = 0
  #waiting = false
  #closed: ClusterError | undefined

  constructor(env: Env, connection: Connection, tally: CallTally | null = null) {
    this.#connection = connection
    this.#tally = tally
    this.#deadlines = new Deadlines(env, nowMs => this.#expire(nowMs))
  }

  get outstanding(): number {
    return this.#inFlight.size + this.#queue.size
  }

  /** As `Connection.handed`, of the calls that were made by now. */
  handed(): Promise<boolean> | null {
    return this.handsOver ? this.#connection.handed() : null
  }

  get handsOver(): boolean {
    return this.#queue.size === 0 && this.#closed === undefined && this.#connection.handsOver
  }

  make(outbound: Outbound): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      if (outbound.signal?.aborted) return reject(cancelled(outbound))
      const canSend = this.#canSend() && this.#queue.size === 0
      if (!canSend && this.#queue.size >= maxCallsQueued) {
        const words = `${maxCallsQueued} calls wait for ${this.#connection.remote}`
        return reject(new ClusterError('OVERLOADED', words))
      }
      const call = this.#begin(outbound, resolve, reject)
      if (canSend) this.#send(call)
      else this.#queue.push(call)
    })
  }

  /** A reply or an error has come. */
  answered(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void {
    const call = this.#inFlight.get(header.callId)
    if (call === undefined) return
    this.#end(call)
    if (header.kind === frameKind.error) this.#reject(call, decodeError(body))
    else this.#resolve(call, header, body, payload)
    if (this.#queue.size > 0) this.#sendQueued()
  }

  /** The connection is gone: so are all calls, and those to come. */
  close(error: ClusterError): void {
    this.#closed = error
    this.#deadlines.stop()
    for (const call of this.#all()) this.#fail(call, error)
    while (this.#queue.shift() !== undefined);
  }

  #begin(outbound: Outbound, resolve: Call['resolve'], reject: Call['reject']): Call {
    const { operation, partition, epoch, request, signal } = outbound
    const body = encodeBody(request)
    const call: Call = {
      header: { callId: this.#nextId(), kind: frameKind.request, operation, partition, epoch },
      outbound,
      body,
      dueMs: this.#deadlines.add(outbound.deadlineMs),
      startedMs: this.#tally === null ? 0 : this.#tally.nowMs(),
      resolve,
      reject,
      aborted: undefined,
      ended: false,
    }
    if (signal !== undefined) {
      call.aborted = () => this.#abandon(call, cancelled(outbound))
      signal.addEventListener('abort', call.aborted, { once: true })
    }
    return call
  }

  /** Numbers come round after 2^32 calls: one that is still in flight is left out. */
  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#inFlight.has(this.#lastId))
    return this.#lastId
  }

  #canSend(): boolean {
    return !this.#waiting && this.#inFlight.size < maxCallsInFlight
  }

  #send(call: Call): void {
    this.#inFlight.set(call.header.callId, call)
    try {
      if (!this.#connection.send(call.header, call.body, call.outbound.payload)) this.#wait()
    } catch (error) {
      this.#fail(call, error)
    }
  }

  #sendQueued(): void {
    while (this.#canSend()) {
      const call = this.#queue.shift()
      if (call === undefined) return
      if (!call.ended) this.#send(call)
    }
  }

  #wait(): void {
    this.#waiting = true
    const goOn = () => {
      this.#waiting = false
      this.#sendQueued()
    }
    // When it is rejected the connection is closed, and `close` follows.
    this.#connection.drained().then(goOn, () => undefined)
  }

  #resolve(
    call: Call,
    header: FrameHeader,
    body: Uint8Array,
    payload: readonly Uint8Array[],
  ): void {
    try {
      if (header.operation !== call.header.operation) {
        throw new ClusterError('MALFORMED', `the reply to ${call.outbound.name} is to another call`)
      }
      call.resolve({ body: decodeBody(body), payload })
      this.#tally?.ended(header.operation, callOk, call.startedMs)
    } catch (error) {
      this.#reject(call, error)
    }
  }

  #expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const call of this.#all()) {
      if (call.dueMs > nowMs) nextMs = Math.min(nextMs, call.dueMs)
      else this.#abandon(call, this.#timeout(call))
    }
    return nextMs
  }

  /** Nobody waits for it any longer: says so to the peer if it has it. */
  #abandon(call: Call, error: ClusterError): void {
    const sent = this.#inFlight.has(call.header.callId)
    this.#fail(call, error)
    if (sent && this.#closed === undefined) this.#sendCancel(call)
    this.#sendQueued()
  }

  #sendCancel(call: Call): void {
    try {
      this.#connection.send({ ...call.header, kind: frameKind.cancel }, empty)
    } catch (error) {
      // The connection has just been closed: the peer learns it that way.
      if (!(error instanceof ClusterError && error.code === 'CLOSED')) throw error
    }
  }

  #fail(call: Call, error: unknown): void {
    if (call.ended) return
    this.#end(call)
    this.#reject(call, error)
  }

  #reject(call: Call, error: unknown): void {
    this.#tally?.ended(call.header.operation, resultOf(error), call.startedMs)
    call.reject(error)
  }

  #end(call: Call): void {
    call.ended = true
    this.#inFlight.delete(call.header.callId)
    if (call.aborted !== undefined) {
      call.outbound.signal?.removeEventListener('abort', call.aborted)
    }
  }

  *#all(): Generator<Call> {
    yield* this.#inFlight.values()
    for (const call of this.#queue) if (!call.ended) yield call
  }

  #timeout(call: Call): ClusterError {
    const { name, deadlineMs } = call.outbound
    const words = `${name} to ${this.#connection.remote} had no answer within ${deadlineMs} ms`
    return new ClusterError('TIMEOUT', words)
  }
}

function cancelled(outbound: Outbound): ClusterError {
  return new ClusterError('CANCELLED', outbound.name, { cause: outbound.signal?.reason })
}
