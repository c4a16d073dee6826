/**
 * Locks of this client on files of the cluster: asked for, waited for, given back, and told again to a server
 * that was started again.
 *
 * 1. A wait holds no call: its server is told of it, and one call for each server (`awaitLocks`) hears how
 *    all of them end.
 * 2. A wait that was given up has left its server's queue, or its grant was taken, before its caller hears
 *    of it. Where that cannot be known the session is renewed, which takes from the server what is not in
 *    the register.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { callDeadlineMs, maxLockWaitsOfClient, operationDeadlineMs } from '../../network/limits.ts'
import { type HeldRange, lockType } from '../../network/locks/ranges.ts'
import type { Log } from '../../network/log.ts'
import type { CallOptions, Peer, Reply } from '../../network/rpc/contract.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type {
  LockOwner,
  OperationName,
  ReplyOf,
  RequestOf,
  SetLockRequest,
} from '../../network/wire/operations.ts'
import type { Cluster, ClusterLocks, LockChange } from './contract.ts'
import { LockRegister, type OwnLocks, reclaimed } from './lock-register.ts'
import { retryDelayMs } from './retry.ts'
import type { ServerLink } from './server-link.ts'

export interface LocksInit {
  readonly env: Env
  readonly log: Log
  readonly query: Cluster['query']
  /** The way to the primary. @throws ClusterError NOT_READY, CLOSED; PosixError */
  readonly linkOf: (partition: Partition) => ServerLink
  /** Another server than the one that has just locked something there is the primary by now. */
  readonly wentElsewhere: (partition: Partition) => void
  /** Epoch of the view that this client goes by. */
  readonly viewEpoch: () => number
}

/** A lock that is waited for. */
interface Wait {
  readonly request: SetLockRequest
  link: ServerLink
  readonly ended: PromiseWithResolvers<void>
  /** Of the link, in which its server was told of it last. */
  session: number
  /** Its server has it in a queue, as far as is known. */
  queued: boolean
  cancelled: boolean
}

export class Locks implements ClusterLocks {
  readonly register = new LockRegister()
  readonly #init: LocksInit
  readonly #waits = new Map<number, Wait>()
  readonly #polling = new Set<ServerLink>()
  /** Unlocks on their way: a later lock of the same file comes after them. */
  readonly #unlocking = new Map<Ino, Promise<void>>()
  #lastWait = 0
  #closed = false

  constructor(init: LocksInit) {
    this.#init = init
  }

  async test(owner: LockOwner, wanted: HeldRange): Promise<HeldRange | null> {
    const { ino } = owner
    await this.#unlocking.get(ino)
    this.register.assertKept(owner)
    const { start, end, exclusive } = wanted
    const type = exclusive ? lockType.write : lockType.read
    const request = { ino, flock: owner.flock, owner: owner.owner, type, start, end }
    return (await this.#init.query('testLock', partitionOfIno(ino), request)).body.conflict
  }

  async set(owner: LockOwner, change: LockChange, signal: AbortSignal | null): Promise<void> {
    const { ino, flock } = owner
    this.register.assertKept(owner)
    if (change.type === lockType.unlock) return await this.#unlock(owner, change)
    await this.#unlocking.get(ino)
    if (signal?.aborted) throw new PosixError('EINTR')
    const { start, end, type, pid, mapped = false } = change
    const rest = { type, start, end, pid, wait: 0, mapped }
    const request = { ino, flock, owner: owner.owner, ...rest }
    if (signal !== null) return await this.#wait(request, signal)
    const outcome = await this.#ask(request)
    if (outcome === 'refused') throw new PosixError('EAGAIN', `file ${ino} is locked`)
  }

  /** Gives back everything of this owner. Resolves at once when there is nothing. */
  async release(owner: LockOwner): Promise<void> {
    const own = this.register.of(owner)
    if (own === undefined) return
    const held = own.ranges
    this.register.forget(own)
    const first = held[0]
    const last = held.at(-1)
    if (first === undefined || last === undefined) return
    const range = { start: first.start, end: last.end, pid: 0 }
    await this.#unlock(owner, { ...range, type: lockType.unlock })
  }

  /** Whether its server is sure to have kept this client's locks on the inode; else it is asked. */
  async confirm(ino: Ino): Promise<void> {
    const link = this.#init.linkOf(partitionOfIno(ino))
    if (link.isSure) return
    link.renewSoon()
    await link.ready()
  }

  /**
   * What a reply says is in the register before anything else of its connection is looked at, and before a
   * session leaves.
   */
  async send<N extends OperationName>(
    peer: Peer,
    link: ServerLink,
    name: N,
    request: RequestOf<N>,
    options: CallOptions,
  ): Promise<Reply<N>> {
    link.hasLocks = true
    const wait = 'wait' in request ? this.#waits.get(Number(request.wait)) : undefined
    if (wait !== undefined) wait.session = link.session
    link.openStarted()
    try {
      const reply = await peer.call(name, request, options)
      link.replies++
      if (name === 'setLock') {
        const { outcome } = reply.body as ReplyOf<'setLock'>
        this.#replied(request as SetLockRequest, outcome)
        const home = partitionOfIno((request as SetLockRequest).ino)
        if (this.#linkNow(home) !== link) this.#init.wentElsewhere(home)
      }
      return reply
    } finally {
      link.openEnded()
    }
  }

  /** Tells a server that begins a session all that it should know. @throws ClusterError */
  async reclaim(peer: Peer, link: ServerLink, holds: (p: Partition) => boolean): Promise<void> {
    const held = this.register.heldIn(holds)
    const waits = [...this.#waits].filter(([, wait]) => wait.link === link && !wait.cancelled)
    const request = {
      owners: held.map(own => reclaimed(own, this.register.isMapped(own.ino))),
      waits: waits.map(([id]) => id),
      view: this.#init.viewEpoch(),
    }
    // What is asked for from now on comes behind it.
    link.hasLocks = held.length > 0 || waits.length > 0
    const { lost } = await this.#told(peer, link, request)
    for (const index of lost) {
      const own = held[index]
      if (own !== undefined) this.#lose(own, link)
    }
  }

  async #told(
    peer: Peer,
    link: ServerLink,
    request: RequestOf<'reclaimLocks'>,
  ): Promise<ReplyOf<'reclaimLocks'>> {
    try {
      return (await peer.call('reclaimLocks', request)).body
    } catch (error) {
      link.hasLocks = true
      throw error
    }
  }

  /** Where something is locked, or waited for. */
  *partitions(): Generator<Partition> {
    for (const ino of this.register.inos()) yield partitionOfIno(ino)
    for (const { request } of this.#waits.values()) yield partitionOfIno(request.ino)
  }

  /** Partitions have gone over to this server: what waited for a lock there asks here. */
  moved(link: ServerLink): void {
    for (const [id, wait] of [...this.#waits]) {
      if (wait.link === link || this.#linkNow(partitionOfIno(wait.request.ino)) !== link) continue
      wait.link = link
      if (!wait.queued) continue
      wait.queued = false
      if (wait.cancelled) this.#end(id, wait, new PosixError('EINTR'))
      else void this.#enqueue(id, wait)
    }
  }

  #linkNow(partition: Partition): ServerLink | null {
    try {
      return this.#init.linkOf(partition)
    } catch {
      // Nobody serves it now: the next view tells.
      return null
    }
  }

  /** From now on servers are told that nothing is locked. */
  close(): void {
    this.#closed = true
    this.register.clearAll()
    const error = new PosixError('EIO', 'this client is closed')
    for (const [id, wait] of this.#waits) this.#end(id, wait, error)
  }

  #replied(lock: SetLockRequest, outcome: ReplyOf<'setLock'>['outcome']): void {
    if (outcome === 'done') this.register.apply(lock, lock)
    else if (lock.flock) this.#converted(lock)
  }

  #lose(own: OwnLocks, link: ServerLink): void {
    const text = `locks on file ${own.ino} were lost: others may have had them meanwhile`
    this.#init.log.warn({ server: link.server, pid: own.ranges[0]?.pid }, text)
    own.ranges = []
    own.lost = true
  }

  /** What a flock of another kind gave up first is gone, though it was refused or waits. */
  #converted(lock: SetLockRequest): void {
    const held = this.register.of(lock)?.ranges[0]
    if (held?.exclusive === (lock.type === lockType.read)) this.register.clear(lock)
  }

  async #ask(request: SetLockRequest): Promise<'done' | 'waits' | 'refused'> {
    const home = partitionOfIno(request.ino)
    try {
      return (await this.#init.query('setLock', home, request)).body.outcome
    } catch (error) {
      throw this.#inDoubt(error, request.ino)
    }
  }

  /** Nobody knows what became of it: the next session tells the server what this client goes by. */
  #inDoubt(error: unknown, ino: Ino): unknown {
    const told = error instanceof PosixError && error.code !== 'EIO'
    if (told || this.#closed) return error
    const { cause } = error instanceof Error ? error : {}
    if (cause instanceof ClusterError && cause.code === 'NOT_READY') {
      return new PosixError('EAGAIN', 'the locks of before are not known yet', { cause: error })
    }
    this.#init.linkOf(partitionOfIno(ino)).renewSoon()
    return error
  }

  #unlock(owner: LockOwner, { start, end, mapped = false }: LockChange): Promise<void> {
    const { ino, flock } = owner
    const request = { ino, flock, owner: owner.owner, type: lockType.unlock, start, end }
    const whole = { ...request, pid: 0, wait: 0, mapped }
    this.register.apply(owner, whole)
    const earlier = this.#unlocking.get(ino)
    const asked = this.#ask(whole).then(() => undefined)
    const done = Promise.all([earlier, asked.catch(() => undefined)]).then(() => {
      if (this.#unlocking.get(ino) === done) this.#unlocking.delete(ino)
    })
    this.#unlocking.set(ino, done)
    return asked
  }

  async #wait(request: SetLockRequest, signal: AbortSignal): Promise<void> {
    if (this.#waits.size >= maxLockWaitsOfClient) {
      throw new PosixError('ENOLCK', `${this.#waits.size} waits for locks already`)
    }
    const id = ++this.#lastWait
    const link = this.#init.linkOf(partitionOfIno(request.ino))
    const ended = Promise.withResolvers<void>()
    const whole = { ...request, wait: id }
    const wait = { request: whole, link, ended, session: 0, queued: false, cancelled: false }
    this.#waits.set(id, wait)
    const cancel = () => void this.#cancel(id, wait)
    signal.addEventListener('abort', cancel, { once: true })
    void this.#enqueue(id, wait)
    try {
      await ended.promise
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  async #enqueue(id: number, wait: Wait): Promise<void> {
    try {
      const outcome = await this.#ask(wait.request)
      if (outcome !== 'waits') return this.#end(id, wait, null)
    } catch (error) {
      return this.#end(id, wait, error)
    }
    wait.queued = true
    if (wait.cancelled) void this.#cancel(id, wait)
    if (this.#polling.has(wait.link) || !this.#waits.has(id)) return
    this.#polling.add(wait.link)
    this.#poll(wait.link).catch(error => this.#failAll(wait.link, error))
  }

  async #cancel(id: number, wait: Wait): Promise<void> {
    wait.cancelled = true
    if (!wait.queued) return
    const { ino } = wait.request
    try {
      const request = { ino, wait: id }
      const { body } = await this.#init.query('cancelLock', partitionOfIno(ino), request)
      // What no longer waits was granted: that is told, or the wait is told again and ends there.
      if (body.waited) this.#end(id, wait, new PosixError('EINTR'))
    } catch (error) {
      this.#end(id, wait, new PosixError('EINTR', 'given up', { cause: error }))
      this.#inDoubt(error, ino)
    }
  }

  #end(id: number, wait: Wait, error: unknown): void {
    if (!this.#waits.delete(id)) return
    if (error === null) wait.ended.resolve()
    else wait.ended.reject(error)
  }

  #waitsAt(link: ServerLink): [number, Wait][] {
    return [...this.#waits].filter(([, wait]) => wait.link === link)
  }

  #isAwaited(link: ServerLink): boolean {
    for (const wait of this.#waits.values()) if (wait.link === link) return true
    return false
  }

  /** Hears from one server how waits end, as long as there are any. */
  async #poll(link: ServerLink): Promise<void> {
    const { env } = this.#init
    let known = -1
    let told = 0
    let failures = 0
    let heardMs = env.clock.monotonicMs()
    while (this.#isAwaited(link) && !this.#closed) {
      try {
        const peer = link.current ?? (await link.ready())
        if (link.session !== known) {
          known = link.session
          told = 0
          this.#tellAgain(link)
        }
        const reply = await this.#hear(link, peer, told)
        heardMs = env.clock.monotonicMs()
        failures = 0
        // With another session the server has dropped what it told here.
        if (link.session !== known || link.current !== peer) continue
        told = reply.upTo
        for (const id of reply.granted) this.#granted(id, link)
      } catch (error) {
        this.#recover(error, link, known)
        if (env.clock.monotonicMs() - heardMs > operationDeadlineMs) throw error
        await env.timers.sleep(retryDelayMs(failures++, env.random))
      }
    }
    this.#polling.delete(link)
  }

  async #hear(link: ServerLink, peer: Peer, told: number): Promise<ReplyOf<'awaitLocks'>> {
    const reply = await peer.call('awaitLocks', { told }, { deadlineMs: callDeadlineMs })
    link.replies++
    link.heard = true
    return reply.body
  }

  #granted(id: number, link: ServerLink): void {
    const wait = this.#waits.get(id)
    if (wait === undefined) {
      link.renewSoon()
      return
    }
    this.register.apply(wait.request, wait.request)
    this.#end(id, wait, null)
  }

  #recover(error: unknown, link: ServerLink, session: number): void {
    if (!(error instanceof ClusterError)) throw error
    if (error.code === 'SESSION_EXPIRED') link.expired(session)
    if (error.code === 'TIMEOUT') link.abort(error)
  }

  /** In a new session: what was queued is queued again, in its old place if the server still has it. */
  #tellAgain(link: ServerLink): void {
    for (const [id, wait] of this.#waitsAt(link)) {
      if (!wait.queued || wait.session === link.session) continue
      wait.queued = false
      if (wait.cancelled) this.#end(id, wait, new PosixError('EINTR'))
      else void this.#enqueue(id, wait)
    }
  }

  #failAll(link: ServerLink, cause: unknown): void {
    this.#polling.delete(link)
    const text = `${link.server} does not answer`
    for (const [id, wait] of this.#waitsAt(link)) {
      this.#end(id, wait, new PosixError('EIO', text, { cause }))
    }
    if (!this.#closed) link.renewSoon()
  }
}

/** Requests that a session must not overtake: it says what the server has then. */
export function isAboutLocks(name: OperationName): boolean {
  return name === 'setLock' || name === 'cancelLock'
}
