/**
 * The roster: who is in the cluster, who of them is up, and the view that follows. It knows nothing of
 * connections.
 *
 * 1. Changes of the state happen one at a time, and are on disk before anybody hears of them.
 * 2. Clients are kept in memory only, and forgotten when they have been silent for `sessionTimeoutMs`.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  failureTimeoutMs,
  heartbeatIntervalMs,
  maxClients,
  maxFrameBodyBytes,
  maxMembers,
  sessionTimeoutMs,
} from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import { encodeBody } from '../../network/wire/codec.ts'
import type { JoinReply, JoinRequest, ManagerStatusReply } from '../../network/wire/operations.ts'
import type { Member, MemberId, MemberReport, View } from '../../network/wire/view.ts'
import type { ManagerStore } from '../store/contract.ts'
import { Attendance } from './attendance.ts'
import { memberFrom } from './claims.ts'
import type { ClusterState } from './state.ts'
import { holdsPartitions, memberOf, withFirstView, withServer } from './state.ts'

export interface RosterInit {
  readonly env: Env
  readonly log: Log
  readonly store: ManagerStore
  /** As the store has it. */
  readonly state: ClusterState
  readonly serversWanted: number
  /** A new view was saved. */
  readonly published: (view: View) => void
}

export class Roster {
  readonly serversWanted: number
  /** Where there is a page of the cluster for people; null when there is none. */
  page: string | null = null
  readonly #env: Env
  readonly #log: Log
  readonly #store: ManagerStore
  readonly #published: (view: View) => void
  readonly #servers: Attendance
  readonly #clients: Attendance
  readonly #clientMembers = new Map<MemberId, Member>()
  #state: ClusterState
  /** The last change under way; each waits for the one before. */
  #lastChange: Promise<void> = Promise.resolve()

  constructor(init: RosterInit) {
    this.serversWanted = init.serversWanted
    this.#env = init.env
    this.#log = init.log
    this.#store = init.store
    this.#state = init.state
    this.#published = init.published
    const sinceMs = init.env.clock.monotonicMs()
    this.#servers = new Attendance({ sinceMs, timeoutMs: failureTimeoutMs })
    this.#clients = new Attendance({ sinceMs, timeoutMs: sessionTimeoutMs })
  }

  get state(): ClusterState {
    return this.#state
  }

  get view(): View | null {
    return this.#state.view
  }

  /**
   * @throws ClusterError MALFORMED, OVERLOADED (more members than there may be, or than fit into a view), or
   * DISK when the change cannot be saved: then nothing has changed.
   */
  async join(request: JoinRequest): Promise<JoinReply> {
    const member = memberFrom(request, () => this.#env.random.id())
    const known = this.find(member.id)
    if (known !== undefined && known.role !== member.role) {
      throw new ClusterError('MALFORMED', `${member.id} is a ${known.role}, not a ${member.role}`)
    }
    if (member.role === 'server') await this.#joinServer(member)
    else this.#joinClient(member)
    const { cluster, partitionCount } = this.#state
    return { id: member.id, cluster, partitionCount, heartbeatIntervalMs }
  }

  /** @returns false when nobody of that name has joined: it has to join again. */
  heard(id: MemberId, report: MemberReport | null): boolean {
    const nowMs = this.#env.clock.monotonicMs()
    if (this.#clientMembers.has(id)) {
      this.#clients.heard(id, nowMs, report)
      return true
    }
    const server = memberOf(this.#state, id)
    if (server === undefined) return false
    if (this.#servers.heard(id, nowMs, report)) this.#cameBack(server)
    return true
  }

  /** The member with this id as it joined, whether it is up or not. */
  find(id: MemberId): Member | undefined {
    return this.#clientMembers.get(id) ?? memberOf(this.#state, id)
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
      const { name, addresses } = memberOf(this.#state, id)!
      this.#log.warn(
        { server: id, name, addresses, failureTimeoutMs },
        'a server is silent: its partitions wait for it to come back',
      )
    }
    for (const id of this.#clients.expire(nowMs)) {
      this.#log.info({ client: id, name: this.find(id)?.name }, 'a client is silent: forgotten')
      this.leave(id)
    }
  }

  status(): ManagerStatusReply {
    const nowMs = this.#env.clock.monotonicMs()
    const { cluster, members, view } = this.#state
    return {
      cluster,
      view,
      members: [
        ...members.map(member => ({ ...member, ...this.#servers.presence(member.id, nowMs) })),
        ...[...this.#clientMembers.values()].map(member => ({
          ...member,
          ...this.#clients.presence(member.id, nowMs),
        })),
      ],
      serversWanted: this.serversWanted,
      page: this.page,
    }
  }

  /** Resolves when no change is under way. */
  settled(): Promise<void> {
    return this.#lastChange
  }

  async #joinServer(server: Member): Promise<void> {
    try {
      await this.#change(state => {
        if (memberOf(state, server.id) === undefined && state.members.length >= maxMembers) {
          throw new ClusterError('OVERLOADED', `the cluster has ${maxMembers} servers already`)
        }
        this.#servers.heard(server.id, this.#env.clock.monotonicMs())
        return this.#withFirstView(withServer(state, server))
      })
    } catch (error) {
      if (memberOf(this.#state, server.id) === undefined) this.#servers.forget(server.id)
      throw error
    }
    const { id, name, addresses } = server
    this.#log.info({ server: id, name, addresses }, 'a server joined')
    const { view } = this.#state
    if (view === null) {
      this.#log.info({ serversWanted: this.serversWanted }, 'waiting for more servers to join')
    } else if (!holdsPartitions(view, id)) {
      this.#log.warn(
        { server: id, name },
        'the server came after the partitions were placed: it holds nothing, as they do not move yet',
      )
    }
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
    if (this.#state.view !== null) return
    this.#change(state => this.#withFirstView(state)).catch((error: unknown) => {
      this.#log.warn({ error }, 'cannot publish the first view')
    })
  }

  #withFirstView(state: ClusterState): ClusterState {
    const nowMs = this.#env.clock.monotonicMs()
    return withFirstView(state, this.serversWanted, id => this.#servers.isAlive(id, nowMs))
  }

  #change(change: (state: ClusterState) => ClusterState): Promise<void> {
    const turn = this.#lastChange.then(async () => {
      const before = this.#state
      const after = change(before)
      if (after === before) return
      if (after.view !== before.view) assertTravels(after.view)
      await this.#store.save(after)
      this.#state = after
      if (after.view === null || after.view === before.view) return
      this.#log.info({ epoch: after.view.epoch, servers: after.members.length }, 'a new view')
      this.#published(after.view)
    })
    // Who asked for the change hears of its failure; the next one only waits for its end.
    this.#lastChange = turn.catch(() => undefined)
    return turn
  }
}

/** A view that no frame can carry would leave every member behind. */
function assertTravels(view: View | null): void {
  const { byteLength } = encodeBody({ view })
  if (byteLength <= maxFrameBodyBytes) return
  const text = `the view would have ${byteLength} bytes, more than the ${maxFrameBodyBytes} of a frame`
  throw new ClusterError('OVERLOADED', text)
}
