/**
 * The roster as its members reach it: the manager's operations, and views pushed to whoever is behind.
 *
 * 1. A connection stands for one member at a time: the one that joined over it.
 * 2. Of several connections of one member the last one counts.
 * 3. One server joins from one place at a time: also while its join is being saved.
 */
import { fitsPeer } from '../../network/admission/member-id.ts'
import { ClusterError } from '../../network/errors.ts'
import type { Log } from '../../network/log.ts'
import type { Incoming, Peer, Service } from '../../network/rpc/contract.ts'
import type { JoinReply, JoinRequest, RequestOf } from '../../network/wire/operations.ts'
import type { Member, MemberId, View } from '../../network/wire/view.ts'
import { statusToWire, viewFromWire, viewToWire } from '../../network/wire/wire-view.ts'
import { type AdministrativeOperations, administration } from './administration.ts'
import { reportFrom, toldView } from './claims.ts'
import { withInSync, withoutSync, withServed } from './holders.ts'
import { withNewerView } from './newer-view.ts'
import type { Roster } from './roster.ts'
import type { ClusterState } from './state.ts'

/** What all say that have nothing to tell. */
interface Answered {
  readonly body: Record<never, never>
  readonly payload: readonly Uint8Array[]
}
const empty: Answered = { body: {}, payload: [] }

/** What members, and people who ask, may want of a manager. */
export type MemberOperations = Required<
  Pick<
    Service,
    | 'join'
    | 'heartbeat'
    | 'view'
    | 'managerStatus'
    | 'replicaInSync'
    | 'replicaLost'
    | 'partitionServed'
  >
> &
  AdministrativeOperations

export interface MemberServiceInit {
  readonly roster: Roster
  readonly log: Log
  /** Where all managers can be dialled, for members to remember. */
  readonly managers: () => Promise<readonly string[]>
}

export class MemberService {
  readonly service: MemberOperations
  readonly #roster: Roster
  readonly #log: Log
  readonly #managers: () => Promise<readonly string[]>
  readonly #peers = new Map<MemberId, Peer>()
  readonly #idOf = new Map<Peer, MemberId>()
  /** Joins of known servers that are being saved. */
  readonly #joining = new Map<MemberId, JoinRequest>()

  constructor({ roster, log, managers }: MemberServiceInit) {
    this.#roster = roster
    this.#log = log
    this.#managers = managers
    this.service = {
      join: async ({ peer, body }) => ({ body: await this.#join(peer, body), payload: [] }),
      heartbeat: ({ peer, body }) => {
        const id = this.#idOf.get(peer)
        if (id === undefined || !this.#roster.heard(id, reportFrom(body.report))) {
          throw new ClusterError('SESSION_EXPIRED', 'the manager does not know you: join again')
        }
        const { view } = this.#roster
        if (peer.hello.role === 'server' && body.epoch > (view?.epoch ?? 0)) {
          this.#catchUp(peer, body.epoch).catch(error => {
            log.warn({ server: id, error }, 'cannot learn the view that a server has')
          })
        } else if (view !== null && body.epoch < view.epoch) {
          peer.notify('viewChanged', { view: viewToWire(view) })
        }
        return empty
      },
      view: () => {
        const { view } = this.#roster
        return { body: { view: view && viewToWire(view) }, payload: [] }
      },
      managerStatus: () => ({ body: statusToWire(this.#roster.status()), payload: [] }),
      replicaInSync: incoming => this.#report(incoming, withInSync),
      replicaLost: incoming =>
        this.#report(incoming, (state, reporter, body) => {
          const after = withoutSync(state, reporter, body)
          const { partition, member, reason } = body
          if (after !== state)
            log.warn({ partition, member, reporter, reason }, 'a copy was left out')
          return after
        }),
      partitionServed: incoming => this.#report(incoming, withServed),
      ...administration({
        change: change => roster.update(change),
        healthOf: state => roster.healthOf(state),
        removed: id => this.#cutOff(id),
      }),
    }
  }

  /** Tells every member that is connected. */
  push(view: View): void {
    const told = { view: viewToWire(view) }
    for (const peer of this.#idOf.keys()) peer.notify('viewChanged', told)
  }

  async #join(peer: Peer, request: JoinRequest): Promise<JoinReply> {
    if (peer.hello.role !== request.role) {
      throw new ClusterError('MALFORMED', `a ${peer.hello.role} cannot join as ${request.role}`)
    }
    assertOwnId(peer, request)
    if (request.role === 'server') await this.#catchUp(peer, request.epoch ?? 0)
    this.#assertNotElsewhere(peer, request)
    const { id } = request
    if (id !== '') this.#joining.set(id, request)
    try {
      const reply = await this.#roster.join(request)
      this.#bind(peer, reply.id)
      return { ...reply, managers: await this.#managers() }
    } finally {
      if (this.#joining.get(id) === request) this.#joining.delete(id)
    }
  }

  /** A view that a server has seen was this cluster's, though the state of this manager knows nothing of it. */
  async #catchUp(peer: Peer, epoch: number): Promise<void> {
    const known = this.#roster.view?.epoch ?? 0
    if (!(epoch > known)) return
    const { view } = (await peer.call('view', {})).body
    if (view === null) {
      throw new ClusterError('NOT_READY', `${peer.remote} does not tell its view of epoch ${epoch}`)
    }
    let before: readonly Member[] = []
    await this.#roster.update(state => {
      before = state.members
      return withNewerView(state, toldView(viewFromWire(view)))
    })
    // Who was removed since may have been heard of already.
    for (const { id } of before) if (this.#roster.find(id) === undefined) this.#cutOff(id)
    const text =
      'the state of this manager was put back from an old copy: it goes by the view that a server has; tokens, keys and ' +
      'drains since then are not known'
    this.#log.warn({ epoch, known, server: peer.remote }, text)
  }

  /** What a server says of the partitions that it is primary of. */
  async #report<N extends 'replicaInSync' | 'replicaLost' | 'partitionServed'>(
    { peer, body }: Incoming<N>,
    change: (state: ClusterState, reporter: MemberId, body: RequestOf<N>) => ClusterState,
  ): Promise<Answered> {
    const reporter = this.#idOf.get(peer)
    if (reporter === undefined) {
      throw new ClusterError('SESSION_EXPIRED', 'the manager does not know you: join again')
    }
    await this.#roster.gather(state => change(state, reporter, body))
    return empty
  }

  /** Not before it was sent the view that says so; when it asks to be taken in again it is told why not. */
  #cutOff(id: MemberId): void {
    this.#roster.forget(id)
    void this.#peers.get(id)?.close()
  }

  /** One directory, copied or started twice, would be two servers that each believe to be the one. */
  #assertNotElsewhere(peer: Peer, request: JoinRequest): void {
    if (request.role !== 'server') return
    const joining = this.#joining.get(request.id)
    if (joining !== undefined && !samePlace(joining, request)) this.#refuse(joining, request)
    const other = this.#peers.get(request.id)
    const known = this.#roster.find(request.id)
    if (other === undefined || other === peer || known === undefined) return
    if (this.#roster.isAlive(request.id) && !samePlace(known, request)) this.#refuse(known, request)
  }

  #refuse(first: Place, { id, addresses }: JoinRequest): never {
    const text =
      `server ${id} is up at ${first.addresses.join(', ')}: stop that one first, or give this one a ` +
      'directory of its own'
    this.#log.warn({ server: id, refused: addresses }, 'a server was started twice')
    throw new ClusterError('IN_USE', text)
  }

  #bind(peer: Peer, id: MemberId): void {
    const before = this.#peers.get(id)
    if (before === peer) return
    this.#unbind(peer)
    if (before !== undefined) {
      this.#unbind(before)
      before.abort(new ClusterError('CLOSED', `member ${id} has joined over another connection`))
    }
    this.#peers.set(id, peer)
    this.#idOf.set(peer, id)
    void peer.closed.then(error => {
      const orderly = error === undefined && this.#peers.get(id) === peer
      this.#unbind(peer)
      if (orderly) this.#roster.leave(id)
    })
  }

  #unbind(peer: Peer): void {
    const id = this.#idOf.get(peer)
    if (id === undefined) return
    this.#idOf.delete(peer)
    if (this.#peers.get(id) === peer) this.#peers.delete(id)
  }
}

/** A member is called by its own key's id, as whoever checks its hello expects. */
function assertOwnId({ peerId }: Peer, { role, id }: JoinRequest): void {
  if (peerId === null || fitsPeer(id, role, peerId)) return
  throw new ClusterError('MALFORMED', `the key of ${peerId} is not that of ${role} ${id}`)
}

type Place = Pick<Member, 'host' | 'addresses'>

function samePlace(known: Place, request: Place): boolean {
  return (
    known.host === request.host &&
    known.addresses.length === request.addresses.length &&
    known.addresses.every((address, index) => address === request.addresses[index])
  )
}
