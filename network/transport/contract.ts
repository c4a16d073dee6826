/**
 * The transport contract: frames between two peers, and nothing else. Implementations pass the suite
 * in compliance.ts.
 */
import type { ClusterError } from '../errors.ts'

/** What kind of frame it is. */
export const frameKind = {
  /** Wants a reply or an error with the same call id. */
  request: 1,
  reply: 2,
  error: 3,
  /** Wants no answer. */
  notice: 4,
  /** Tells the receiver that nobody waits for the reply to this call id any longer. */
  cancel: 5,
} as const

export type FrameKind = (typeof frameKind)[keyof typeof frameKind]

/** The meaning of a frame; lengths and checksum are the transport's own business. */
export interface FrameHeader {
  /** 32 bits, chosen by the caller, unique among its calls in flight on this connection. */
  readonly callId: number
  readonly kind: FrameKind
  /** Number of the operation (wire/operations.ts), 16 bits. */
  readonly operation: number
  /** Partition the request is for, 16 bits; 0 where the operation has none. */
  readonly partition: number
  /** Epoch of that partition as the sender knows it, 32 bits; 0 where the operation has none. */
  readonly epoch: number
}

/** Receives what a connection delivers. Neither function may throw. */
export interface ConnectionHandler {
  /**
   * One whole, verified frame, in the order sent. `body` and `payload` belong to the receiver; the
   * payload may arrive in several pieces, whose borders mean nothing.
   */
  frame(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void
  /** Called exactly once, last: without an error after an orderly close by either side. */
  closed(error?: ClusterError): void
}

/** What ties a proof of keys to one connection. */
export interface Channel {
  /** Peer whose key the transport itself has proven; null where it proves none. */
  readonly peerId: string | null
  /** The same bytes at both ends, and at no other pair of ends; empty where whoever is on the way could sit in between. */
  readonly binding: Uint8Array
}

/** Of a transport that proves and binds nothing. */
export const openChannel: Channel = { peerId: null, binding: new Uint8Array(0) }

export interface Connection {
  readonly channel: Channel
  /**
   * The peer has proven who it is. Until this is called it may send only frames of `maxUnprovenBodyBytes` without a
   * payload, and has to make room for others where too many come.
   */
  vouch(): void
  /** The peer as a person would name it in a log: address, or "memory:3". */
  readonly remote: string
  /** Starts delivery. Frames that arrive before are kept. To be called exactly once. */
  start(handler: ConnectionHandler): void
  /**
   * Queues a frame. Frames queued in one tick travel in one write. `body` and `payload` must not change
   * until the frame has left (a reply to it proves that). Returns false when more than
   * `sendHighWaterBytes` wait to leave: the frame is taken, but the caller should await `drained()`.
   * @throws ClusterError OVERSIZE (larger than limits.ts allows) or CLOSED.
   */
  send(header: FrameHeader, body: Uint8Array, payload?: readonly Uint8Array[]): boolean
  /** Resolves when less than the high-water mark is waiting. Rejects with CLOSED. */
  drained(): Promise<void>
  /** Whether `handed` can tell now. */
  readonly handsOver: boolean
  /**
   * Of all that was queued by now: resolves when it has left this process, whose end cannot take it back any more (false: it
   * will not). null where nobody can tell, of this connection or just now.
   */
  handed(): Promise<boolean> | null
  /** Sends what is queued, then closes. Resolves when closed; never rejects. */
  close(): Promise<void>
  /** Closes at once, dropping what is queued; both handlers' `closed` get an error. */
  abort(error: ClusterError): void
}

export type Refused = (remote: string, error: ClusterError) => void

export interface Listener {
  /** Where peers can dial, in the form `dial` takes; with the real port when 0 was asked for. */
  readonly address: string
  /** Stops accepting; connections stay. */
  close(): Promise<void>
}

export interface Transport {
  /** Schemes of its addresses: "tcp", "tls", "unix", "libp2p", "memory". */
  readonly schemes: readonly string[]
  /**
   * @param address e.g. `tcp://127.0.0.1:7400`, `tcp://[::1]:0`, `unix:/run/x.sock`, `memory:a`.
   * @param refused told of those who were turned away before they were a connection.
   * @throws ClusterError IN_USE when the address is taken, BAD_ADDRESS when it cannot be bound.
   */
  listen(
    address: string,
    accept: (connection: Connection) => void,
    refused?: Refused,
  ): Promise<Listener>
  /** @throws ClusterError UNREACHABLE, TIMEOUT (after `dialDeadlineMs`) or CANCELLED. */
  dial(address: string, signal?: AbortSignal): Promise<Connection>
}
