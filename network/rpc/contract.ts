/** The rpc contract: calls by name between two peers that have said hello to each other. */
import type { Certificate } from '../admission/contract.ts'
import type { ClusterError } from '../errors.ts'
import type { HelloRequest, OperationName, ReplyOf, RequestOf } from '../wire/operations.ts'

export interface CallOptions {
  /** Partition the request is for, and its epoch as known here. */
  readonly partition?: number
  readonly epoch?: number
  /** Raw bytes, never copied into the body. Not to be changed until the call has ended. */
  readonly payload?: readonly Uint8Array[]
  /** Milliseconds until the call fails with TIMEOUT; `callDeadlineMs` unless told. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

export interface Reply<N extends OperationName> {
  readonly body: ReplyOf<N>
  readonly payload: readonly Uint8Array[]
}

/** The other end of one connection. */
export interface Peer {
  readonly remote: string
  /** What it said of itself. */
  readonly hello: HelloRequest
  /** What its key was proven to be; null where nothing is asked (no credentials), and of one who is not admitted yet. */
  readonly proven: Certificate | null
  /** Whose key was proven; null where nothing is asked. */
  readonly peerId: string | null
  /**
   * @throws PosixError or ClusterError as the other side threw it; TIMEOUT, CANCELLED, CLOSED (the call may
   * or may not have had its effect) or OVERLOADED (it has not).
   */
  call<N extends OperationName>(
    name: N,
    request: RequestOf<N>,
    options?: CallOptions,
  ): Promise<Reply<N>>
  /** As of `Connection`, of the calls that were made by now. */
  readonly handsOver: boolean
  handed(): Promise<boolean> | null
  /** Sends without waiting for an answer. Dropped when the connection is closed. */
  notify<N extends OperationName>(name: N, request: RequestOf<N>, options?: CallOptions): void
  /** Resolves when the connection is gone, with the error if it was not orderly. */
  readonly closed: Promise<ClusterError | undefined>
  close(): Promise<void>
  abort(error: ClusterError): void
}

export interface Incoming<N extends OperationName> {
  readonly peer: Peer
  readonly partition: number
  readonly epoch: number
  readonly body: RequestOf<N>
  /** Belongs to the handler. */
  readonly payload: readonly Uint8Array[]
  /**
   * Whether the caller still waits for what is answered later: not when it has given up, or is gone. Always, where there is
   * no such word.
   */
  readonly isWanted?: () => boolean
}

/** Answers at once or later. Throwing PosixError or ClusterError sends it; anything else is INTERNAL. */
export type Handler<N extends OperationName> = (
  incoming: Incoming<N>,
) => Reply<N> | Promise<Reply<N>>

/** What a peer answers to; anything else gets UNKNOWN_OPERATION. */
export type Service = { readonly [N in OperationName]?: Handler<N> }
