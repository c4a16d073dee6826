/**
 * What a server remembers of its clients while they are heard of: the files they hold open here.
 *
 * 1. A session lives until its client has been silent for `sessionTimeoutMs`; losing a connection alone
 *    does not end it.
 * 2. `opens` of a `session` call replace what was known: after a restart of the server, or a reply that was
 *    lost, the client's own account is the true one.
 * 3. A session belongs to the connection that opened or renewed it last: what an older one still brings was
 *    given up by its client, and is refused.
 * 4. For `sessionTimeoutMs` after a server's start, clients may still be on their way back: until then
 *    every inode counts as open (`inGrace`). A server that is new has nobody to wait for. Likewise for the
 *    inodes of a partition that came from another server (`isExpected`).
 */
import { Counts } from '../../network/counts.ts'
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxSessions, sessionTimeoutMs } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'

interface OpenCount {
  readonly ino: Ino
  readonly count: number
}

interface Session {
  readonly opens: Counts<Ino>
  readonly connection: number
  heardMs: number
}

export interface SessionEvents {
  /** Nobody holds this inode open any longer. */
  closed(ino: Ino): void
  /** The client is gone, with these files open: what is kept for it can go. */
  expired(client: string, opens: Iterable<Ino>): void
}

export class Sessions {
  readonly #env: Env
  readonly #events: SessionEvents
  readonly #sessions = new Map<string, Session>()
  readonly #holders = new Counts<Ino>()
  readonly #graceEndMs: number
  /** Partitions that came from other servers, and until when their clients may come. */
  readonly #taken = new Map<number, number>()
  readonly #timer: Timer

  /** @param isNew the server never had a client. */
  constructor(env: Env, events: SessionEvents, isNew = false) {
    this.#env = env
    this.#events = events
    this.#graceEndMs = env.clock.monotonicMs() + (isNew ? 0 : sessionTimeoutMs)
    this.#timer = env.timers.every(sessionTimeoutMs / 4, () => this.#expire())
  }

  get inGrace(): boolean {
    return this.#env.clock.monotonicMs() < this.#graceEndMs
  }

  /** The partition was another server's: its clients may be on their way here. */
  tookUp(partition: number): void {
    this.#taken.set(partition, this.#env.clock.monotonicMs() + sessionTimeoutMs)
  }

  /** Whether clients that have something in the partition may still be on their way to this server. */
  isExpected(partition: number): boolean {
    if (this.inGrace) return true
    const endMs = this.#taken.get(partition)
    if (endMs === undefined) return false
    if (this.#env.clock.monotonicMs() < endMs) return true
    this.#taken.delete(partition)
    return false
  }

  get size(): number {
    return this.#sessions.size
  }

  has(client: string): boolean {
    return this.#sessions.has(client)
  }

  /**
   * Opens the client's session or renews it, with the files it says it holds open.
   * @param connection number of the one it came by; later ones have higher numbers.
   * @throws ClusterError OVERLOADED; MALFORMED; STALE_SLOT when the client has gone over to a later connection.
   */
  renew(client: string, opens: readonly OpenCount[], connection = 0): void {
    checkOpens(opens)
    const before = this.#sessions.get(client)
    if (before !== undefined && connection < before.connection) throw superseded()
    if (before === undefined && this.#sessions.size >= maxSessions) {
      throw new ClusterError('OVERLOADED', `this server has ${maxSessions} clients already`)
    }
    const heardMs = this.#env.clock.monotonicMs()
    const session = { opens: new Counts<Ino>(), connection, heardMs }
    this.#sessions.set(client, session)
    for (const { ino, count } of opens) this.#add(session, ino, count)
    if (before !== undefined) this.#dropAll(before)
  }

  /**
   * @throws ClusterError SESSION_EXPIRED when the client has none on this connection; STALE_SLOT when it has
   * gone over to a later one.
   */
  heard(client: string, connection = 0): void {
    const session = this.#sessions.get(client)
    if (session === undefined || connection > session.connection) {
      const text = 'this server does not know the client: open a session'
      throw new ClusterError('SESSION_EXPIRED', text)
    }
    if (connection < session.connection) throw superseded()
    session.heardMs = this.#env.clock.monotonicMs()
  }

  opened(client: string, ino: Ino): void {
    const session = this.#sessions.get(client)
    if (session !== undefined) this.#add(session, ino, 1)
  }

  /** One that an older connection still brings was counted when the session was opened on a later one. */
  released(client: string, ino: Ino, connection = 0): void {
    const session = this.#sessions.get(client)
    if (session?.opens.has(ino) !== true || connection < session.connection) return
    if (session.opens.subtract(ino) === 0) this.#drop(ino)
  }

  isOpenBy(client: string, ino: Ino): boolean {
    return this.#sessions.get(client)?.opens.has(ino) === true
  }

  /** Whether an inode without a name has to be kept. */
  mayBeOpen(ino: Ino): boolean {
    return this.#holders.has(ino) || this.isExpected(partitionOfIno(ino))
  }

  close(): void {
    this.#timer.cancel()
  }

  #add(session: Session, ino: Ino, count: number): void {
    if (!session.opens.has(ino)) this.#holders.add(ino)
    session.opens.add(ino, count)
  }

  #drop(ino: Ino): void {
    if (this.#holders.subtract(ino) === 0) this.#events.closed(ino)
  }

  #dropAll(session: Session): void {
    for (const ino of session.opens.keys()) this.#drop(ino)
  }

  #expire(): void {
    const oldest = this.#env.clock.monotonicMs() - sessionTimeoutMs
    for (const [client, session] of this.#sessions) {
      if (session.heardMs > oldest) continue
      this.#sessions.delete(client)
      this.#dropAll(session)
      this.#events.expired(client, session.opens.keys())
    }
  }
}

function superseded(): ClusterError {
  return new ClusterError('STALE_SLOT', 'the client has gone over to a later connection')
}

/** Before anything is changed: what is counted in halves would stay open for ever. @throws ClusterError MALFORMED */
function checkOpens(opens: readonly OpenCount[]): void {
  const sound =
    Array.isArray(opens) &&
    opens.every(
      open => Number.isSafeInteger(open?.ino) && Number.isSafeInteger(open.count) && open.count > 0,
    )
  if (!sound) throw new ClusterError('MALFORMED', 'what a client says that it has open')
}
