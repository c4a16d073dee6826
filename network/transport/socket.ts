/** The socket transport: TCP between hosts, Unix sockets within one. */
import {
  createConnection,
  createServer,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { dialDeadlineMs, maxConnectionsAccepted } from '../limits.ts'
import { formatTcp, parseAddress, type SocketAddress } from './address.ts'
import { type Connection, type Listener, openChannel, type Transport } from './contract.ts'
import { Door, type Waiting } from './door.ts'
import { FramedConnection } from './framed-connection.ts'
import { SocketIntake, SocketStream } from './socket-stream.ts'
import { bindTcp, boundPort, closeServer, tcpOptions, watchDial } from './tcp-socket.ts'
import { bindUnix } from './unix-socket.ts'

export class SocketTransport implements Transport {
  readonly schemes = ['tcp', 'unix'] as const
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  async listen(address: string, accept: (connection: Connection) => void): Promise<Listener> {
    const at = parseAddress(address)
    const server = createServer({
      ...(at.scheme === 'tcp' ? tcpOptions : { allowHalfOpen: true }),
      pauseOnConnect: true,
    })
    server.maxConnections = maxConnectionsAccepted
    const door = new Door(this.#env)
    let accepted = 0
    server.on('connection', socket => {
      accepted++
      const remote = at.scheme === 'tcp' ? peerOf(socket) : `${address}#${accepted}`
      const waiting = door.enter(() => socket.destroy())
      accept(this.#adopt(new SocketStream(socket, handsOver(at)), remote, waiting))
    })
    if (at.scheme === 'unix') await bindUnix(server, at.path)
    else await bindTcp(server, at, formatTcp(at.host, at.port))
    // Such as EMFILE: that one peer is turned away, the listening goes on.
    server.on('error', error => process.emitWarning(`accepting at ${address}: ${error.message}`))
    return { address: boundAddress(server, at), close: () => closeServer(server) }
  }

  dial(address: string, signal?: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new ClusterError('CANCELLED', `dialling ${address}`, { cause: signal.reason }))
        return
      }
      const at = parseAddress(address)
      const intake = new SocketIntake()
      const socket = createConnection({ ...connectOptions(at), onread: intake.onread })
      // Nothing is read before `start`: what arrives early waits in the kernel.
      socket.pause()
      const settle = watchDial({
        ...{ env: this.#env, socket, address, reject, signal },
        deadlineMs: dialDeadlineMs,
      })
      socket.once('connect', () => {
        settle()
        resolve(this.#adopt(new SocketStream(socket, handsOver(at), intake), address))
      })
    })
  }

  #adopt(stream: SocketStream, remote: string, waiting?: Waiting): Connection {
    return new FramedConnection({ env: this.#env, stream, remote, channel: openChannel, waiting })
  }
}

/** TCP drops what has not been transmitted when a socket is closed with anything unread (RFC 2525, 2.17). */
function handsOver(at: SocketAddress): boolean {
  return at.scheme === 'unix'
}

function connectOptions(at: SocketAddress): NetConnectOpts {
  if (at.scheme === 'unix') return { path: at.path, allowHalfOpen: true }
  return { host: at.host, port: at.port, ...tcpOptions }
}

function boundAddress(server: Server, asked: SocketAddress): string {
  if (asked.scheme === 'unix') return `unix:${asked.path}`
  return formatTcp(asked.host, boundPort(server, asked.port))
}

function peerOf(socket: Socket): string {
  return formatTcp(socket.remoteAddress ?? '?', socket.remotePort ?? 0)
}
