/**
 * The requests that the other side makes on one connection.
 *
 * 1. `#running` counts the handlers that have not answered yet: at most `maxRequestsServed`. A cancelled
 *    one counts, since it goes on working; `#served` holds the call ids of the others, and of what is being begun.
 * 2. A request gets one reply or error, none once it was cancelled or the connection is gone.
 */
import { Refusal } from '../admission/refusal.ts'
import { type Caller, mayCall } from '../admission/roles.ts'
import { ClusterError, PosixError } from '../errors.ts'
import { maxRequestsServed } from '../limits.ts'
import { type Connection, type FrameHeader, frameKind } from '../transport/contract.ts'
import { decodeBody, encodeBody, encodeError } from '../wire/codec.ts'
import type { OperationName, RequestOf } from '../wire/operations.ts'
import type { Incoming, Peer, Reply } from './contract.ts'
import type { Dispatch } from './dispatch.ts'
import type { Log } from './log.ts'
import { type CallTally, callOk, resultOf } from './tally.ts'

type AnyReply = Reply<OperationName>

export interface RequestsInit {
  readonly connection: Connection
  readonly dispatch: Dispatch
  readonly peer: Peer
  readonly log: Log
  readonly tally: CallTally | null
  /** The peer asked for what it may not, and has been told so. */
  readonly refused: (error: Refusal) => void
}

export class Requests {
  readonly #connection: Connection
  readonly #dispatch: Dispatch
  readonly #peer: Peer
  readonly #log: Log
  readonly #tally: CallTally | null
  readonly #refused: (error: Refusal) => void
  readonly #served = new Set<number>()
  /** As what the peer calls; null where nobody asks. Set when it has been greeted. */
  caller: Caller | null = null
  #running = 0
  #closed = false

  constructor({ connection, dispatch, peer, log, tally, refused }: RequestsInit) {
    this.#refused = refused
    this.#connection = connection
    this.#dispatch = dispatch
    this.#peer = peer
    this.#log = log
    this.#tally = tally
  }

  /** @throws ClusterError when the peer breaks the rules, and is to be cut off. */
  request(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void {
    if (this.#served.has(header.callId)) {
      throw new ClusterError('MALFORMED', `call ${header.callId} was made twice`)
    }
    if (this.#running >= maxRequestsServed) {
      throw new ClusterError('OVERLOADED', `${maxRequestsServed} requests are being served`)
    }
    const startedMs = this.#tally === null ? 0 : this.#tally.nowMs()
    this.#served.add(header.callId)
    try {
      const result = this.#invoke(header, body, payload)
      if (result instanceof Promise) this.#await(header, result, startedMs)
      else {
        this.#served.delete(header.callId)
        this.#tally?.ended(header.operation, callOk, startedMs)
        this.#reply(header, result)
      }
    } catch (error) {
      this.#served.delete(header.callId)
      this.#tally?.ended(header.operation, resultOf(error), startedMs)
      this.#refuse(header, error)
    }
  }

  notice(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void {
    const startedMs = this.#tally === null ? 0 : this.#tally.nowMs()
    const failed = (error: unknown) => {
      this.#tally?.ended(header.operation, resultOf(error), startedMs)
      this.#logFailed(header, error)
      if (error instanceof Refusal) this.#refused(error)
    }
    try {
      const result = this.#invoke(header, body, payload)
      const ended = () => this.#tally?.ended(header.operation, callOk, startedMs)
      if (result instanceof Promise) result.then(ended, failed)
      else ended()
    } catch (error) {
      failed(error)
    }
  }

  cancel(callId: number): void {
    this.#served.delete(callId)
  }

  close(): void {
    this.#closed = true
    this.#served.clear()
  }

  #invoke(
    header: FrameHeader,
    body: Uint8Array,
    payload: readonly Uint8Array[],
  ): AnyReply | Promise<AnyReply> {
    const entry = this.#dispatch[header.operation]
    if (entry === undefined) {
      throw new ClusterError(
        'UNKNOWN_OPERATION',
        `operation ${header.operation} is not served here`,
      )
    }
    const { name, handler } = entry
    if (this.caller !== null && !mayCall(this.caller, name)) {
      throw new Refusal('wrong_role', `${name} is not for a ${this.caller} to call`)
    }
    const incoming: Incoming<OperationName> = {
      peer: this.#peer,
      partition: header.partition,
      epoch: header.epoch,
      // What a handler gets is what the peer sent: the shape is the peer's word, see operations.ts.
      body: decodeBody(body) as RequestOf<OperationName>,
      payload,
      isWanted: () => this.#served.has(header.callId),
    }
    return handler(incoming)
  }

  #await(header: FrameHeader, result: Promise<AnyReply>, startedMs: number): void {
    this.#running++
    result.then(
      reply => {
        this.#running--
        this.#tally?.ended(header.operation, callOk, startedMs)
        if (this.#served.delete(header.callId)) this.#reply(header, reply)
      },
      error => {
        this.#running--
        this.#tally?.ended(header.operation, resultOf(error), startedMs)
        if (this.#served.delete(header.callId)) this.#refuse(header, error)
        else if (!isExpected(error)) this.#logFailed(header, error)
      },
    )
  }

  #reply(header: FrameHeader, { body, payload }: AnyReply): void {
    if (this.#closed) return
    try {
      this.#connection.send(answerTo(header, frameKind.reply), encodeBody(body), payload)
    } catch (error) {
      this.#refuse(header, error)
    }
  }

  #refuse(header: FrameHeader, error: unknown): void {
    if (!isExpected(error)) this.#logFailed(header, error)
    if (this.#closed) return
    this.#tell(header, error)
    if (error instanceof Refusal) this.#refused(error)
  }

  #tell(header: FrameHeader, error: unknown): void {
    const told = isExpected(error)
      ? error
      : new ClusterError('INTERNAL', 'the request failed; the log of the peer says why')
    try {
      this.#connection.send(answerTo(header, frameKind.error), encodeError(told))
    } catch (failure) {
      // The peer is gone: nobody is there to be told.
      if (!(failure instanceof ClusterError && failure.code === 'CLOSED')) throw failure
    }
  }

  #logFailed(header: FrameHeader, error: unknown): void {
    const name = this.#dispatch[header.operation]?.name ?? `operation ${header.operation}`
    this.#log(`${name} from ${this.#connection.remote} failed`, error)
  }
}

function answerTo(header: FrameHeader, kind: FrameHeader['kind']): FrameHeader {
  const { callId, operation, partition, epoch } = header
  return { callId, kind, operation, partition, epoch }
}

function isExpected(error: unknown): error is PosixError | ClusterError {
  return error instanceof PosixError || error instanceof ClusterError
}
