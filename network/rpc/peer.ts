/**
 * The other end of one connection, in both directions: calls made to it and requests served for it.
 *
 * 1. Until the peer's hello was accepted, nothing but the greeting sees its frames.
 * 2. A peer that breaks the protocol is cut off; nothing it sent later is looked at.
 */
import assert from 'node:assert/strict'
import type { Certificate } from '../admission/contract.ts'
import type { Env, Timer } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { callDeadlineMs, dialDeadlineMs } from '../limits.ts'
import {
  type Connection,
  type ConnectionHandler,
  type FrameHeader,
  frameKind,
} from '../transport/contract.ts'
import { encodeBody } from '../wire/codec.ts'
import {
  type HelloRequest,
  type OperationName,
  operationNumbers,
  type RequestOf,
} from '../wire/operations.ts'
import { type Answer, Calls } from './calls.ts'
import type { CallOptions, Peer, Reply } from './contract.ts'
import type { Dispatch } from './dispatch.ts'
import type { Log } from './log.ts'
import { Requests } from './requests.ts'
import type { RpcTally } from './tally.ts'

/**
 * Takes the first frame and returns the peer's hello, or throws a ClusterError or PosixError to refuse it.
 */
export type Greeting = (header: FrameHeader, body: Uint8Array) => HelloRequest

export interface PeerOptions {
  readonly env: Env
  readonly connection: Connection
  readonly dispatch: Dispatch
  readonly log: Log
  readonly greeting: Greeting
  /** Called once the hellos are exchanged, before anything else is served. */
  readonly admitted?: ((peer: Peer) => void) | undefined
  /** Counts what goes over it both ways. */
  readonly tally?: RpcTally | undefined
}

const noPayload: readonly Uint8Array[] = []

export class RpcPeer implements Peer {
  readonly remote: string
  readonly proven: Certificate | null = null
  readonly peerId: string | null = null
  readonly closed: Promise<ClusterError | undefined>
  /** Resolves when the hellos are exchanged; rejects with what kept them from it. */
  readonly greeted: Promise<void>
  readonly #connection: Connection
  readonly #calls: Calls
  readonly #requests: Requests
  readonly #greeting: Greeting
  readonly #admitted: ((peer: Peer) => void) | undefined
  readonly #greetingTimer: Timer
  readonly #whenGreeted = Promise.withResolvers<void>()
  readonly #whenClosed = Promise.withResolvers<ClusterError | undefined>()
  #hello: HelloRequest | undefined
  #refused = false

  constructor({ env, connection, dispatch, log, greeting, admitted, tally }: PeerOptions) {
    this.remote = connection.remote
    this.closed = this.#whenClosed.promise
    this.greeted = this.#whenGreeted.promise
    this.#connection = connection
    this.#calls = new Calls(env, connection, tally?.made)
    this.#requests = new Requests(connection, dispatch, this, log, tally?.served)
    this.#greeting = greeting
    this.#admitted = admitted
    this.#greetingTimer = env.timers.after(dialDeadlineMs, () =>
      this.abort(new ClusterError('TIMEOUT', `${this.remote} has not said hello`)),
    )
  }

  get hello(): HelloRequest {
    assert(this.#hello !== undefined, 'a peer is handed out when it has said hello')
    return this.#hello
  }

  call<N extends OperationName>(
    name: N,
    request: RequestOf<N>,
    options: CallOptions = {},
  ): Promise<Reply<N>> {
    const answer: Promise<Answer> = this.#calls.make({
      name,
      operation: operationNumbers[name],
      partition: options.partition ?? 0,
      epoch: options.epoch ?? 0,
      request,
      payload: options.payload ?? noPayload,
      deadlineMs: options.deadlineMs ?? callDeadlineMs,
      signal: options.signal,
    })
    return answer as Promise<Reply<N>>
  }

  notify<N extends OperationName>(name: N, request: RequestOf<N>, options: CallOptions = {}): void {
    const header = {
      callId: 0,
      kind: frameKind.notice,
      operation: operationNumbers[name],
      partition: options.partition ?? 0,
      epoch: options.epoch ?? 0,
    }
    try {
      this.#connection.send(header, encodeBody(request), options.payload ?? noPayload)
    } catch (error) {
      if (!(error instanceof ClusterError && error.code === 'CLOSED')) throw error
    }
  }

  /** Begins to take frames. */
  start(): void {
    const handler: ConnectionHandler = {
      frame: (header, body, payload) => this.#frame(header, body, payload),
      closed: error => this.#closedWith(error),
    }
    this.#connection.start(handler)
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  abort(error: ClusterError): void {
    this.#connection.abort(error)
  }

  #frame(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void {
    if (this.#refused) return
    try {
      if (this.#hello === undefined) this.#greet(header, body)
      else this.#take(header, body, payload)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      this.abort(error)
    }
  }

  #take(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void {
    switch (header.kind) {
      case frameKind.request:
        this.#requests.request(header, body, payload)
        break
      case frameKind.reply:
      case frameKind.error:
        this.#calls.answered(header, body, payload)
        break
      case frameKind.notice:
        this.#requests.notice(header, body, payload)
        break
      case frameKind.cancel:
        this.#requests.cancel(header.callId)
    }
  }

  #greet(header: FrameHeader, body: Uint8Array): void {
    try {
      this.#hello = this.#greeting(header, body)
    } catch (error) {
      this.#refused = true
      this.#whenGreeted.reject(error)
      // Orderly, so that an error which was sent to the peer arrives.
      void this.#connection.close()
      return
    }
    this.#greetingTimer.cancel()
    this.#whenGreeted.resolve()
    this.#admitted?.(this)
  }

  #closedWith(error: ClusterError | undefined): void {
    this.#greetingTimer.cancel()
    const lost = new ClusterError('CLOSED', `the connection to ${this.remote} is gone`, {
      cause: error,
    })
    this.#whenGreeted.reject(error ?? lost)
    this.#calls.close(lost)
    this.#requests.close()
    this.#whenClosed.resolve(error)
  }
}
