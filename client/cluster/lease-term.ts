/**
 * The terms of this client's leases at one server: as long as one is renewed, what was leased in it holds.
 *
 * 1. A term counts from when its last renewal was asked for, so it ends here before it does there; also while this
 *    machine is suspended.
 * 2. It goes on where the connection broke, as long as its server can wait for it: that asks again by the next one
 *    what it has heard no answer to. Nothing more is written behind meanwhile.
 * 3. The next one begins when the one before has run out, also where this client gave it up: until then the kernel may
 *    go by it, and beginning another tells the server that nobody does.
 */
import type { Clock } from '../../network/env/env.ts'
import { leaseIdleMs, leaseTermMs } from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { RenewLeasesReply } from '../../network/wire/operations.ts'
import type { RemoteWall } from './remote-wall.ts'

export interface LeaseTerm {
  readonly generation: number
  untilMs: number
  /** Its server is heard: false from when the connection broke until it is renewed by another. */
  isHeard: boolean
  /** As its server said last, no other client had one there. */
  isAlone: boolean
  /** When something was last said by it. */
  usedMs: number
}

export class LeaseTerms {
  readonly #clock: Clock
  readonly #wall: Pick<RemoteWall, 'heard'>
  #current: LeaseTerm | null = null
  #wantedMs = Number.NEGATIVE_INFINITY
  #notBeforeMs = Number.NEGATIVE_INFINITY
  /** How often the connection broke: what was asked for before says nothing of the next one. */
  #breaks = 0
  #asking = false

  /** @param wall is told what the server's says, with each answer. */
  constructor(clock: Clock, wall: Pick<RemoteWall, 'heard'>) {
    this.#clock = clock
    this.#wall = wall
  }

  /** For what is about to be asked for; null: it cannot be kept. */
  get current(): LeaseTerm | null {
    const nowMs = this.#clock.uptimeMs()
    this.#wantedMs = nowMs
    const term = this.#current
    return term !== null && nowMs < term.untilMs ? term : null
  }

  /** The connection is gone. */
  unheard(): void {
    this.#breaks++
    if (this.#current !== null) this.#current.isHeard = false
  }

  /** The one that goes on has yet to be renewed by another connection. */
  get isUnheard(): boolean {
    return this.#current?.isHeard === false
  }

  /** Nothing that was leased is said any more: the server has let go of it. */
  #end(): void {
    const term = this.#current
    if (term === null) return
    this.#notBeforeMs = Math.max(this.#notBeforeMs, term.untilMs)
    term.untilMs = Number.NEGATIVE_INFINITY
    this.#current = null
  }

  /** To be called every `leaseRenewalMs`, and when there is no term and one is wanted. */
  async renew(peer: Peer): Promise<void> {
    const sentMs = this.#clock.uptimeMs()
    const usedMs = Math.max(this.#wantedMs, this.#current?.usedMs ?? this.#wantedMs)
    if (this.#asking || sentMs - usedMs > leaseIdleMs) return
    if (this.#current !== null && this.#current.untilMs <= sentMs) this.#end()
    if (this.#current === null && sentMs < this.#notBeforeMs) return
    const generation = this.#current?.generation ?? 0
    const breaks = this.#breaks
    this.#asking = true
    try {
      const { body } = await peer.call('renewLeases', { generation }, { deadlineMs: leaseTermMs })
      this.#wall.heard(body.wallNs, sentMs)
      if (breaks === this.#breaks) this.#renewed(body, sentMs)
    } catch {
      // It ends when it would have; the next attempt is not far.
    } finally {
      this.#asking = false
    }
  }

  #renewed({ generation, termMs, alone }: RenewLeasesReply, sentMs: number): void {
    const untilMs = sentMs + termMs
    if (termMs > 0 && this.#current?.generation === generation) {
      this.#current.untilMs = Math.max(this.#current.untilMs, untilMs)
      this.#current.isAlone = alone
      this.#current.isHeard = true
      return
    }
    this.#end()
    if (termMs > 0) {
      this.#current = { generation, untilMs, isHeard: true, isAlone: alone, usedMs: sentMs }
    }
  }
}
