/**
 * The other end of one connection, in both directions: calls made to it and requests served for it.
 *
 * 1. Until the peer's hello and, with credentials, its proof were accepted, nothing but the greeting sees its frames.
 * 2. A peer that breaks the protocol is cut off; nothing it sent later is looked at.
 */
import assert from 'node:assert/strict'
import type { Certificate, Credentials } from '../admission/contract.ts'
import { Refusal } from '../admission/refusal.ts'
import { type Caller, stranger } from '../admission/roles.ts'
import type { Env, Timer } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { callDeadlineMs, greetingDeadlineMs } from '../limits.ts'
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
import type { Greeted, Greeting } from './greeting.ts'
import type { Log } from './log.ts'
import { Requests } from './requests.ts'
import type { RpcTally } from './tally.ts'

export interface PeerOptions {
  readonly env: Env
  readonly connection: Connection
  readonly dispatch: Dispatch
  readonly log: Log
  /** What its proof was checked by; it is cut off when that says that it was removed. */
  readonly credentials?: Credentials | undefined
  /** Called when it is cut off for what it is or did after it was let in. */
  readonly cutOff?: ((error: Refusal) => void) | undefined
  /** Called once the hellos are exchanged, before anything else is served. */
  readonly admitted?: ((peer: Peer) => void) | undefined
  /** Counts what goes over it both ways. */
  readonly tally?: RpcTally | undefined
}

const noPayload: readonly Uint8Array[] = []

export class RpcPeer implements Peer {
  readonly remote: string
  readonly closed: Promise<ClusterError | undefined>
  /** Resolves when the hellos are exchanged; rejects with what kept them from it. */
  readonly greeted: Promise<void>
  readonly #connection: Connection
  readonly #calls: Calls
  readonly #requests: Requests
  readonly #credentials: Credentials | undefined
  readonly #cutOff: ((error: Refusal) => void) | undefined
  readonly #admitted: ((peer: Peer) => void) | undefined
  readonly #greetingTimer: Timer
  readonly #whenGreeted = Promise.withResolvers<void>()
  readonly #whenClosed = Promise.withResolvers<ClusterError | undefined>()
  #greeting: Greeting | undefined
  #greeted: Greeted | undefined
  #refused = false

  constructor(options: PeerOptions) {
    const { env, connection, dispatch, log, tally } = options
    this.remote = connection.remote
    this.closed = this.#whenClosed.promise
    this.greeted = this.#whenGreeted.promise
    this.#connection = connection
    this.#calls = new Calls(env, connection, tally?.made)
    this.#requests = new Requests({
      ...{ connection, dispatch, log, peer: this, tally: tally?.served ?? null },
      refused: error => this.#refuse(error),
    })
    this.#credentials = options.credentials
    this.#cutOff = options.cutOff
    this.#admitted = options.admitted
    const { timers } = env
    // What has arrived by now is read before: a process that was held up blames nobody else for it.
    this.#greetingTimer = timers.after(greetingDeadlineMs, () => timers.soon(() => this.#silent()))
  }

  get hello(): HelloRequest {
    return this.#whoItIs.hello
  }

  get proven(): Certificate | null {
    return this.#whoItIs.proven
  }

  get peerId(): string | null {
    return this.#whoItIs.peerId
  }

  get #whoItIs(): Greeted {
    assert(this.#greeted !== undefined, 'a peer is handed out when it has said hello')
    return this.#greeted
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

  get handsOver(): boolean {
    return this.#calls.handsOver
  }

  handed(): Promise<boolean> | null {
    return this.#calls.handed()
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

  /** Begins to take frames; the first ones go to the greeting. */
  start(greet: () => Greeting): void {
    const handler: ConnectionHandler = {
      frame: (header, body, payload) => this.#frame(header, body, payload),
      closed: error => this.#closedWith(error),
    }
    this.#connection.start(handler)
    try {
      this.#greeting = greet()
    } catch (error) {
      // Lost before a word was said: `closed` says why.
      if (!(error instanceof ClusterError)) throw error
      this.abort(error)
    }
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
      if (this.#greeted === undefined) this.#greet(header, body)
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
    let greeted: Greeted | null
    try {
      assert(this.#greeting !== undefined, 'frames come after the greeting has begun')
      greeted = this.#greeting(header, body)
    } catch (error) {
      this.#refused = true
      this.#whenGreeted.reject(error)
      // Orderly, so that an error which was sent to the peer arrives.
      void this.#connection.close()
      return
    }
    if (greeted === null) return
    this.#greeted = greeted
    this.#greetingTimer.cancel()
    this.#connection.vouch()
    this.#requests.caller = callerOf(greeted, this.#credentials)
    this.#watchRemoval(greeted)
    this.#whenGreeted.resolve()
    this.#admitted?.(this)
  }

  #watchRemoval({ proven }: Greeted): void {
    const credentials = this.#credentials
    if (credentials === undefined || proven === null) return
    const stop = credentials.onRemoval(() => {
      if (!credentials.isRemoved(proven)) return
      const error = new Refusal('removed', `${proven.peerId} was removed from the cluster`)
      this.#cutOff?.(error)
      this.abort(error)
    })
    void this.closed.then(stop)
  }

  #silent(): void {
    if (this.#greeted !== undefined) return
    this.abort(new ClusterError('TIMEOUT', `${this.remote} has not said hello`))
  }

  /** It asked for what it may not: it has been told so, and nothing that it sends is looked at any longer. */
  #refuse(error: Refusal): void {
    if (this.#refused) return
    this.#refused = true
    this.#cutOff?.(error)
    void this.#connection.close()
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

/** Who calls, for the table of roles; null where nobody asks. */
function callerOf({ proven }: Greeted, credentials: Credentials | undefined): Caller | null {
  return credentials === undefined ? null : (proven?.role ?? stranger)
}
