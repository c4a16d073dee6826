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
import { SocketStream } from './socket-stream.ts'
import { bindUnix } from './unix-socket.ts'

/** A host that lost its power says nothing: the kernel asks after this long without traffic. */
const keepAliveMs = 15_000

const takenText = 'is taken: stop what listens there, or give another port'

export class SocketTransport implements Transport {
  readonly schemes = ['tcp', 'unix'] as const
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  async listen(address: string, accept: (connection: Connection) => void): Promise<Listener> {
    const at = parseAddress(address)
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: at.scheme === 'tcp',
      keepAlive: at.scheme === 'tcp',
      keepAliveInitialDelay: keepAliveMs,
    })
    server.maxConnections = maxConnectionsAccepted
    const door = new Door(this.#env)
    let accepted = 0
    server.on('connection', socket => {
      accepted++
      const remote = at.scheme === 'tcp' ? peerOf(socket) : `${address}#${accepted}`
      const waiting = door.enter(() => socket.destroy())
      accept(this.#adopt(socket, remote, waiting))
    })
    if (at.scheme === 'unix') await bindUnix(server, at.path)
    else await bindTcp(server, at.host, at.port)
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
      const socket = createConnection(connectOptions(parseAddress(address)))
      // Nothing is read before `start`: what arrives early waits in the kernel.
      socket.pause()
      const settle = this.#watchDial(socket, address, reject, signal)
      socket.once('connect', () => {
        settle()
        resolve(this.#adopt(socket, address))
      })
    })
  }

  /** @returns a function that ends the watch over deadline, signal and errors. */
  #watchDial(
    socket: Socket,
    address: string,
    reject: (error: ClusterError) => void,
    signal: AbortSignal | undefined,
  ): () => void {
    const fail = (error: ClusterError) => {
      settle()
      socket.on('error', () => reject(error))
      socket.destroy()
      reject(error)
    }
    const failed = (cause: Error) =>
      fail(new ClusterError('UNREACHABLE', `nobody answers at ${address}`, { cause }))
    const cancelled = () =>
      fail(new ClusterError('CANCELLED', `dialling ${address}`, { cause: signal?.reason }))
    const timer = this.#env.timers.after(dialDeadlineMs, () =>
      fail(new ClusterError('TIMEOUT', `${address} did not answer within ${dialDeadlineMs} ms`)),
    )
    const settle = () => {
      timer.cancel()
      signal?.removeEventListener('abort', cancelled)
      socket.off('error', failed)
    }
    socket.on('error', failed)
    signal?.addEventListener('abort', cancelled, { once: true })
    return settle
  }

  #adopt(socket: Socket, remote: string, waiting?: Waiting): Connection {
    const stream = new SocketStream(socket)
    return new FramedConnection({ env: this.#env, stream, remote, channel: openChannel, waiting })
  }
}

function connectOptions(at: SocketAddress): NetConnectOpts {
  if (at.scheme === 'unix') return { path: at.path, allowHalfOpen: true }
  return {
    host: at.host,
    port: at.port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  }
}

function bindTcp(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE'
      const reason = taken ? takenText : `cannot be listened on (${cause.code})`
      const message = `${formatTcp(host, port)} ${reason}`
      reject(new ClusterError(taken ? 'IN_USE' : 'BAD_ADDRESS', message, { cause }))
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

function boundAddress(server: Server, asked: SocketAddress): string {
  if (asked.scheme === 'unix') return `unix:${asked.path}`
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : asked.port
  return formatTcp(asked.host, port)
}

function peerOf(socket: Socket): string {
  return formatTcp(socket.remoteAddress ?? '?', socket.remotePort ?? 0)
}

/** `Server.close` calls back when the last connection has ended: the listening itself ends at once. */
function closeServer(server: Server): Promise<void> {
  server.close()
  return Promise.resolve()
}
