/** Dials a peer, exchanges hellos with it and, with credentials, proofs of both keys. */
import type { Credentials } from '../admission/contract.ts'
import { Refusal, reasonOf } from '../admission/refusal.ts'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import type { Transport } from '../transport/contract.ts'
import type { HelloRequest } from '../wire/operations.ts'
import type { Peer, Service } from './contract.ts'
import { dispatchOf } from './dispatch.ts'
import { greetAsDialler } from './greeting.ts'
import type { Expected } from './hello.ts'
import { type Log, warningLog } from './log.ts'
import { RpcPeer } from './peer.ts'
import type { RpcTally } from './tally.ts'

export interface ConnectOptions {
  readonly env: Env
  readonly transport: Transport
  readonly address: string
  readonly hello: HelloRequest
  /** Who is to answer; the connection ends where somebody else does. */
  readonly expected?: Expected | undefined
  /** What this side proves itself with; nobody is asked for a proof without. */
  readonly credentials?: Credentials | undefined
  /** What this side answers to. */
  readonly service: Service
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly tally?: RpcTally | undefined
}

/**
 * @throws ClusterError UNREACHABLE, TIMEOUT, CANCELLED, CLOSED; VERSION_MISMATCH, WRONG_CLUSTER, NOT_ADMITTED or
 * whatever the other side refuses with.
 */
export async function connect(options: ConnectOptions): Promise<Peer> {
  const {
    env,
    transport,
    address,
    hello,
    expected,
    credentials,
    signal,
    log = warningLog,
    tally,
  } = options
  const connection = await transport.dial(address, signal)
  const peer = new RpcPeer({
    ...{ env, connection, credentials, log, tally },
    dispatch: dispatchOf(options.service),
    cutOff(error) {
      tally?.refused.add(error.reason)
      log(`cut the connection to ${address}`, error)
    },
  })
  const cancel = () =>
    peer.abort(new ClusterError('CANCELLED', `greeting ${address}`, { cause: signal?.reason }))
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    peer.start(() => greetAsDialler({ env, connection, hello, expected, credentials }))
    if (signal?.aborted) cancel()
    await peer.greeted
    return peer
  } catch (error) {
    if (error instanceof Refusal) tally?.refused.add(reasonOf(error))
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
