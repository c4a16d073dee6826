/** What sockets of TCP have in common, whether they speak TLS or not. */
import type { Server, Socket } from 'node:net'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'

/** A host that lost its power says nothing: the kernel asks after this long without traffic. */
const keepAliveMs = 15_000

export const tcpOptions = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: keepAliveMs,
} as const

const takenText = 'is taken: stop what listens there, or give another port'

interface Endpoint {
  readonly host: string
  readonly port: number
}

/** @throws ClusterError IN_USE, BAD_ADDRESS */
export function bindTcp(server: Server, { host, port }: Endpoint, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE'
      const reason = taken ? takenText : `cannot be listened on (${cause.code})`
      const message = `${address} ${reason}`
      reject(new ClusterError(taken ? 'IN_USE' : 'BAD_ADDRESS', message, { cause }))
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

export function boundPort(server: Server, asked: number): number {
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : asked
}

/** `Server.close` calls back when the last connection has ended: the listening itself ends at once. */
export function closeServer(server: Server): Promise<void> {
  server.close()
  return Promise.resolve()
}

export interface DialWatch {
  readonly env: Env
  readonly socket: Socket
  readonly address: string
  readonly deadlineMs: number
  readonly reject: (error: ClusterError) => void
  readonly signal: AbortSignal | undefined
}

/** @returns a function that ends the watch over deadline, signal and errors. */
export function watchDial(watch: DialWatch): () => void {
  const { env, socket, address, deadlineMs, reject, signal } = watch
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
  const timer = env.timers.after(deadlineMs, () =>
    fail(new ClusterError('TIMEOUT', `${address} did not answer within ${deadlineMs} ms`)),
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
