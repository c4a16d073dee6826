/**
 * The libp2p transport: each connection is a stream of its own over TCP, encrypted and authenticated by Noise.
 * Slower than sockets; for networks that nobody trusts.
 *
 * 1. Whoever is dialled holds the key of the peer id in the address, or the dial fails.
 * 2. A listener that is closed gives its port back when its last connection has ended.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { ConnectionGater, Connection as Libp2pConnection, Stream } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { maxConnectionsAccepted, maxStreamWindowBytes, secureDialDeadlineMs } from '../limits.ts'
import {
  type Connection,
  type Listener,
  openChannel,
  type Refused,
  type Transport,
} from './contract.ts'
import type { Waiting } from './door.ts'
import { FramedConnection } from './framed-connection.ts'
import { formatLibp2p, multiaddrOf, parseLibp2p } from './libp2p-address.ts'
import { Libp2pDoor } from './libp2p-door.ts'
import { Libp2pStream } from './libp2p-stream.ts'

/** Name and version of what is spoken on the streams: the frames of wire/framing.ts. */
export const framesProtocol = '/rookery/frames/1'

/** That of the frames, and one on which libp2p asks every ten seconds whether we are there: it hangs up where that is reset. */
const maxStreamsOfConnection = 8

interface Components {
  readonly transportManager: TransportManager
}

interface Dialler {
  dial(to: Multiaddr, signal: AbortSignal): Promise<Libp2pConnection>
}

type Node = Libp2p<{ dialler: Dialler }>

export class Libp2pTransport implements Transport {
  readonly schemes = ['libp2p'] as const
  readonly #env: Env
  readonly #identity: Identity
  #dialer: Promise<Node> | undefined
  /** Connections dialled and not yet closed, and dials under way. */
  #dialled = 0

  constructor(env: Env, identity: Identity) {
    this.#env = env
    this.#identity = identity
  }

  async listen(
    address: string,
    accept: (connection: Connection) => void,
    refused?: Refused,
  ): Promise<Listener> {
    const at = parseLibp2p(address)
    const door = new Libp2pDoor(this.#env, refused)
    const node = await this.#bind(address, multiaddrOf({ ...at, peerId: undefined }), door)
    const onStream = (stream: Stream, carrier: Libp2pConnection): void => {
      const waiting = door.take(carrier)
      if (waiting === undefined) {
        carrier.abort(new Error('one stream is all that a connection has'))
        return
      }
      stream.addEventListener('close', () => {
        carrier.close().catch(error => carrier.abort(error))
        // Of each key that ever came libp2p would remember what it speaks.
        node.peerStore.delete(carrier.remotePeer).catch(notForgotten)
      })
      const { host, port } = endpointOf(carrier.remoteAddr)
      const peerId = carrier.remotePeer.toString()
      accept(this.#adopt(stream, formatLibp2p(host, port, peerId), peerId, waiting))
    }
    await node.handle(framesProtocol, onStream, { maxInboundStreams: 1 })
    const [bound] = node.getMultiaddrs()
    const port = bound === undefined ? at.port : endpointOf(bound).port
    return {
      address: formatLibp2p(at.host, port, this.#identity.peerId),
      close: () => retire(node),
    }
  }

  async dial(address: string, signal?: AbortSignal): Promise<Connection> {
    const at = parseLibp2p(address)
    if (at.peerId === undefined) {
      throw new ClusterError('UNREACHABLE', `'${address}' does not say which peer is to answer`)
    }
    if (signal?.aborted) {
      throw new ClusterError('CANCELLED', `dialling ${address}`, { cause: signal.reason })
    }
    this.#dialer ??= this.#node([])
    const dialer = this.#dialer
    this.#dialled++
    try {
      return await this.#open(await dialer, address, multiaddrOf(at), signal)
    } catch (error) {
      this.#release()
      throw error
    }
  }

  async #open(
    node: Node,
    address: string,
    to: Multiaddr,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    const late = new AbortController()
    const timer = this.#env.timers.after(secureDialDeadlineMs, () => late.abort())
    const signals = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal])
    try {
      // Past the connection manager, which takes any connection to a peer for one to this address of it.
      const carrier = await node.services.dialler.dial(to, signals)
      const stream = await carrier.newStream(framesProtocol, { signal: signals })
      stream.addEventListener('close', () => {
        carrier.close().catch(error => carrier.abort(error))
        this.#release()
      })
      return this.#adopt(stream, address, carrier.remotePeer.toString())
    } catch (cause) {
      if (signal?.aborted) {
        throw new ClusterError('CANCELLED', `dialling ${address}`, { cause: signal.reason })
      }
      if (late.signal.aborted) {
        const message = `${address} did not answer within ${secureDialDeadlineMs} ms`
        throw new ClusterError('TIMEOUT', message)
      }
      throw new ClusterError('UNREACHABLE', `nobody answers at ${address}`, { cause })
    } finally {
      timer.cancel()
    }
  }

  /** With the last connection goes what dialled them: an idle transport holds no process up. */
  #release(): void {
    if (--this.#dialled > 0) return
    const dialer = this.#dialer
    this.#dialer = undefined
    const stopped = dialer?.then(node => node.stop())
    stopped?.catch(error => process.emitWarning(`stopping libp2p: ${error}`))
  }

  async #bind(address: string, at: Multiaddr, door: Libp2pDoor): Promise<Node> {
    try {
      return await this.#node([at.toString()], door.gater)
    } catch (cause) {
      const taken = String(cause).includes('EADDRINUSE')
      const message = taken
        ? `${address} is taken: stop what listens there, or give another port`
        : `${address} cannot be listened on`
      throw new ClusterError(taken ? 'IN_USE' : 'BAD_ADDRESS', message, { cause })
    }
  }

  #node(listen: string[], connectionGater: ConnectionGater = {}): Promise<Node> {
    return createLibp2p({
      privateKey: privateKeyFromRaw(this.#identity.privateKey.raw),
      addresses: { listen },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [
        yamux({
          maxInboundStreams: maxStreamsOfConnection,
          streamOptions: { maxStreamWindowSize: maxStreamWindowBytes },
        }),
      ],
      services: { dialler: diallerOf },
      connectionGater,
      connectionManager: {
        maxConnections: maxConnectionsAccepted,
        inboundConnectionThreshold: maxConnectionsAccepted,
        // Ten unless told: as many who say nothing would keep everybody else out. The door has room, and limits.
        maxIncomingPendingConnections: maxConnectionsAccepted,
        inboundUpgradeTimeout: 2 * secureDialDeadlineMs,
      },
    })
  }

  /** @param peerId whose key Noise has proven. */
  #adopt(stream: Stream, remote: string, peerId: string, waiting?: Waiting): Connection {
    // A window is the most that a peer may send before it was read.
    stream.maxReadBufferLength = maxStreamWindowBytes
    const channel = { peerId, binding: openChannel.binding }
    return new FramedConnection({
      ...{ env: this.#env, stream: new Libp2pStream(stream), remote, channel, waiting },
    })
  }
}

/** An object of its own: what libp2p gets as a service it starts and stops. */
function diallerOf({ transportManager }: Components): Dialler {
  return { dial: (to, signal) => transportManager.dial(to, { signal }) }
}

function endpointOf(address: Multiaddr): { readonly host: string; readonly port: number } {
  const [where, how] = address.getComponents()
  return { host: where?.value ?? '?', port: Number(how?.value ?? 0) }
}

/** Takes no more streams; stops the node when the last connection has ended. */
async function retire(node: Libp2p): Promise<void> {
  await node.unhandle(framesProtocol)
  const stopWhenIdle = async (): Promise<void> => {
    if (node.getConnections().length === 0) await node.stop()
  }
  node.addEventListener('connection:close', () => {
    stopWhenIdle().catch(error => process.emitWarning(`stopping a listener: ${error}`))
  })
  await stopWhenIdle()
}

function notForgotten(error: unknown): void {
  process.emitWarning(`notForgotten a peer of libp2p: ${error}`)
}
