/** Listens for peers, exchanges hellos with each and, with credentials, proofs of both keys. */
import type { Credentials } from '../admission/contract.ts'
import { NonceMemory } from '../admission/nonce-memory.ts'
import { reasonOf } from '../admission/refusal.ts'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import type { Connection, Transport } from '../transport/contract.ts'
import type { HelloRequest } from '../wire/operations.ts'
import type { Peer, Service } from './contract.ts'
import { dispatchOf } from './dispatch.ts'
import { greetAsListener } from './greeting.ts'
import { type Log, RefusalLog, warningLog } from './log.ts'
import { RpcPeer } from './peer.ts'
import type { RpcTally } from './tally.ts'

export interface ServeOptions {
  readonly env: Env
  readonly transport: Transport
  readonly address: string
  /** What this side says of itself; a function when that changes. */
  readonly hello: HelloRequest | (() => HelloRequest)
  /** What this side proves itself with, a function when that changes; nobody is asked for a proof without. */
  readonly credentials?: Credentials | (() => Credentials) | undefined
  readonly service: Service
  /** Called with each peer that has been admitted, before its first request is served. */
  readonly accept?: (peer: Peer) => void
  /** Throws ClusterError to refuse a peer, which is told so. */
  readonly admit?: (hello: HelloRequest) => void
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
  const refusals = new RefusalLog(env, log, tally?.refused)
  const nonces = new NonceMemory()
  const peers = new Set<Peer>()
  const strangers = new Set<RpcPeer>()

  /** null, and nobody there any more, where this side does not know yet what to prove itself with. */
  function known(connection: Connection): Credentials | undefined | null {
    try {
      return options.credentials && now(options.credentials)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      refusals.add(connection.remote, error)
      connection.start({ frame: () => undefined, closed: () => undefined })
      connection.abort(error)
      return null
    }
  }

  function welcome(connection: Connection): void {
    const credentials = known(connection)
    if (credentials === null) return
    const cutOff = (error: unknown) => refusals.add(connection.remote, error)
    const admitted = (known: Peer) => {
      strangers.delete(peer)
      peers.add(known)
      options.accept?.(known)
    }
    const peer = new RpcPeer({
      ...{ env, connection, dispatch, credentials, log, tally, admitted, cutOff },
    })
    strangers.add(peer)
    peer.greeted.catch(cutOff)
    peer.closed.then(error => {
      strangers.delete(peer)
      // Of a stranger it was told already.
      if (peers.delete(peer) && error !== undefined && reasonOf(error) === 'malformed')
        cutOff(error)
    })
    const hello = () => now(options.hello)
    const { admit } = options
    peer.start(() => greetAsListener({ env, connection, hello, credentials, nonces, admit }))
  }

  const refused = (remote: string, error: ClusterError) => refusals.add(remote, error)
  const listener = await transport.listen(address, welcome, refused)
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

/** What may change, as it is now. */
function now<T extends object>(value: T | (() => T)): T {
  return typeof value === 'function' ? value() : value
}
