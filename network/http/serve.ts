/**
 * A small HTTP server for people and monitoring: a handful of pages that can only be read.
 *
 * 1. Every connection serves one request and has ended, or is cut off, `requestMs` after it came and
 *    `requestMs` after its answer began; at most `maxHttpConnections` are open.
 * 2. A page is made once at a time, however many ask for it meanwhile.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { httpRequestMs, maxHttpConnections, maxHttpHeaderBytes } from '../limits.ts'
import type { Log } from '../log.ts'

export interface HttpPage {
  /** As in Content-Type. */
  readonly type: string
  readonly body: string
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>
}

/** By path: `/metrics`. */
export type HttpPages = ReadonlyMap<string, () => HttpPage | Promise<HttpPage>>

export interface HttpAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

export interface HttpInit {
  readonly env: Env
  readonly address: HttpAddress
  readonly log: Log
  /** Milliseconds for a request, and for its answer; `httpRequestMs` unless told. */
  readonly requestMs?: number
}

export interface HttpServing {
  /** Of the page at `/`, with the real port. */
  readonly url: string
  /** What there is to see from now on; until then whoever asks is told to come back. */
  show(pages: HttpPages): void
  close(): Promise<void>
}

const always = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  // What comes behind the first request, a body too, is nobody's business.
  Connection: 'close',
}

/** @throws ClusterError IN_USE when another program has the port, BAD_ADDRESS when it cannot be listened on. */
export async function serveHttp(init: HttpInit): Promise<HttpServing> {
  const serving = new Pages(init)
  await serving.listen()
  return serving
}

class Pages implements HttpServing {
  readonly #init: HttpInit
  readonly #server: Server
  readonly #requestMs: number
  readonly #making = new Map<string, Promise<HttpPage>>()
  #pages: HttpPages | null = null
  #closing: Promise<void> | null = null

  constructor(init: HttpInit) {
    this.#init = init
    this.#requestMs = init.requestMs ?? httpRequestMs
    const options = {
      maxHeaderSize: maxHttpHeaderBytes,
      headersTimeout: this.#requestMs,
      requestTimeout: this.#requestMs,
      connectionsCheckingInterval: Math.min(1_000, this.#requestMs),
    }
    this.#server = createServer(options, (request, response) => {
      this.#serve(request, response).catch(error => this.#failed(request, response, error))
    })
    this.#server.maxConnections = maxHttpConnections
  }

  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/`
  }

  async listen(): Promise<void> {
    const { host, port } = this.#init.address
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', cause => reject(cannotListen(this.#init.address, cause)))
      this.#server.listen({ host, port }, resolve)
    })
    this.#server.removeAllListeners('error')
    this.#server.on('error', error => this.#init.log.warn({ error }, 'trouble with HTTP'))
  }

  show(pages: HttpPages): void {
    this.#pages = pages
  }

  close(): Promise<void> {
    this.#closing ??= new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
    return this.#closing
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#bound(response)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return refuse(response, 405, 'only GET and HEAD', { Allow: 'GET, HEAD' })
    }
    if (this.#pages === null) {
      return refuse(response, 503, 'starting: try again in a moment', { 'Retry-After': '1' })
    }
    const [path = ''] = (request.url ?? '').split('?')
    const make = this.#pages.get(path)
    if (make === undefined) {
      return refuse(response, 404, `there is ${[...this.#pages.keys()].join(', ')}`)
    }
    const { type, body, headers } = await this.#made(path, make)
    answer(response, 200, { type, body, headers })
  }

  /** Whoever reads slowly is cut off, however steadily. */
  #bound(response: ServerResponse): void {
    const deadline = this.#init.env.timers.after(this.#requestMs, () => response.destroy())
    response.once('close', () => deadline.cancel())
  }

  #made(path: string, make: () => HttpPage | Promise<HttpPage>): Promise<HttpPage> {
    const under = this.#making.get(path)
    if (under !== undefined) return under
    const made = Promise.resolve()
      .then(make)
      .finally(() => this.#making.delete(path))
    this.#making.set(path, made)
    return made
  }

  #failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    this.#init.log.warn({ error, url: request.url }, 'a page could not be made')
    refuse(response, 500, 'this page could not be made: the log says why')
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  answer(response, status, { type: 'text/plain; charset=utf-8', body: `${text}\n`, headers })
}

function answer(
  response: ServerResponse,
  status: number,
  { type, body, headers }: { type: string; body: string; headers: HttpPage['headers'] | undefined },
): void {
  const length = Buffer.byteLength(body)
  response.writeHead(status, {
    ...always,
    ...headers,
    'Content-Type': type,
    'Content-Length': length,
  })
  response.end(body)
}

function cannotListen({ host, port }: HttpAddress, cause: Error): ClusterError {
  const code = 'code' in cause ? String(cause.code) : cause.message
  if (code === 'EADDRINUSE') {
    const text = `HTTP port ${port} of ${host} is in use by another program: choose another with --http`
    return new ClusterError('IN_USE', text, { cause })
  }
  return new ClusterError('BAD_ADDRESS', `cannot serve HTTP at ${host} port ${port} (${code})`, {
    cause,
  })
}
