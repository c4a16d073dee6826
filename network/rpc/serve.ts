/** Listens for peers and exchanges hellos with each. */
import type { Credentials } from '../admission/contract.ts'
import type { Env } from '../env/env.ts'
import { ClusterError, PosixError } from '../errors.ts'
import {
  type Connection,
  type FrameHeader,
  frameKind,
  type Transport,
} from '../transport/contract.ts'
import { decodeBody, encodeBody, encodeError } from '../wire/codec.ts'
import { type HelloRequest, operationNumbers } from '../wire/operations.ts'
import type { Peer, Service } from './contract.ts'
import { dispatchOf } from './dispatch.ts'
import { checkHello, readHello } from './hello.ts'
import { type Log, RefusalLog, warningLog } from './log.ts'
import { RpcPeer } from './peer.ts'
import type { RpcTally } from './tally.ts'

export interface ServeOptions {
  readonly env: Env
  readonly transport: Transport
  readonly address: string
  /** What this side says of itself; a function when that changes. */
  readonly hello: HelloRequest | (() => HelloRequest)
  readonly service: Service
  /** Called with each peer that has been admitted, before its first request is served. */
  readonly accept?: (peer: Peer) => void
  /** Throws ClusterError to refuse a peer, which is told so. */
  readonly admit?: (hello: HelloRequest) => void
  /** What this side proves itself with; a function when that is not known from the start. */
  readonly credentials?: Credentials | (() => Credentials) | undefined
  readonly log?: Log
  readonly tally?: RpcTally | undefined
}

export interface Serving {
  /** Where peers can dial, with the real port. */
  readonly address: string
  readonly peers: ReadonlySet<Peer>
  /** Connections refused so far: strangers, peers of another version, whoever was silent. */
  readonly refusedCount: number
  /** Stops listening and takes leave of all peers. */
  close(): Promise<void>
}

/** @throws ClusterError IN_USE, BAD_ADDRESS or UNREACHABLE */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { env, transport, address, service, log = warningLog, tally } = options
  const dispatch = dispatchOf(service)
  const refusals = new RefusalLog(env, log)
  const peers = new Set<Peer>()
  const strangers = new Set<RpcPeer>()

  function welcome(connection: Connection): void {
    const greeting = (header: FrameHeader, body: Uint8Array) => {
      const hello = greet(options, connection, header, body)
      strangers.delete(peer)
      peers.add(peer)
      return hello
    }
    const admitted = options.accept
    const peer = new RpcPeer({ env, connection, dispatch, log, greeting, admitted, tally })
    strangers.add(peer)
    peer.greeted.catch(error => refusals.add(connection.remote, error))
    peer.closed.then(() => {
      strangers.delete(peer)
      peers.delete(peer)
    })
    peer.start()
  }

  const listener = await transport.listen(address, welcome)
  return {
    address: listener.address,
    peers,
    get refusedCount() {
      return refusals.count
    },
    async close() {
      await listener.close()
      for (const peer of strangers) peer.abort(new ClusterError('CLOSED', 'no longer serving'))
      await Promise.all([...peers].map(peer => peer.close()))
    },
  }
}

/** Answers a hello, or throws why not; the peer has been told then. */
function greet(
  { hello, admit }: ServeOptions,
  connection: Connection,
  header: FrameHeader,
  body: Uint8Array,
): HelloRequest {
  if (header.kind !== frameKind.request || header.operation !== operationNumbers.hello) {
    throw new ClusterError('MALFORMED', 'the first message is no hello')
  }
  try {
    const own = typeof hello === 'function' ? hello() : hello
    const other = readHello(decodeBody(body))
    checkHello(own, other)
    admit?.(other)
    connection.send({ ...header, kind: frameKind.reply }, encodeBody(own))
    return other
  } catch (error) {
    if (error instanceof ClusterError || error instanceof PosixError) {
      connection.send({ ...header, kind: frameKind.error }, encodeError(error))
    }
    throw error
  }
}
