/**
 * etcd's v3 API through its JSON gateway (etcd.io/docs/v3.4/dev-guide/api_grpc_gateway): 64-bit numbers travel as
 * decimal strings, keys and values as base64, and what is zero is left out.
 */
import { z } from 'zod'
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { etcdCallDeadlineMs, maxEtcdReplyBytes } from '../../network/limits.ts'

/** What the managers need of etcd. */
export interface Etcd {
  readonly env: Env
  /** For people. */
  readonly name: string
  /**
   * @param path of the operation, below `/v3/`.
   * @throws ClusterError UNREACHABLE when there is no answer: it may have been done all the same. SESSION_EXPIRED
   * when etcd does not know the lease; DISK for any other refusal, and for an answer that makes no sense.
   */
  call<T>(path: string, request: object, reply: z.ZodType<T>): Promise<T>
}

export interface GatewayInit {
  readonly env: Env
  /** `HOST:PORT` of each machine of etcd. */
  readonly endpoints: readonly string[]
  /** Of one endpoint's answer; `etcdCallDeadlineMs` unless told. */
  readonly deadlineMs?: number
}

const refusal = z.object({ message: z.string(), code: z.int() })
/** A call that streams wraps what it says. */
const streamed = z.object({ error: z.object({ message: z.string(), grpc_code: z.int() }) })

/** gRPC's codes (grpc/grpc: doc/statuscodes.md). */
const notFound = 5
/** Nobody can tell whether it was done: cancelled, unknown, deadline exceeded, aborted, unavailable. */
const passingCodes: readonly number[] = [1, 2, 4, 10, 14]

export class EtcdGateway implements Etcd {
  readonly env: Env
  readonly #endpoints: readonly string[]
  readonly #deadlineMs: number
  /** The one that answered last is asked first. */
  #preferred = 0

  constructor({ env, endpoints, deadlineMs = etcdCallDeadlineMs }: GatewayInit) {
    this.env = env
    this.#endpoints = endpoints
    this.#deadlineMs = deadlineMs
  }

  get name(): string {
    return `etcd at ${this.#endpoints.join(', ')}`
  }

  /** Asks each endpoint once, until one answers. */
  async call<T>(path: string, request: object, reply: z.ZodType<T>): Promise<T> {
    let last: unknown
    for (let tried = 0; tried < this.#endpoints.length; tried++) {
      const endpoint = this.#endpoints[this.#preferred]!
      try {
        return this.#understand(await this.#ask(endpoint, path, request), reply)
      } catch (error) {
        if (error instanceof ClusterError && error.code !== 'UNREACHABLE') throw error
        last = error
        this.#preferred = (this.#preferred + 1) % this.#endpoints.length
      }
    }
    const reason = last instanceof Error ? reasonOf(last) : String(last)
    throw new ClusterError('UNREACHABLE', `${this.name} does not answer: ${reason}`, {
      cause: last,
    })
  }

  async #ask(endpoint: string, path: string, request: object): Promise<string> {
    const late = new AbortController()
    const timer = this.env.timers.after(this.#deadlineMs, () => {
      late.abort(new Error(`no answer within ${this.#deadlineMs} ms`))
    })
    try {
      const response = await fetch(`http://${endpoint}/v3/${path}`, {
        method: 'POST',
        body: JSON.stringify(request),
        signal: late.signal,
        redirect: 'error',
      })
      return await textOf(response)
    } finally {
      timer.cancel()
    }
  }

  #understand<T>(text: string, reply: z.ZodType<T>): T {
    const content = parse(text)
    const refused = refusal.safeParse(content).data ?? refusalIn(content)
    if (refused !== undefined) throw this.#refused(refused)
    const result = reply.safeParse(content)
    if (result.success) return result.data
    const wrong = `${this.name} answered with something else: ${z.prettifyError(result.error)}`
    throw new ClusterError('DISK', wrong)
  }

  #refused({ message, code }: z.infer<typeof refusal>): ClusterError {
    if (passingCodes.includes(code)) return new ClusterError('UNREACHABLE', message)
    if (code === notFound) return new ClusterError('SESSION_EXPIRED', message)
    return new ClusterError('DISK', `${this.name} refuses: ${message}`)
  }
}

function refusalIn(content: unknown): z.infer<typeof refusal> | undefined {
  const error = streamed.safeParse(content).data?.error
  return error === undefined ? undefined : { message: error.message, code: error.grpc_code }
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let byteLength = 0
  for await (const part of response.body ?? []) {
    byteLength += part.byteLength
    if (byteLength > maxEtcdReplyBytes) throw new Error('an answer larger than any of etcd')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A proxy's error page counts as no answer. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`no JSON, but '${text.slice(0, 100).trim()}'`, { cause: error })
  }
}

/** fetch says only 'fetch failed'; why is in its cause. */
function reasonOf(error: Error): string {
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return cause.message === '' && 'code' in cause ? String(cause.code) : cause.message
}
