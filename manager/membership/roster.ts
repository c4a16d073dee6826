/**
 * The roster: who is in the cluster, who of them is up, and the view that follows. It knows nothing of
 * connections.
 *
 * 1. Every change of the state goes through `Changes`, one at a time.
 * 2. Clients are kept in memory only, and forgotten when they have been silent for `sessionTimeoutMs`.
 * 3. Whatever changes, the planner looks at it soon; and with each heartbeat interval, as time alone may change what
 *    is to be done.
 */
import { peersByMember } from '../../network/admission/member-id.ts'
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  failureTimeoutMs,
  heartbeatIntervalMs,
  maxClients,
  maxMembers,
  replaceAfterMs,
  sessionTimeoutMs,
} from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import type { JoinReply, JoinRequest, ManagerStatusReply } from '../../network/wire/operations.ts'
import type { Member, MemberId, MemberReport, View } from '../../network/wire/view.ts'
import type { ManagerStore } from '../store/contract.ts'
import { Attendance } from './attendance.ts'
import { type Change, Changes } from './changes.ts'
import { memberFrom } from './claims.ts'
import type { Health, Seen } from './health.ts'
import { describeTooMany } from './health.ts'
import { movesOf } from './moves.ts'
import { Planner } from './planner.ts'
import type { ClusterState } from './state.ts'
import { memberOf, withFirstView, withServer } from './state.ts'
import { withStore } from './stores.ts'

export interface RosterInit {
  readonly env: Env
  readonly log: Log
  readonly store: ManagerStore
  /** As the store has it. */
  readonly state: ClusterState
  readonly serversWanted: number
  /** How long a silent server is waited for before others get copies of what it held; the limits' unless told. */
  readonly replaceAfterMs?: number | undefined
  /** A new view was saved. */
  readonly published: (view: View) => void
  /** A change was saved; before `published`. */
  readonly saved?: (state: ClusterState) => void
}

export class Roster {
  readonly serversWanted: number
  /** Where there is a page of the cluster for people; null when there is none. */
  page: string | null = null
  readonly #env: Env
  readonly #log: Log
  readonly #servers: Attendance
  readonly #clients: Attendance
  readonly #clientMembers = new Map<MemberId, Member>()
  readonly #planner: Planner
  readonly #changes: Changes
  readonly #seen: Seen
  /** Why nothing is changed, as it was logged last. */
  #frozen: string | null = null

  constructor(init: RosterInit) {
    this.serversWanted = init.serversWanted
    this.#env = init.env
    this.#log = init.log
    const sinceMs = init.env.clock.monotonicMs()
    this.#servers = new Attendance({ sinceMs, timeoutMs: failureTimeoutMs })
    this.#clients = new Attendance({ sinceMs, timeoutMs: sessionTimeoutMs })
    this.#planner = new Planner({ replaceAfterMs: init.replaceAfterMs ?? replaceAfterMs })
    this.#seen = seenBy(this.#servers, init.env)
    this.#changes = new Changes({ ...init, plan: state => this.#planner.step(state, this.#seen) })
  }

  get state(): ClusterState {
    return this.#changes.state
  }

  get view(): View | null {
    return this.state.view
  }

  /**
   * @throws ClusterError MALFORMED, FOREIGN_DIRECTORY (as `withStore` has it), OVERLOADED (more members than there may be, or than fit into a view), or
   * DISK when the change cannot be saved: then nothing has changed.
   */
  async join(request: JoinRequest): Promise<Omit<JoinReply, 'managers'>> {
    const member = memberFrom(request, () => this.#env.random.id())
    const known = this.find(member.id)
    if (known !== undefined && known.role !== member.role) {
      throw new ClusterError('MALFORMED', `${member.id} is a ${known.role}, not a ${member.role}`)
    }
    if (member.role === 'server') await this.#joinServer(member, request.store)
    else this.#joinClient(member)
    const { cluster, partitionCount } = this.state
    return { id: member.id, cluster, partitionCount, heartbeatIntervalMs }
  }

  /** @returns false when nobody of that name has joined: it has to join again. */
  heard(id: MemberId, report: MemberReport | null): boolean {
    const nowMs = this.#env.clock.monotonicMs()
    if (this.#clientMembers.has(id)) {
      this.#clients.heard(id, nowMs, report)
      return true
    }
    const server = memberOf(this.state, id)
    if (server === undefined) return false
    const hadFailedDisk = this.#seen.hasFailedDisk(id)
    if (this.#servers.heard(id, nowMs, report)) this.#cameBack(server)
    if (!hadFailedDisk && this.#seen.hasFailedDisk(id)) {
      this.#log.warn({ server: id, name: server.name }, 'a disk of a server has failed: it drains')
      this.#changes.plan()
    }
    return true
  }

  /** The member with this id as it joined, whether it is up or not. */
  find(id: MemberId): Member | undefined {
    return this.#clientMembers.get(id) ?? memberOf(this.state, id)
  }

  isAlive(id: MemberId): boolean {
    const nowMs = this.#env.clock.monotonicMs()
    return this.#servers.isAlive(id, nowMs) || this.#clients.isAlive(id, nowMs)
  }

  /** A client said goodbye. Servers stay members, whatever they do. */
  leave(id: MemberId): void {
    if (this.#clientMembers.delete(id)) this.#clients.forget(id)
  }

  /** Looks for those that fell silent; to be called every heartbeat interval. */
  expire(): void {
    const nowMs = this.#env.clock.monotonicMs()
    for (const id of this.#servers.expire(nowMs)) {
      const { name, addresses } = memberOf(this.state, id)!
      this.#log.warn(
        { server: id, name, addresses, failureTimeoutMs },
        'a server is silent: what nobody else has waits for it to come back',
      )
    }
    for (const id of this.#clients.expire(nowMs)) {
      this.#log.info({ client: id, name: this.find(id)?.name }, 'a client is silent: forgotten')
      this.leave(id)
    }
    this.#noteFreeze()
    this.#changes.plan()
  }

  status(): ManagerStatusReply {
    const nowMs = this.#env.clock.monotonicMs()
    const { state } = this
    const { cluster, members, view, draining, admission } = state
    const peerOf = peersByMember((admission?.admitted ?? []).map(({ peerId }) => peerId))
    const servers = members.map(member => ({
      ...member,
      peerId: peerOf(member.id),
      ...this.#servers.presence(member.id, nowMs),
    }))
    const clients = [...this.#clientMembers.values()].map(member => ({
      ...member,
      peerId: peerOf(member.id),
      ...this.#clients.presence(member.id, nowMs),
    }))
    const health = this.healthOf(state)
    const copies = servers.flatMap(({ alive, report }) => (alive ? (report?.copies ?? []) : []))
    const wanted = this.#planner.wanted(state, health)
    return {
      cluster,
      view,
      members: [...servers, ...clients],
      serversWanted: this.serversWanted,
      draining,
      ...movesOf({ state, health, wanted, copies }),
      frozen: frozenBy(state, health),
      page: this.page,
    }
  }

  healthOf(state: ClusterState): Health {
    return this.#planner.healthOf(state, this.#seen)
  }

  /** @throws what the change throws, or ClusterError as `join` does. */
  update(change: Change): Promise<void> {
    return this.#changes.make(change)
  }

  /** As `update`, soon and together with others, so that one view tells of many. */
  gather(change: Change): Promise<void> {
    return this.#changes.gather(change)
  }

  /** A server was removed: it is not heard of any more. */
  forget(id: MemberId): void {
    this.#servers.forget(id)
  }

  /** Plans nothing any more; resolves when no change is under way. */
  close(): Promise<void> {
    return this.#changes.close()
  }

  async #joinServer(server: Member, store: string | undefined): Promise<void> {
    try {
      await this.update(state => {
        if (state.gone.includes(server.id)) throw removed(server)
        if (memberOf(state, server.id) === undefined && state.members.length >= maxMembers) {
          throw new ClusterError('OVERLOADED', `the cluster has ${maxMembers} servers already`)
        }
        const stored = withStore(state, server, store)
        this.#servers.heard(server.id, this.#env.clock.monotonicMs())
        return this.#withFirstView(withServer(stored, server))
      })
    } catch (error) {
      if (memberOf(this.state, server.id) === undefined) this.#servers.forget(server.id)
      throw error
    }
    const { id, name, addresses } = server
    this.#log.info({ server: id, name, addresses }, 'a server joined')
    if (this.view === null) {
      this.#log.info({ serversWanted: this.serversWanted }, 'waiting for more servers to join')
    }
    this.#changes.plan()
  }

  #joinClient(client: Member): void {
    if (!this.#clientMembers.has(client.id) && this.#clientMembers.size >= maxClients) {
      throw new ClusterError('OVERLOADED', `the cluster has ${maxClients} clients already`)
    }
    this.#clientMembers.set(client.id, client)
    this.#clients.heard(client.id, this.#env.clock.monotonicMs())
  }

  #cameBack(server: Member): void {
    this.#log.info({ server: server.id, name: server.name }, 'a server is back')
    this.#changes.plan()
    if (this.view !== null) return
    this.update(state => this.#withFirstView(state)).catch((error: unknown) => {
      this.#log.warn({ error }, 'cannot publish the first view')
    })
  }

  #withFirstView(state: ClusterState): ClusterState {
    return withFirstView(state, this.serversWanted, id => this.#seen.isUp(id))
  }

  /** Says each change once. */
  #noteFreeze(): void {
    const frozen = frozenBy(this.state, this.healthOf(this.state))
    if (frozen === this.#frozen) return
    this.#frozen = frozen
    if (frozen === null) this.#log.info({}, 'no longer do too many servers fail: going on')
    else this.#log.warn({}, frozen)
  }
}

function seenBy(servers: Attendance, env: Env): Seen {
  const presence = (id: MemberId) => servers.presence(id, env.clock.monotonicMs())
  return {
    isUp: id => servers.isAlive(id, env.clock.monotonicMs()),
    silentMs: id => presence(id).silentMs,
    hasFailedDisk: id => presence(id).report?.disks.some(disk => disk.state === 'failed') ?? false,
    isHeld: ({ partition, primary, target }) =>
      presence(primary).report?.copies?.some(
        copy => copy.partition === partition && copy.member === target && copy.held !== undefined,
      ) ?? false,
  }
}

function frozenBy(state: ClusterState, { tooMany }: Health): string | null {
  return tooMany.length === 0 ? null : describeTooMany(state, tooMany)
}

function removed({ name }: Member): ClusterError {
  const text =
    `server ${name} was removed from the cluster: to take its machine in again, give it directories that are ` +
    'empty'
  return new ClusterError('REMOVED', text)
}
