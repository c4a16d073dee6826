/**
 * Calls that find the server in charge and do not give up before `operationDeadlineMs`, or before it has given no answer
 * to anybody here for so long.
 *
 * 1. A mutation keeps its slot and sequence over all its attempts; the slot is free again only when the
 *    outcome is known or given up.
 * 2. A mutation whose effect is uncertain is never sent into a session that has forgotten it.
 */

import assert from 'node:assert/strict'
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  callDeadlineMs,
  operationDeadlineMs,
  sessionTimeoutMs,
  viewAsksAtATime,
} from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import { Outage } from '../../network/membership/outage.ts'
import type { Peer, Reply, Service } from '../../network/rpc/contract.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { AttributesReply, OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import {
  type Attempt,
  boundTo,
  firstTrouble,
  leaving,
  type Route,
  type Sending,
  sendingOf,
  type Target,
  type Trouble,
  type Wanted,
  wasSilent,
} from './attempts.ts'
import { bootsOf } from './boots.ts'
import type {
  Boot,
  Changed,
  ChangedBehind,
  Cluster,
  MutationName,
  MutationOf,
  Payload,
  QueryName,
  ViewSource,
} from './contract.ts'
import { Leasing } from './leasing.ts'
import { LocalDisk } from './local-disk.ts'
import { LocalReads } from './local-reads.ts'
import { isAboutLocks, Locks } from './locks.ts'
import { OfferedMemory } from './offered-memory.ts'
import { OpenFileRegister, opensFile } from './open-register.ts'
import { PartitionStates } from './partition-states.ts'
import type { ReadLeases } from './read-leases.ts'
import { finalError, hadNoEffect, remedyOf, retryDelayMs } from './retry.ts'
import { ServerLink } from './server-link.ts'
import { Slots } from './slots.ts'
import { isListing, touchedByRequest } from './touched.ts'
import { ViewsOfServers } from './views-of-servers.ts'
import type { WriteLeases } from './write-leases.ts'

export interface ClusterInit {
  readonly env: Env
  readonly log: Log
  readonly membership: ViewSource
  /** Of this machine, as `bootIdentity` tells it: for servers that are on it. None is without. */
  readonly boot?: string
  /** @param service what this client answers to servers. */
  readonly dial: (server: MemberId, service: Service) => Promise<Peer>
}

const noPayload: Payload = []
const always = () => true
/** Renewals in one session time-out: two may be lost. */
const ticksInTimeout = 4

export class ClusterClient implements Cluster {
  readonly env: Env
  readonly opens: OpenFileRegister
  readonly locks: Locks
  readonly leases: ReadLeases
  readonly writing: WriteLeases
  readonly partitions: WriteLeases
  readonly log: Log
  readonly #membership: ViewSource
  readonly #boot: string
  readonly #reads: LocalReads
  readonly #dial: (server: MemberId) => Promise<Peer>
  readonly #slots = new Slots()
  readonly #views: ViewsOfServers
  readonly #links = new Map<MemberId, ServerLink>()
  readonly #tick: Timer
  readonly #leasing: Leasing
  readonly #states: PartitionStates
  /** Of partitions that nobody serves. */
  readonly #vacancy: Outage
  /** How many servers were asked for their view, one after the other. */
  #asked = 0
  #closed = false

  constructor(init: ClusterInit) {
    this.env = init.env
    this.log = init.log
    this.#boot = init.boot ?? ''
    this.#reads = new LocalReads(init.env.timers)
    this.#membership = init.membership
    this.#views = new ViewsOfServers(init.membership, init.log)
    this.#vacancy = new Outage(init.env.clock)
    this.#leasing = new Leasing({
      env: init.env,
      linkOf: partition => this.#linkOf(partition),
      links: () => this.#links.values(),
      viewEpoch: () => this.view.epoch,
    })
    const { leases, writing, partitions, service } = this.#leasing
    this.leases = leases
    this.writing = writing
    this.partitions = partitions
    this.#dial = server => init.dial(server, service)
    this.opens = new OpenFileRegister(init.env.timers, inos => this.#sendReleases(inos))
    this.locks = new Locks({
      env: init.env,
      log: init.log,
      query: (name, partition, request) => this.query(name, partition, request),
      linkOf: partition => this.#route(partition).link,
      wentElsewhere: partition => this.#tellLocksAt(partition),
      viewEpoch: () => this.view.epoch,
    })
    this.#tick = init.env.timers.every(sessionTimeoutMs / ticksInTimeout, () => this.#ticked())
    this.#states = new PartitionStates(() => this.view)
    init.membership.onView(() => this.#viewChanged())
  }

  get view(): View {
    const { view } = this.#membership
    assert(view !== null, 'a client is made when there is a view')
    return view
  }

  get partitionCount(): number {
    return this.#membership.partitionCount
  }

  servers(): readonly MemberId[] {
    const primaries = new Set<MemberId>()
    for (const { primary } of this.view.partitions) if (primary !== null) primaries.add(primary)
    return [...primaries]
  }

  query<N extends QueryName>(
    name: N,
    partition: Partition,
    request: RequestOf<N>,
  ): Promise<Reply<N>> {
    const startedMs = this.env.clock.monotonicMs()
    const ask = () => this.#persist({ name, target: partition, request, startedMs })
    return this.leases.changing(touchedByRequest(name, request), ask, isListing(name))
  }

  mutate<N extends MutationName>(
    name: N,
    partition: Partition,
    request: MutationOf<N>,
    payload: Payload = noPayload,
    notAfterMs = Infinity,
  ): Promise<Changed<N>> {
    const sending = sendingOf(notAfterMs, false)
    const change = () => this.#mutate(name, partition, request, payload, sending)
    return this.leases.changing(touchedByRequest(name, request), change)
  }

  handsOver(partition: Partition): boolean {
    return this.#linkOf(partition)?.current?.handsOver === true
  }

  mutateBehind<N extends MutationName>(
    name: N,
    partition: Partition,
    request: MutationOf<N>,
    payload: Payload = noPayload,
  ): ChangedBehind<N> | null {
    const link = this.#linkOf(partition)
    if (!link?.current || !this.#slots.isAnyFree) return null
    const sending = sendingOf(Infinity, true)
    const change = () => this.#mutate(name, partition, request, payload, sending)
    const done = this.leases.changing(touchedByRequest(name, request), change)
    const { handed } = sending
    if (handed === null) return { done, handed: Promise.resolve(false) }
    // What is answered may have been held up on its way out.
    const isDone = done.then(
      () => true,
      () => false,
    )
    return { done, handed: Promise.race([handed, isDone]) }
  }

  hurry(partition: Partition): void {
    const epoch = this.view.partitions[partition]?.epoch ?? 0
    this.#linkOf(partition)?.current?.notify('hurry', {}, { partition, epoch })
  }

  wallNs(partition: Partition): bigint | null {
    return this.#linkOf(partition)?.wall.nowNs() ?? null
  }

  async #mutate<N extends MutationName>(
    name: N,
    partition: Partition,
    request: MutationOf<N>,
    payload: Payload,
    sending: Sending,
  ): Promise<Changed<N>> {
    const startedMs = this.env.clock.monotonicMs()
    const taken = this.#slots.take()
    const slot = typeof taken === 'number' ? taken : await taken
    const sequence = this.#slots.sequenceOf(slot)
    try {
      if (this.env.clock.monotonicMs() >= startedMs + operationDeadlineMs) {
        throw new PosixError('EIO', `${name}: no slot was free for ${operationDeadlineMs} ms`)
      }
      // The compiler cannot see that adding back what MutationOf took away gives the request again.
      const whole = { ...request, slot, sequence } as unknown as RequestOf<N>
      const wanted = { name, target: partition, request: whole, payload, startedMs, sending }
      const reply = await this.#persist(wanted)
      const { boot, sentMs } = sending
      assert(boot !== null, 'what was replied to was sent')
      return { body: reply.body, payload: reply.payload, boot, sentMs }
    } finally {
      this.#slots.give(slot)
    }
  }

  ask<N extends QueryName>(
    name: N,
    server: MemberId,
    request: RequestOf<N>,
    isWanted = always,
  ): Promise<Reply<N>> {
    const startedMs = this.env.clock.monotonicMs()
    return this.#persist({ name, target: server, request, startedMs, isWanted })
  }

  bootOf(partition: Partition): Boot {
    const primary = this.#states.primaryOf(partition)
    if (primary === null || this.#closed) return { id: '' }
    const link = this.#link(primary)
    // Asked for at once: what is marked with it until it is known counts as made under the answer.
    if (link.boot.id === '') link.renewSoon()
    return link.boot
  }

  knownBootsOf(partition: Partition): readonly string[] | null {
    const primary = this.#states.primaryOf(partition)
    const told = primary === null ? null : (this.#links.get(primary)?.told ?? null)
    // Of one that went from server to server, or was fetched from another copy, only who is asked for it can tell.
    const asks = this.#states.hasMoved(partition) || this.view.replicaCount > 1
    return told === null || asks ? null : bootsOf(told, partition)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.opens.flush()
    this.#closed = true
    this.locks.close()
    this.#tick.cancel()
    this.#leasing.close()
    await Promise.all([...this.#links.values()].map(link => link.close()))
    await this.#membership.close()
  }

  async #persist<N extends OperationName>(wanted: Wanted<N>): Promise<Reply<N>> {
    const { name, target, request, startedMs } = wanted
    const { payload = noPayload, sending = null, isWanted = always } = wanted
    let trouble: Trouble | null = null
    for (;;) {
      const attempt: Attempt = { route: null, session: 0, replies: 0, deadlineMs: callDeadlineMs }
      try {
        attempt.route = this.#route(target)
        const { link, partition, epoch } = attempt.route
        const peer = link.current ?? (await link.readyFor(startedMs))
        attempt.session = link.session
        attempt.replies = link.replies
        if (sending !== null) leaving(sending, { name, link, nowMs: this.env.clock.uptimeMs() })
        // At least a moment, should finding the server have taken the rest.
        if (trouble !== null) {
          attempt.deadlineMs = Math.max(1, Math.min(link.outage.leftMs(startedMs), callDeadlineMs))
        }
        const options = { partition, epoch, payload, deadlineMs: attempt.deadlineMs }
        const sent = this.#send(peer, link, name, boundTo(request, wanted, link), options)
        if (sending?.isBehind === true) sending.handed ??= peer.handed()
        const reply = await sent
        // What goes to a server as such does not pass by its sessions.
        if (typeof target === 'number') link.heard = true
        if (trouble !== null && opensFile(name, request)) link.renewSoon()
        return reply
      } catch (error) {
        trouble ??= firstTrouble(wanted)
        await this.#recover(trouble, error, attempt)
        if (!isWanted()) {
          throw new ClusterError('NOT_PRIMARY', `${name} at ${target}: it has gone elsewhere`)
        }
        if (sending !== null && !trouble.uncertain) sending.boot = null
      }
    }
  }

  async #send<N extends OperationName>(
    peer: Peer,
    link: ServerLink,
    name: N,
    request: RequestOf<N>,
    options: { partition: Partition; epoch: number; payload: Payload; deadlineMs: number },
  ): Promise<Reply<N>> {
    if (isAboutLocks(name)) return await this.locks.send(peer, link, name, request, options)
    if (!opensFile(name, request)) {
      if (name === 'writeBlock') {
        const write = { request: request as RequestOf<'writeBlock'>, payload: options.payload }
        const written = await link.memory.offering(peer, write, sent =>
          peer.call('writeBlock', sent.request, { ...options, payload: sent.payload }),
        )
        link.replies++
        return written as Reply<N>
      }
      const reply = await peer.call(name, request, options)
      link.replies++
      if (name !== 'readBlock') return reply
      const { length } = request as RequestOf<'readBlock'>
      return (await link.disk.filled(reply as Reply<'readBlock'>, length)) as Reply<N>
    }
    this.opens.openStarted()
    link.openStarted()
    try {
      const reply = await peer.call(name, request, options)
      link.replies++
      // Here and not at the caller: a session request may leave as soon as `openEnded` is said.
      const ino = openedIno(request, reply.body)
      this.opens.add(ino)
      const home = partitionOfIno(ino)
      if (this.#states.primaryOf(home) !== link.server) this.#renewAt(home)
      return reply
    } finally {
      this.opens.openEnded()
      link.openEnded()
    }
  }

  #linkOf(partition: Partition): ServerLink | undefined {
    return this.#links.get(this.#states.primaryOf(partition) ?? '')
  }

  #route(target: Target): Route {
    if (typeof target === 'string') return { link: this.#link(target), partition: 0, epoch: 0 }
    const state = this.view.partitions[target]
    if (state === undefined) throw new PosixError('EIO', `there is no partition ${target}`)
    if (state.primary === null) {
      throw new ClusterError('NOT_READY', `no replica of partition ${target} is up`)
    }
    return { link: this.#link(state.primary), partition: target, epoch: state.epoch }
  }

  #link(server: MemberId): ServerLink {
    const known = this.#links.get(server)
    if (known !== undefined) return known
    if (this.#closed) throw new ClusterError('CLOSED', 'this client is closed')
    const holds = (partition: Partition) => this.#states.primaryOf(partition) === server
    const link: ServerLink = new ServerLink({
      env: this.env,
      log: this.log,
      server,
      disk: new LocalDisk(this.#reads, this.#boot),
      memory: new OfferedMemory(this.#boot, this.log),
      dial: this.#dial,
      opens: () => this.opens.opensIn(holds),
      reclaim: peer => this.locks.reclaim(peer, link, holds),
      goesBy: (peer, epoch) => {
        if (epoch > this.view.epoch) void this.#views.fetch({ server, current: peer })
      },
    })
    this.#links.set(server, link)
    return link
  }

  /** Returns when another attempt makes sense; else throws what the caller gets. */
  async #recover(trouble: Trouble, error: unknown, attempt: Attempt): Promise<void> {
    const { name, target } = trouble
    const { route } = attempt
    const server = route?.link.server ?? `partition ${target}`
    const remedy = remedyOf(error)
    const never = remedy === 'never' || this.#closed
    if (never || (remedy === 'once' && trouble.checksumFailed)) {
      throw finalError(error, name, server)
    }
    if (route === null) this.#vacancy.silent()
    else if (wasSilent(attempt, error)) {
      route.link.abort(new ClusterError('TIMEOUT', `${server} did not answer`))
    }
    const pauseMs = retryDelayMs(trouble.attempts++, this.env.random)
    const outage = route?.link.outage ?? this.#vacancy
    if (outage.leftMs(trouble.startedMs) <= pauseMs) throw finalError(error, name, server)
    if (remedy === 'once') trouble.checksumFailed = true
    if (remedy === 'session' && route !== null) {
      this.#sessionExpired(route.link, attempt.session)
      if (trouble.uncertain) throw finalError(error, `${name} (outcome unknown)`, server)
    }
    if (!hadNoEffect(error)) trouble.uncertain = true
    if (remedy === 'view' && route !== null && (await this.#viewMoved(route))) return
    await this.env.timers.sleep(pauseMs)
  }

  /** Asks the server that refused us for its view. @returns whether the partition's state is another now. */
  async #viewMoved({ link, partition, epoch }: Route): Promise<boolean> {
    if (this.#states.epochOf(partition) === epoch) await this.#views.fetch(link)
    return this.#states.epochOf(partition) !== epoch
  }

  /**
   * While no manager tells, what is open may go to another server without a call that would show it: then that one
   * has to hear of it before a session's time has passed. So servers are asked, also some that there was nothing to ask.
   */
  #ticked(): void {
    const isAlone = !this.#membership.connected
    for (const link of this.#links.values()) link.tick(isAlone)
    if (!isAlone) return
    const { members } = this.view
    for (let count = Math.min(viewAsksAtATime, members.length); count > 0; count--) {
      this.#link(members[this.#asked++ % members.length]!.id).renewSoon()
    }
  }

  /** What has lost its name and was removed meanwhile answers ESTALE: no other inode has its number. */
  #sessionExpired(link: ServerLink, session: number): void {
    if (!link.expired(session)) return
    const text = 'the server has forgotten this client: it is told again what is open'
    this.log.warn({ server: link.server }, text)
  }

  /** Whoever serves a partition in a new epoch has to learn what this client has open and locked there. */
  #viewChanged(): void {
    const changed = this.#states.follow()
    const members = new Set(this.view.members.map(member => member.id))
    for (const [server, link] of this.#links) {
      if (members.has(server)) continue
      this.#links.delete(server)
      void link.close()
    }
    if (changed.size === 0) return
    for (const ino of this.opens.inos()) {
      if (changed.has(partitionOfIno(ino))) this.#renewAt(partitionOfIno(ino))
    }
    for (const partition of new Set(this.locks.partitions())) {
      if (changed.has(partition)) this.#tellLocksAt(partition)
    }
  }

  #renewAt(partition: Partition): ServerLink | null {
    const primary = this.#states.primaryOf(partition)
    if (primary === null || this.#closed) return null
    const link = this.#link(primary)
    link.renewSoon()
    return link
  }

  #tellLocksAt(partition: Partition): void {
    const link = this.#renewAt(partition)
    if (link === null) return
    link.hasLocks = true
    this.locks.moved(link)
  }

  #sendReleases(inos: readonly Ino[]): void {
    const byServer = Map.groupBy(inos, ino => this.#states.primaryOf(partitionOfIno(ino)))
    for (const [server, released] of byServer) {
      if (server === null) continue
      this.#links.get(server)?.connected?.notify('release', { inos: released })
    }
  }
}

/** Of what was asked for by a number, or is told. */
function openedIno(request: object, reply: object): Ino {
  return 'ino' in request ? Number(request.ino) : (reply as AttributesReply).attributes.ino
}
