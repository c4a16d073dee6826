/**
 * One term of a manager as the leader: a lease in etcd, and the leader's key that lives as long as it.
 *
 * 1. A term is current until `managerLeaseMarginMs` before etcd could let the lease run out, counted from when
 *    the last renewal that succeeded was sent: nobody else can lead before. It goes by the clock, not by timers:
 *    a process that was stopped, or whose machine was suspended, finds its term ended.
 * 2. A term that has ended never becomes current again. Should one be believed in for too long, it can save nothing, as
 *    every write compares the revision at which the leader's key was created.
 */
import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import {
  etcdRetryDelayMs,
  managerLeaseMarginMs,
  managerLeaseRenewMs,
  managerLeaseSeconds,
} from '../../network/limits.ts'
import type { Etcd } from './gateway.ts'

const seconds = z.coerce.number().int().min(0).max(3600)
const granted = z.object({ ID: z.string().regex(/^\d{1,20}$/), TTL: seconds })
const renewed = z.object({ result: z.object({ TTL: seconds.default(0) }) })

export interface Lease {
  readonly id: string
  /** As `Clock.uptimeMs`. */
  readonly untilMs: number
}

/** @throws ClusterError as `Etcd.call`. */
export async function grantLease(
  etcd: Etcd,
  leaseSeconds: number = managerLeaseSeconds,
): Promise<Lease> {
  const sentMs = etcd.env.clock.uptimeMs()
  const { ID, TTL } = await etcd.call('lease/grant', { TTL: String(leaseSeconds) }, granted)
  return { id: ID, untilMs: trustedUntil(sentMs, TTL) }
}

/** The leader's key goes with it at once. @throws ClusterError as `Etcd.call`. */
export async function revokeLease(etcd: Etcd, id: string): Promise<void> {
  try {
    await etcd.call('lease/revoke', { ID: id }, z.object({}))
  } catch (error) {
    if (!(error instanceof ClusterError && error.code === 'SESSION_EXPIRED')) throw error
  }
}

function trustedUntil(sentMs: number, ttlSeconds: number): number {
  return sentMs + ttlSeconds * 1000 - managerLeaseMarginMs
}

export interface TermInit {
  readonly etcd: Etcd
  readonly lease: Lease
  /** At which the leader's key was created. */
  readonly revision: string
}

export class Term {
  readonly revision: string
  /** Resolves with the reason when the term has ended. */
  readonly ended: Promise<ClusterError>
  readonly #etcd: Etcd
  readonly #lease: string
  readonly #over = new AbortController()
  readonly #renewing: Promise<void>
  #untilMs: number

  constructor({ etcd, lease, revision }: TermInit) {
    this.revision = revision
    this.#etcd = etcd
    this.#lease = lease.id
    this.#untilMs = lease.untilMs
    const { signal } = this.#over
    this.ended = new Promise(resolve => {
      signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
    })
    this.#renewing = this.#renew()
    void this.#watch()
  }

  get current(): boolean {
    return !this.#over.signal.aborted && this.#remainingMs() > 0
  }

  /** @throws ClusterError NOT_LEADER when it has ended. */
  assertCurrent(): void {
    if (this.#over.signal.aborted) throw this.#over.signal.reason
    if (this.#remainingMs() > 0) return
    const error = new ClusterError('NOT_LEADER', `the lease was not renewed in time`)
    this.end(error)
    throw error
  }

  end(reason: ClusterError): void {
    this.#over.abort(reason)
  }

  /** Ends the term, and lets others lead at once. @throws ClusterError when etcd was not told in time. */
  async resign(): Promise<void> {
    this.end(new ClusterError('NOT_LEADER', 'this manager leads no more'))
    await this.#renewing
    for (;;) {
      try {
        await revokeLease(this.#etcd, this.#lease)
        return
      } catch (error) {
        if (this.#remainingMs() <= etcdRetryDelayMs) throw error
        await this.#etcd.env.timers.sleep(etcdRetryDelayMs)
      }
    }
  }

  #remainingMs(): number {
    return this.#untilMs - this.#etcd.env.clock.uptimeMs()
  }

  async #renew(): Promise<void> {
    const { env } = this.#etcd
    while (this.current) {
      const sentMs = env.clock.uptimeMs()
      try {
        const { result } = await this.#etcd.call('lease/keepalive', { ID: this.#lease }, renewed)
        if (result.TTL === 0) {
          this.end(new ClusterError('NOT_LEADER', 'etcd has let the lease run out'))
          return
        }
        // A term that was found to have ended stays so, also when its timer is late.
        if (this.current) this.#untilMs = Math.max(this.#untilMs, trustedUntil(sentMs, result.TTL))
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        if (error.code !== 'UNREACHABLE') {
          this.end(new ClusterError('NOT_LEADER', error.message, { cause: error }))
          return
        }
      }
      // Fails only when the term has ended, which ends the loop.
      await env.timers.sleep(managerLeaseRenewMs, this.#over.signal).catch(() => undefined)
    }
  }

  /** Ends the term as soon as its time has run out. */
  async #watch(): Promise<void> {
    const { timers } = this.#etcd.env
    while (this.current) {
      await timers.sleep(this.#remainingMs(), this.#over.signal).catch(() => undefined)
    }
    if (this.#over.signal.aborted) return
    this.end(new ClusterError('NOT_LEADER', `the lease could not be renewed: ${this.#etcd.name}`))
  }
}
