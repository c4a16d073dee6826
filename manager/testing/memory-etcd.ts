/**
 * An etcd in memory, for simulated worlds: leases, transactions, and ways to it that can be slow or cut. It does
 * with a request what etcd's documentation says; the real one passes the store's compliance suite.
 */
import { z } from 'zod'
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { etcdCallDeadlineMs } from '../../network/limits.ts'
import type { Etcd } from '../etcd/gateway.ts'
import type { KeyValue } from '../etcd/keys.ts'

const compare = z.object({
  key: z.string(),
  create_revision: z.string().optional(),
  mod_revision: z.string().optional(),
})
const operation = z.object({
  request_range: z.object({ key: z.string() }).optional(),
  request_put: z
    .object({ key: z.string(), value: z.string(), lease: z.string().default('0') })
    .optional(),
})
const transaction = z.object({
  compare: z.array(compare),
  success: z.array(operation),
  failure: z.array(operation),
})
const range = z.object({ key: z.string(), range_end: z.string() })
const leaseOnly = z.object({ ID: z.string() })

/** How often etcd looks for leases that have run out. */
const expiryIntervalMs = 500

interface LeaseRecord {
  readonly ttlSeconds: number
  untilMs: number
}

export class MemoryEtcd {
  readonly #env: Env
  readonly #entries = new Map<string, KeyValue>()
  readonly #leases = new Map<string, LeaseRecord>()
  #revision = 1
  #leaseCount = 0

  constructor(env: Env) {
    this.#env = env
    env.timers.every(expiryIntervalMs, () => {
      const nowMs = env.clock.monotonicMs()
      for (const [id, { untilMs }] of this.#leases) if (untilMs <= nowMs) this.#end(id)
    })
  }

  connect(): MemoryEtcdWay {
    return new MemoryEtcdWay(this.#env, (path, request) => this.#answer(path, request))
  }

  /** As if its disks had been replaced by empty ones. */
  lose(): void {
    this.#entries.clear()
    this.#leases.clear()
  }

  #answer(path: string, request: object): object {
    if (path === 'kv/txn') return this.#transact(transaction.parse(request))
    if (path === 'kv/range') {
      const { key, range_end } = range.parse(request)
      const [from, until] = [key, range_end].map(text => Buffer.from(text, 'base64'))
      const within = [...this.#entries].filter(([name]) => {
        const bytes = Buffer.from(name, 'base64')
        return bytes.compare(from!) >= 0 && bytes.compare(until!) < 0
      })
      return { kvs: within.map(([, entry]) => entry) }
    }
    if (path === 'lease/grant') {
      const ttlSeconds = Number(z.object({ TTL: z.string() }).parse(request).TTL)
      const id = String(++this.#leaseCount)
      this.#leases.set(id, { ttlSeconds, untilMs: this.#until(ttlSeconds) })
      return { ID: id, TTL: String(ttlSeconds) }
    }
    const { ID } = leaseOnly.parse(request)
    const lease = this.#leases.get(ID)
    if (path === 'lease/keepalive') {
      if (lease === undefined) return { result: {} }
      lease.untilMs = this.#until(lease.ttlSeconds)
      return { result: { TTL: String(lease.ttlSeconds) } }
    }
    if (lease === undefined) throw new ClusterError('SESSION_EXPIRED', 'lease not found')
    this.#end(ID)
    return {}
  }

  #transact(asked: z.infer<typeof transaction>): object {
    const succeeded = asked.compare.every(({ key, create_revision, mod_revision }) => {
      const entry = this.#entries.get(key)
      const created = create_revision ?? entry?.create_revision ?? '0'
      const changed = mod_revision ?? entry?.mod_revision ?? '0'
      return (entry?.create_revision ?? '0') === created && (entry?.mod_revision ?? '0') === changed
    })
    const responses = (succeeded ? asked.success : asked.failure).map(
      ({ request_range, request_put }) => {
        if (request_put !== undefined) return this.#put(request_put)
        const entry = this.#entries.get(request_range?.key ?? '')
        return { response_range: { kvs: entry === undefined ? [] : [entry] } }
      },
    )
    return { header: { revision: String(this.#revision) }, succeeded, responses }
  }

  #put({ key, value, lease }: { key: string; value: string; lease: string }): object {
    if (lease !== '0' && !this.#leases.has(lease)) {
      throw new ClusterError('SESSION_EXPIRED', 'lease not found')
    }
    const revision = String(++this.#revision)
    const create_revision = this.#entries.get(key)?.create_revision ?? revision
    this.#entries.set(key, { create_revision, mod_revision: revision, value, lease })
    return { response_put: {} }
  }

  #until(ttlSeconds: number): number {
    return this.#env.clock.monotonicMs() + ttlSeconds * 1000
  }

  #end(id: string): void {
    this.#leases.delete(id)
    for (const [key, { lease }] of this.#entries) if (lease === id) this.#entries.delete(key)
  }
}

/** One manager's way to it. */
export class MemoryEtcdWay implements Etcd {
  readonly name = 'etcd in memory'
  readonly env: Env
  /** Nothing comes through, in either direction. */
  cut = false
  /** One way in four takes up to so long, the others few milliseconds. */
  mostDelayMs = 5
  readonly #answer: (path: string, request: object) => object

  constructor(env: Env, answer: (path: string, request: object) => object) {
    this.env = env
    this.#answer = answer
  }

  async call<T>(path: string, request: object, reply: z.ZodType<T>): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = this.env.timers.after(etcdCallDeadlineMs, () => {
      late.reject(new ClusterError('UNREACHABLE', `${this.name} does not answer`))
    })
    try {
      const answered = this.#carry(path, request)
      // It may be done after its caller has given up.
      answered.catch(() => undefined)
      return reply.parse(await Promise.race([answered, late.promise]))
    } finally {
      timer.cancel()
    }
  }

  async #carry(path: string, request: object): Promise<object> {
    await this.#travel()
    const answer = this.#answer(path, request)
    await this.#travel()
    return answer
  }

  async #travel(): Promise<void> {
    const { random, timers } = this.env
    const mostMs = random.integer(4) === 0 ? this.mostDelayMs : 5
    await timers.sleep(random.integer(mostMs + 1))
    if (this.cut) await new Promise<never>(() => {})
  }
}
