/**
 * The socket transport over TLS 1.3: what travels by TCP, encrypted.
 *
 * 1. TLS proves nobody's key here. The handshake of network/admission does, bound to what both ends of this one session
 *    derive (RFC 8446, exporters): whoever sits in between has a session with each, and a proof of one fits not the other.
 * 2. Whoever comes in waits at the door from the first byte on, also while it shakes hands.
 */
import { createServer, type Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { Refusal } from '../admission/refusal.ts'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { maxConnectionsAccepted, secureDialDeadlineMs } from '../limits.ts'
import { formatTls, parseTls } from './address.ts'
import type { Connection, Listener, Refused, Transport } from './contract.ts'
import { Door, type Waiting } from './door.ts'
import { FramedConnection } from './framed-connection.ts'
import { SocketStream } from './socket-stream.ts'
import { bindTcp, boundPort, closeServer, tcpOptions, watchDial } from './tcp-socket.ts'
import { tlsIdentityOf } from './tls-certificate.ts'

const version = 'TLSv1.3'
const bindingLabel = 'EXPORTER-rookery-1'
const bindingBytes = 32

interface Secured {
  readonly socket: TLSSocket
  readonly remote: string
  readonly waiting?: Waiting
}

export class TlsTransport implements Transport {
  readonly schemes = ['tls'] as const
  readonly #env: Env
  readonly #identity: Identity

  constructor(env: Env, identity: Identity) {
    this.#env = env
    this.#identity = identity
  }

  async listen(
    address: string,
    accept: (connection: Connection) => void,
    refused?: Refused,
  ): Promise<Listener> {
    const at = parseTls(address)
    const context = createSecureContext({
      ...tlsIdentityOf(this.#identity),
      ...{ minVersion: version, maxVersion: version },
    })
    const server = createServer(tcpOptions)
    server.maxConnections = maxConnectionsAccepted
    const door = new Door(this.#env)
    server.on('connection', raw => {
      const secured = (connection: Secured) => accept(this.#adopt(connection))
      welcome({ raw, context, door, secured, refused })
    })
    await bindTcp(server, at, address)
    // Such as EMFILE: that one peer is turned away, the listening goes on.
    server.on('error', error => process.emitWarning(`accepting at ${address}: ${error.message}`))
    return {
      address: formatTls(at.host, boundPort(server, at.port)),
      close: () => closeServer(server),
    }
  }

  async dial(address: string, signal?: AbortSignal): Promise<Connection> {
    const { host, port } = parseTls(address)
    if (signal?.aborted) {
      throw new ClusterError('CANCELLED', `dialling ${address}`, { cause: signal.reason })
    }
    const socket = connect({
      ...{ host, port, ...tcpOptions },
      ...{ minVersion: version, maxVersion: version },
      // The certificate is the other's own: see above for what proves its key.
      rejectUnauthorized: false,
    })
    return new Promise((resolve, reject) => {
      const settle = watchDial({
        ...{ env: this.#env, socket, address, reject, signal },
        deadlineMs: secureDialDeadlineMs,
      })
      socket.once('secureConnect', () => {
        settle()
        // At once: nobody else listens for what may happen to the socket next.
        resolve(this.#adopt({ socket, remote: address }))
      })
    })
  }

  #adopt({ socket, remote, waiting }: Secured): Connection {
    const binding = socket.exportKeyingMaterial(bindingBytes, bindingLabel, Buffer.alloc(0))
    const channel = { peerId: null, binding: new Uint8Array(binding) }
    const stream = new SocketStream(socket, false)
    return new FramedConnection({ env: this.#env, stream, remote, channel, waiting })
  }
}

interface Newcomer {
  readonly raw: Socket
  readonly context: SecureContext
  readonly door: Door
  readonly secured: (connection: Secured) => void
  readonly refused: Refused | undefined
}

/** Shakes hands with who has come in; whoever does not get that far is told of, once. */
function welcome({ raw, context, door, secured, refused }: Newcomer): void {
  const remote = formatTls(raw.remoteAddress ?? '?', raw.remotePort ?? 0)
  const socket = new TLSSocket(raw, { isServer: true, secureContext: context })
  let settled = false
  const settle = (error?: ClusterError) => {
    if (settled) return
    settled = true
    if (error === undefined) return
    waiting.end()
    socket.destroy()
    raw.destroy()
    refused?.(remote, error)
  }
  const waiting = door.enter(settle)
  const lost = (cause?: Error) => settle(noTls(raw, cause))
  socket.on('error', lost)
  raw.on('error', lost)
  socket.on('end', () => lost())
  socket.on('close', () => lost())
  raw.on('close', () => lost())
  socket.once('secure', () => {
    if (settled) return
    settle()
    secured({ socket, remote, waiting })
  })
}

function noTls(raw: Socket, cause: Error | undefined): Refusal {
  if (raw.bytesRead === 0) return new Refusal('no_proof', 'it went without a word', { cause })
  return new Refusal('malformed', 'what it said is no handshake of TLS 1.3', { cause })
}
