/**
 * The member's side of membership, for servers and clients alike: joins at a manager, sends heartbeats,
 * receives views, and finds its way back when the connection is lost.
 *
 * 1. Losing the manager changes nothing here: the last view stays, and the member goes on.
 * 2. Identity, cluster and partition count are those of the first join, whatever comes later.
 * 3. One connection to one manager at a time; between two attempts there is a growing wait.
 */

import { viewFromWire, viewToWire } from '../../network/wire/wire-view.ts'
import { readCertificate } from '../admission/certificate.ts'
import type { MemberCredentials } from '../admission/credentials.ts'
import { newClientId, serverIdOf } from '../admission/member-id.ts'
import type { Env } from '../env/env.ts'
import { ClusterError, PosixError } from '../errors.ts'
import {
  failureTimeoutMs,
  managerRetryFirstDelayMs,
  managerRetryLongestDelayMs,
  operationDeadlineMs,
  reportDeadlineMs,
} from '../limits.ts'
import type { Log } from '../log.ts'
import type { Peer, Service } from '../rpc/contract.ts'
import type { Transport } from '../transport/contract.ts'
import type {
  JoinReply,
  JoinRequest,
  OperationName,
  ReplyOf,
  RequestOf,
} from '../wire/operations.ts'
import type { MemberId, MemberReport, MemberRole, View } from '../wire/view.ts'
import type { ManagerLink } from './manager-link.ts'
import { joinOver, linkToManager } from './manager-link.ts'
import { ManagerPlaces } from './manager-places.ts'
import type { ViewListener } from './view-board.ts'
import { ViewBoard } from './view-board.ts'

export interface MembershipInit {
  readonly env: Env
  readonly transports: readonly Transport[]
  /** What this member proves itself with; nobody is asked for a proof without. */
  readonly credentials?: MemberCredentials | undefined
  /** Addresses of the managers; tried in turn, with those that a manager tells of. */
  readonly managers: readonly string[]
  /** Where the managers can be dialled, as one of them told. */
  readonly remember?: ((managers: readonly string[]) => void) | undefined
  /** Looks for managers elsewhere; asked when none of those known answers. */
  readonly find?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined
  readonly role: MemberRole
  /** As the member's stamp has it; a newcomer without one is given one. */
  readonly id?: MemberId
  /** As the member's stamp has it: another cluster's manager is refused then. */
  readonly cluster?: string
  readonly name: string
  /** Where this member listens, best first; none for a client. */
  readonly addresses: readonly string[]
  readonly host: string
  /** Failure domain; the host where it is empty. */
  readonly domain: string
  readonly weight: number
  /** Of a server: what tells the store of its metadata from any other. */
  readonly store?: string
  /** The newest view that it saw before it was started: not to go by, but none that is older is taken. */
  readonly seen?: View | null
  /** What heartbeats tell of this member. */
  readonly report: (() => Promise<MemberReport>) | null
  readonly log: Log
  /** Ends the wait for the first join. */
  readonly signal?: AbortSignal
  /** How long the first join may take; `operationDeadlineMs` unless told. */
  readonly deadlineMs?: number
}

export interface Membership {
  readonly id: MemberId
  readonly cluster: string
  readonly partitionCount: number
  /** The newest one known; null until enough servers have joined. */
  readonly view: View | null
  /** Whether a manager is connected now. */
  readonly connected: boolean
  /** Calls `listener` with every newer view. @returns a function that ends it. */
  onView(listener: ViewListener): () => void
  /** @throws ClusterError TIMEOUT, CLOSED or OVERLOADED. */
  viewNewerThan(epoch: number, deadlineMs: number): Promise<View>
  /** Takes a view that another member has, if it is newer. @throws ClusterError WRONG_CLUSTER. */
  adopt(view: View): void
  /** Resolves when the manager says that this member was removed: it is not taken in again. */
  readonly removed: Promise<ClusterError>
  /** One attempt at the manager that is connected. @throws ClusterError as it refuses; CLOSED when there is none. */
  askManager<N extends OperationName>(name: N, request: RequestOf<N>): Promise<ReplyOf<N>>
  /** Takes leave of the manager. */
  close(): Promise<void>
}

/** No further attempt would end otherwise. */
const finalCodes: readonly string[] = [
  'VERSION_MISMATCH',
  'WRONG_CLUSTER',
  'FOREIGN_DIRECTORY',
  'MALFORMED',
  'REMOVED',
]

/**
 * Joins the cluster; returns when a manager has taken this member in.
 * @throws ClusterError VERSION_MISMATCH, WRONG_CLUSTER, FOREIGN_DIRECTORY, MALFORMED, REMOVED or IN_USE as the manager refuses;
 * UNREACHABLE when no manager answers in time; CANCELLED.
 */
export async function joinCluster(init: MembershipInit): Promise<Membership> {
  const member = new ClusterMember(init)
  await member.start()
  return member
}

class ClusterMember implements Membership {
  readonly #init: MembershipInit
  readonly #board: ViewBoard
  readonly #places: ManagerPlaces
  readonly #stop = new AbortController()
  readonly #removed = Promise.withResolvers<ClusterError>()
  readonly #service: Service
  #joined: JoinReply | undefined
  #peer: Peer | undefined
  #running: Promise<void> = Promise.resolve()
  readonly #newId: MemberId

  constructor(init: MembershipInit) {
    this.#init = init
    this.#places = new ManagerPlaces(init)
    this.#newId = idOfNewcomer(init)
    this.#board = new ViewBoard(init.env, init.seen)
    this.#service = {
      viewChanged: ({ body }) => {
        // Before the join is answered, the cluster is not known yet; the view is asked for right after.
        if (body.view !== null && this.#joined !== undefined) this.adopt(viewFromWire(body.view))
        return { body: {}, payload: [] }
      },
      // A manager whose state was put back from an old copy asks for what there has been since.
      view: () => {
        const { newest } = this.#board
        return { body: { view: newest && viewToWire(newest) }, payload: [] }
      },
    }
  }

  get id(): MemberId {
    return this.#joined?.id ?? this.#init.id ?? this.#newId
  }

  get cluster(): string {
    return this.#joined?.cluster ?? this.#init.cluster ?? ''
  }

  get partitionCount(): number {
    return this.#joined?.partitionCount ?? 0
  }

  get view(): View | null {
    return this.#board.view
  }

  get connected(): boolean {
    return this.#peer !== undefined
  }

  get removed(): Promise<ClusterError> {
    return this.#removed.promise
  }

  onView(listener: ViewListener): () => void {
    return this.#board.listen(listener)
  }

  viewNewerThan(epoch: number, deadlineMs: number): Promise<View> {
    return this.#board.newerThan(epoch, deadlineMs)
  }

  adopt(view: View): void {
    this.#board.adopt(view, this.cluster)
    const { credentials } = this.#init
    credentials?.remove(view.removed ?? [])
    if (credentials?.certificate == null) return
    if (credentials.isRemoved(readCertificate(credentials.certificate))) {
      this.#removed.resolve(new ClusterError('REMOVED', 'this member was removed from the cluster'))
    }
  }

  async askManager<N extends OperationName>(name: N, request: RequestOf<N>): Promise<ReplyOf<N>> {
    if (this.#peer === undefined) throw new ClusterError('CLOSED', 'no manager is connected now')
    return (await this.#peer.call(name, request)).body
  }

  async start(): Promise<void> {
    const link = await this.#firstLink()
    this.#running = this.#run(link)
  }

  async close(): Promise<void> {
    this.#stop.abort(new ClusterError('CANCELLED', 'this member leaves the cluster'))
    this.#board.close()
    await this.#peer?.close()
    await this.#running
  }

  async #firstLink(): Promise<ManagerLink> {
    const { env, signal, deadlineMs = operationDeadlineMs, managers, log } = this.#init
    const stop =
      signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    const startMs = env.clock.monotonicMs()
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#link(stop)
      } catch (error) {
        const waitedMs = env.clock.monotonicMs() - startMs
        if (stop.aborted) throw cancelled(stop)
        if (isFinal(error, waitedMs)) throw error
        if (waitedMs >= deadlineMs) {
          const text = `no manager took this member in within ${deadlineMs} ms: ${managers.join(', ')}`
          throw new ClusterError('UNREACHABLE', text, { cause: error })
        }
        if (attempt === 0) log.info({ managers, error }, 'waiting for a manager')
        await this.#wait(attempt, stop).catch(() => {
          throw cancelled(stop)
        })
      }
    }
  }

  /** Serves one connection after the other until this member is closed. */
  async #run(first: ManagerLink): Promise<void> {
    const { log, managers } = this.#init
    const stop = this.#stop.signal
    let link: ManagerLink | undefined = first
    let attempt = 0
    while (!stop.aborted) {
      try {
        link ??= await this.#link(stop)
        await this.#attend(link, () => {
          if (attempt > 0) log.info({ manager: link?.peer.remote }, 'the manager is back')
          attempt = 0
        })
      } catch (error) {
        if (stop.aborted) break
        if (!(error instanceof ClusterError || error instanceof PosixError)) throw error
        if (error.code === 'REMOVED') {
          this.#removed.resolve(error)
          break
        }
        if (attempt === 0) {
          log.warn({ managers, error }, 'the manager is away: going on with the view there is')
        }
      } finally {
        await this.#drop(link)
        link = undefined
      }
      // Fails only when this member is closed, which ends the loop.
      await this.#wait(attempt++, stop).catch(() => undefined)
    }
  }

  #link(signal: AbortSignal): Promise<ManagerLink> {
    return this.#places.first(address => this.#linkTo(address, signal), signal)
  }

  async #linkTo(address: string, signal: AbortSignal): Promise<ManagerLink> {
    const { env, transports, credentials, log } = this.#init
    const { cluster } = this
    const request = this.#request()
    const service = this.#service
    const link = await linkToManager({
      env,
      transports,
      credentials,
      address,
      cluster,
      request,
      service,
      log,
      signal,
    })
    this.#joined ??= link.joined
    this.#peer = link.peer
    this.#places.learn(link.joined.managers)
    return link
  }

  async #drop(link: ManagerLink | undefined): Promise<void> {
    if (link === undefined) return
    this.#peer = undefined
    await link.peer.close()
  }

  #request(): JoinRequest {
    const { role, name, addresses, host, domain, weight, store } = this.#init
    const request = { role, id: this.id, name, addresses, host, domain, weight }
    const epoch = this.#board.newest?.epoch ?? 0
    return store === undefined ? { ...request, epoch } : { ...request, store, epoch }
  }

  /** Heartbeats over one connection until it fails; each that is answered is told to `answered`. */
  async #attend({ peer, joined }: ManagerLink, answered: () => void): Promise<never> {
    const { env } = this.#init
    const signal = this.#stop.signal
    const { view } = (await peer.call('view', {}, { signal })).body
    if (view !== null) this.adopt(viewFromWire(view))
    for (;;) {
      await this.#heartbeat(peer, signal)
      answered()
      await env.timers.sleep(joined.heartbeatIntervalMs, signal)
    }
  }

  async #heartbeat(peer: Peer, signal: AbortSignal): Promise<void> {
    const report = await this.#report()
    const heartbeat = { epoch: this.#board.epoch, report }
    try {
      await peer.call('heartbeat', heartbeat, { signal, deadlineMs: failureTimeoutMs / 2 })
    } catch (error) {
      if (!(error instanceof ClusterError && error.code === 'SESSION_EXPIRED')) throw error
      await joinOver(peer, this.#request(), this.cluster, signal)
    }
  }

  /** null when it is not to be had in time: being alive must not wait for a slow disk. */
  async #report(): Promise<MemberReport | null> {
    const { env, report, log } = this.#init
    if (report === null) return null
    const late = Promise.withResolvers<null>()
    const timer = env.timers.after(reportDeadlineMs, () => late.resolve(null))
    try {
      return await Promise.race([report(), late.promise])
    } catch (error) {
      log.warn({ error }, 'this member cannot tell its own state')
      return null
    } finally {
      timer.cancel()
    }
  }

  #wait(attempt: number, signal: AbortSignal): Promise<void> {
    const { env } = this.#init
    const longest = Math.min(managerRetryFirstDelayMs * 2 ** attempt, managerRetryLongestDelayMs)
    return env.timers.sleep(longest / 2 + env.random.integer(longest) / 2, signal)
  }
}

/** A member that proves a key is called by it. */
function idOfNewcomer({ credentials, role, env }: MembershipInit): MemberId {
  if (credentials === undefined) return ''
  const { peerId } = credentials.identity
  return role === 'server' ? serverIdOf(peerId) : newClientId(peerId, env.random)
}

function cancelled(signal: AbortSignal): ClusterError {
  return new ClusterError('CANCELLED', 'joining the cluster', { cause: signal.reason })
}

/** A server that was killed is in use until its manager notices: worth a short wait. */
function isFinal(error: unknown, waitedMs: number): boolean {
  if (!(error instanceof ClusterError)) return true
  if (error.code === 'IN_USE') return waitedMs > failureTimeoutMs
  return finalCodes.includes(error.code)
}
