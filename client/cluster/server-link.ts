/**
 * The way to one server: a connection, opened when first needed and again after it broke, and this
 * client's session on it.
 *
 * 1. `current` is a peer only while the connection is up and the session on it says what is open.
 * 2. A session request leaves when no open is on its way: what it opens would be missing, or counted twice.
 * 3. What was to be told while a session was on its way to the server is told with another one.
 * 4. A server that cannot be dialled is dialled again after a growing pause; until then calls fail with
 *    the last error and no work.
 */

import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  callDeadlineMs,
  leaseRecallMs,
  retryLongestDelayMs,
  sessionTimeoutMs,
} from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import { isUnanswered, Outage } from '../../network/membership/outage.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { SessionReply, SessionRequest } from '../../network/wire/operations.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { Boot } from './contract.ts'
import { LeaseTerms } from './lease-term.ts'
import type { LocalDisk } from './local-disk.ts'
import type { OfferedMemory } from './offered-memory.ts'
import { RemoteUptime } from './remote-uptime.ts'
import { RemoteWall } from './remote-wall.ts'
import { retryDelayMs } from './retry.ts'

export interface ServerLinkInit {
  readonly env: Env
  readonly log: Log
  readonly server: MemberId
  /** The server's, if it is on this machine. */
  readonly disk: LocalDisk
  readonly memory: OfferedMemory
  /** Connects and says hello. @throws ClusterError */
  readonly dial: (server: MemberId) => Promise<Peer>
  /** The files that this client holds open at this server. */
  readonly opens: () => SessionRequest['opens']
  /** Tells the server what this client has locked there. @throws ClusterError */
  readonly reclaim: (peer: Peer) => Promise<void>
  /** The server goes by a view of this epoch. */
  readonly goesBy: (peer: Peer, epoch: number) => void
}

export class ServerLink {
  readonly server: MemberId
  /** Ends with a session: whoever has one has been answered. */
  readonly outage: Outage
  readonly leases: LeaseTerms
  readonly uptime: RemoteUptime
  readonly wall: RemoteWall
  readonly disk: LocalDisk
  readonly memory: OfferedMemory
  /** The peer to call, or null: then await `ready()`. */
  current: Peer | null = null
  /** Rises with every session that was opened or renewed. */
  session = 0
  /** Of the machine at the other end of `current`; another object once it is another. */
  boot: Boot = { id: '' }
  /** What it told when the session was opened. */
  told: SessionReply | null = null
  /** Replies so far: tells a slow server from a silent one. */
  replies = 0
  /** A call that counts for the session was answered since the last tick. */
  heard = false
  /** The server was asked for a lock: it is told with each session what there is of them. */
  hasLocks = false
  readonly #init: ServerLinkInit
  #peer: Peer | null = null
  #readying: Promise<Peer> | null = null
  #opening = 0
  #opensEnded: PromiseWithResolvers<void> | null = null
  #failures = 0
  #notBeforeMs = 0
  #tickMs = Number.NEGATIVE_INFINITY
  /** The server has not let the session go before this. */
  #sureUntilMs = Number.NEGATIVE_INFINITY
  #lastError: ClusterError | null = null
  #renewal = false
  /** How often a renewal was asked for. */
  #renewals = 0
  #closed = false
  #warned = false

  constructor(init: ServerLinkInit) {
    this.#init = init
    this.server = init.server
    this.outage = new Outage(init.env.clock)
    this.wall = new RemoteWall(init.env.clock)
    this.leases = new LeaseTerms(init.env.clock, this.wall)
    this.uptime = new RemoteUptime(init.env.clock)
    this.disk = init.disk
    this.memory = init.memory
  }

  /** A peer with an up-to-date session. @throws ClusterError */
  ready(): Promise<Peer> {
    if (this.current !== null) return Promise.resolve(this.current)
    this.#readying ??= this.#prepare()
      .then(
        peer => {
          this.outage.answered()
          return peer
        },
        error => {
          if (!isUnanswered(error)) this.outage.answered()
          throw error
        },
      )
      .finally(() => {
        this.#readying = null
      })
    return this.#readying
  }

  /**
   * As `ready`, as long as whoever waits since `startedMs` waits for this server. The attempt goes on: the next call may
   * find it there. That of who waits counts as an outage: for what is open the server is tried again all the time, though
   * no program has waited yet.
   * @throws ClusterError
   */
  async readyFor(startedMs: number): Promise<Peer> {
    const late = Promise.withResolvers<never>()
    const leftMs = Math.max(1, this.outage.leftMs(startedMs))
    const timer = this.#init.env.timers.after(leftMs, () => {
      late.reject(new ClusterError('UNREACHABLE', `${this.server} cannot be reached yet`))
    })
    try {
      return await this.outage.during(() => Promise.race([this.ready(), late.promise]))
    } finally {
      timer.cancel()
    }
  }

  openStarted(): void {
    this.#opening++
  }

  openEnded(): void {
    this.#opening--
    if (this.#opening > 0 || this.#opensEnded === null) return
    this.#opensEnded.resolve()
    this.#opensEnded = null
  }

  /** What the server believes to be open may be out of date: tell it before the next call. */
  renewSoon(): void {
    this.current = null
    this.#renewals++
    if (this.#renewal || this.#closed) return
    this.#renewal = true
    this.#init.env.timers.soon(() => this.#renew())
  }

  /** The session of that number is unknown to the server. @returns false when a newer one was opened. */
  expired(session: number): boolean {
    if (session !== this.session) return false
    this.session++
    this.current = null
    return true
  }

  /** Whether the session cannot have ended at the server, though nothing were heard of it. */
  get isSure(): boolean {
    return this.current !== null && this.#init.env.clock.uptimeMs() < this.#sureUntilMs
  }

  /**
   * To be called a few times in each session time-out: keeps an idle session alive.
   * @param asks a busy one is renewed as well, to hear of a newer view; as it is now and then to hear of its clock.
   */
  tick(asks: boolean): void {
    const idle = !this.heard
    this.heard = false
    // What was heard since the last tick was sent so long before it at most.
    if (!idle) this.#sureFrom(this.#tickMs - callDeadlineMs)
    this.#tickMs = this.#init.env.clock.uptimeMs()
    if ((idle || asks || this.uptime.isOld) && (this.#peer !== null || this.#isExpected))
      this.renewSoon()
  }

  renewLeases(): void {
    if (this.current !== null) void this.leases.renew(this.current)
  }

  /** Sends a notice if there is a connection; without one there is no session to correct either. */
  get connected(): Peer | null {
    return this.#peer
  }

  /** Nothing came back from it for a whole call: the next call shall dial again. */
  abort(error: ClusterError): void {
    this.outage.silent()
    this.#peer?.abort(error)
  }

  async close(): Promise<void> {
    const said = this.current === null ? null : this.#farewell(this.current)
    this.#closed = true
    this.current = null
    await said
    await this.#readying?.catch(() => undefined)
    await this.#peer?.close()
  }

  /** So that nobody waits for a client that is gone. A server that does not hear it waits a session's time. */
  async #farewell(peer: Peer): Promise<void> {
    if (this.hasLocks) await this.#init.reclaim(peer).catch(() => undefined)
    if (this.leases.current === null) return
    // By what was leased in the term of before nobody goes; answered when the releases before it were heard.
    const options = { deadlineMs: leaseRecallMs }
    await peer.call('renewLeases', { generation: 0 }, options).catch(() => undefined)
  }

  /** The server keeps something for this client, and should hear of it. */
  get #isExpected(): boolean {
    return this.hasLocks || this.#init.opens().length > 0
  }

  async #prepare(): Promise<Peer> {
    if (this.#closed) throw new ClusterError('CLOSED', 'this client is closed')
    const peer = this.#peer ?? (await this.#connect())
    for (let told = -1; told !== this.#renewals; ) {
      if (this.#opening > 0) {
        this.#opensEnded ??= Promise.withResolvers<void>()
        await this.#opensEnded.promise
      }
      told = this.#renewals
      await this.#tell(peer)
    }
    this.current = peer
    this.#warned = false
    if (this.leases.isUnheard) this.renewLeases()
    return peer
  }

  async #tell(peer: Peer): Promise<void> {
    const startedMs = this.#init.env.clock.uptimeMs()
    const boot = await this.#openSession(peer)
    if (this.#peer !== peer) throw new ClusterError('CLOSED', `lost ${peer.remote}`)
    if (this.told !== null) {
      this.disk.told(this.told)
      this.memory.told(peer, this.told)
    }
    this.session++
    this.#sureFrom(startedMs)
    if (this.boot.id === '') this.boot.id = boot
    else if (this.boot.id !== boot) this.boot = { id: boot }
  }

  /** @returns the boot of its machine. */
  async #openSession(peer: Peer): Promise<string> {
    const askedMs = this.#init.env.clock.uptimeMs()
    try {
      const reply = (await peer.call('session', { opens: this.#init.opens() })).body
      this.told = reply
      this.uptime.heard(reply.uptimeMs)
      this.wall.heard(reply.wallNs, askedMs)
      this.#init.goesBy(peer, reply.epoch ?? 0)
      if (this.hasLocks) await this.#init.reclaim(peer)
      return reply.boot
    } catch (error) {
      // A connection that swallows this one would swallow the next as well: dial again.
      if (error instanceof ClusterError && error.code === 'TIMEOUT') peer.abort(error)
      throw error
    }
  }

  #sureFrom(sentMs: number): void {
    this.#sureUntilMs = Math.max(this.#sureUntilMs, sentMs + sessionTimeoutMs)
  }

  async #connect(): Promise<Peer> {
    const { env } = this.#init
    if (this.#lastError !== null && env.clock.monotonicMs() < this.#notBeforeMs) {
      throw this.#lastError
    }
    try {
      const peer = await this.#init.dial(this.server)
      this.#failures = 0
      this.#lastError = null
      this.#peer = peer
      void peer.closed.then(() => this.#disconnected(peer))
      return peer
    } catch (error) {
      this.#notBeforeMs = env.clock.monotonicMs() + retryDelayMs(this.#failures++, env.random)
      this.#lastError =
        error instanceof ClusterError
          ? error
          : new ClusterError('UNREACHABLE', `cannot dial ${this.server}`, { cause: error })
      throw this.#lastError
    }
  }

  #disconnected(peer: Peer): void {
    if (this.#peer !== peer) return
    this.#peer = null
    this.current = null
    this.disk.close()
    this.leases.unheard()
    if (this.#isExpected) this.renewSoon()
  }

  #renew(): void {
    this.#renewal = false
    if (this.#closed) return
    this.ready().catch((error: unknown) => {
      if (this.#closed) return
      if (!this.#warned) {
        this.#warned = true
        this.#init.log.warn({ server: this.server, error }, 'cannot renew the session: trying on')
      }
      if (!this.#isExpected || this.#renewal) return
      this.#renewal = true
      this.#init.env.timers.after(retryLongestDelayMs, () => this.#renew())
    })
  }
}
