/** Dials a peer and exchanges hellos with it. */
import type { Credentials } from '../admission/contract.ts'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import {
  type Connection,
  type FrameHeader,
  frameKind,
  type Transport,
} from '../transport/contract.ts'
import { decodeBody, decodeError, encodeBody } from '../wire/codec.ts'
import { type HelloRequest, operationNumbers } from '../wire/operations.ts'
import type { Peer, Service } from './contract.ts'
import { dispatchOf } from './dispatch.ts'
import { checkHello, readHello } from './hello.ts'
import { type Log, warningLog } from './log.ts'
import { RpcPeer } from './peer.ts'
import type { RpcTally } from './tally.ts'

export interface ConnectOptions {
  readonly env: Env
  readonly transport: Transport
  readonly address: string
  readonly hello: HelloRequest
  /** What this side answers to. */
  readonly service: Service
  /** What this side proves itself with; nobody is asked for a proof without. */
  readonly credentials?: Credentials | undefined
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly tally?: RpcTally | undefined
}

/** Outside the numbers that calls get first: nothing else is in flight yet. */
const helloCallId = 0

/**
 * @throws ClusterError UNREACHABLE, TIMEOUT, CANCELLED, CLOSED; VERSION_MISMATCH, WRONG_CLUSTER or whatever
 * the other side refuses with.
 */
export async function connect(options: ConnectOptions): Promise<Peer> {
  const { env, transport, address, hello, service, signal, log = warningLog, tally } = options
  const connection = await transport.dial(address, signal)
  const greeting = (header: FrameHeader, body: Uint8Array) => answerOf(hello, header, body)
  const peer = new RpcPeer({ env, connection, dispatch: dispatchOf(service), log, greeting, tally })
  const cancel = () =>
    peer.abort(new ClusterError('CANCELLED', `greeting ${address}`, { cause: signal?.reason }))
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    peer.start()
    if (signal?.aborted) cancel()
    await Promise.all([sendHello(connection, hello), peer.greeted])
    return peer
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

async function sendHello(connection: Connection, hello: HelloRequest): Promise<void> {
  const header = {
    callId: helloCallId,
    kind: frameKind.request,
    operation: operationNumbers.hello,
    partition: 0,
    epoch: 0,
  }
  connection.send(header, encodeBody(hello))
}

function answerOf(own: HelloRequest, header: FrameHeader, body: Uint8Array): HelloRequest {
  const { kind, operation, callId } = header
  if (operation !== operationNumbers.hello || callId !== helloCallId) {
    throw new ClusterError('MALFORMED', 'the first message is no hello')
  }
  if (kind === frameKind.error) throw decodeError(body)
  if (kind !== frameKind.reply) {
    throw new ClusterError('MALFORMED', 'the first message is no answer to hello')
  }
  const other = readHello(decodeBody(body))
  checkHello(own, other)
  return other
}
