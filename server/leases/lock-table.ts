/**
 * Which files are locked by whom, and who waits: the rules of flock(2) and fcntl(2), in memory.
 *
 * 1. No two owners ever hold ranges that conflict.
 * 2. Waits are granted in the order in which they began, as far as what is held lets them; as on Linux, a
 *    request that fits what is held is granted although others wait.
 * 3. Of a file that clients change in their memory (`mapped`) one client at a time gets exclusive record locks, and
 *    while it has any the others get none: bytes of their own or not, pages are changed and written as a whole.
 *    A client that this turned away has the next turn: for as long as it keeps asking, nobody begins another.
 * 4. A wait is in its inode's queue or has ended; it ends once: granted, cancelled, or with its client.
 */
import { Counts } from '../../network/counts.ts'
import { PosixError } from '../../network/errors.ts'
import { lockTurnMs, maxLocksOfClient, maxLockWaitsOfClient } from '../../network/limits.ts'
import {
  changed,
  conflicts,
  covers,
  type HeldRange,
  lockType,
  type RangeChange,
} from '../../network/locks/ranges.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { closesCircle } from './deadlock.ts'

export interface Owner {
  readonly client: string
  readonly flock: boolean
  readonly owner: bigint
}

export interface Waiting {
  readonly ino: Ino
  readonly owner: Owner
  readonly change: RangeChange
  /** The client's number of it. */
  readonly id: number
}

export interface Held {
  readonly owner: Owner
  readonly ranges: readonly HeldRange[]
}

interface InodeLocks {
  /** By `keyOf` of the owner. */
  readonly held: Map<string, Held>
  waiting: Waiting[]
  mapped: boolean
  /** The client that is to have exclusive locks next: the first that was turned away. */
  turn: Turn | null
}

interface Turn {
  readonly client: string
  readonly endMs: number
}

export interface LockEvents {
  monotonicMs(): number
  granted(wait: Waiting): void
  /** Nothing new is granted on this inode now. */
  isFrozen(ino: Ino): boolean
}

export class LockTable {
  readonly #events: LockEvents
  readonly #inodes = new Map<Ino, InodeLocks>()
  /** Ranges held by each client, and its waits by their numbers. */
  readonly #rangeCounts = new Counts<string>()
  readonly #waits = new Map<string, Map<number, Waiting>>()

  constructor(events: LockEvents) {
    this.#events = events
  }

  /** Inodes that something is kept of. */
  get size(): number {
    return this.#inodes.size
  }

  /** Ranges that are locked. */
  get heldCount(): number {
    let count = 0
    for (const [, ranges] of this.#rangeCounts) count += ranges
    return count
  }

  get waitCount(): number {
    let count = 0
    for (const waits of this.#waits.values()) count += waits.size
    return count
  }

  /** The first lock of another owner that is in the way. */
  test(ino: Ino, owner: Owner, wanted: HeldRange): { owner: Owner; range: HeldRange } | null {
    for (const held of this.#blockers(ino, owner, wanted)) {
      const range = held.ranges.find(range => conflicts(range, wanted))
      if (range !== undefined) return { owner: held.owner, range }
    }
    return null
  }

  /**
   * @param id of the wait; 0 for none.
   * @param mapped the client changes the file in its memory.
   * @throws PosixError EDEADLK, ENOLCK.
   */
  set(
    ino: Ino,
    owner: Owner,
    change: RangeChange,
    id: number,
    mapped = false,
  ): 'done' | 'waits' | 'refused' {
    if (!mapped) return this.#set(ino, owner, change, id)
    this.#inode(ino).mapped = true
    try {
      return this.#set(ino, owner, change, id)
    } finally {
      this.#tidy(ino)
    }
  }

  /** What was held before a restart. @returns false when it is in the way of what others hold. */
  restore(ino: Ino, owner: Owner, ranges: readonly HeldRange[]): boolean {
    if (ranges.some(range => this.test(ino, owner, range) !== null)) return false
    for (const range of ranges) this.#apply(ino, owner, changeOf(range))
    return true
  }

  /** Invariant 3 holds for it from now on, as long as anything of it is locked or waited for. */
  setMapped(ino: Ino): void {
    const inode = this.#inodes.get(ino)
    if (inode !== undefined) inode.mapped = true
  }

  ranges(ino: Ino, owner: Owner): readonly HeldRange[] {
    return this.#inodes.get(ino)?.held.get(keyOf(owner))?.ranges ?? []
  }

  /** @returns whether it waited until now. */
  cancel(client: string, id: number): boolean {
    const waiting = this.#waits.get(client)?.get(id)
    if (waiting === undefined) return false
    this.#forgetWait(waiting)
    const inode = this.#inodes.get(waiting.ino)
    if (inode !== undefined) inode.waiting = inode.waiting.filter(other => other !== waiting)
    this.#tidy(waiting.ino)
    return true
  }

  /** All that a client holds. */
  *heldBy(client: string): Generator<readonly [Ino, Held]> {
    if (!this.#rangeCounts.has(client)) return
    for (const [ino, { held }] of this.#inodes) {
      for (const entry of held.values()) if (entry.owner.client === client) yield [ino, entry]
    }
  }

  waitsOf(client: string): readonly number[] {
    return [...(this.#waits.get(client)?.keys() ?? [])]
  }

  /** @param ranges that the owner keeps: it holds them. */
  narrow(ino: Ino, owner: Owner, ranges: readonly HeldRange[]): void {
    if (this.ranges(ino, owner).length === 0) return
    this.#keep(ino, owner, ranges)
    this.#wake(ino)
  }

  releaseClient(client: string): void {
    for (const id of this.waitsOf(client)) this.cancel(client, id)
    for (const [ino, { owner }] of [...this.heldBy(client)]) this.narrow(ino, owner, [])
  }

  /** The partition is served elsewhere: who waits here asks there. */
  forget(isGone: (ino: Ino) => boolean): void {
    for (const [ino, { held, waiting }] of [...this.#inodes]) {
      if (!isGone(ino)) continue
      for (const wait of waiting) this.#forgetWait(wait)
      for (const { owner, ranges } of held.values()) {
        this.#rangeCounts.subtract(owner.client, ranges.length)
      }
      this.#inodes.delete(ino)
    }
  }

  /** Nothing holds up the inodes any longer for which this is true. */
  thaw(thawed: (ino: Ino) => boolean): void {
    for (const ino of [...this.#inodes.keys()]) if (thawed(ino)) this.#wake(ino)
  }

  #set(ino: Ino, owner: Owner, change: RangeChange, id: number): 'done' | 'waits' | 'refused' {
    if (change.type === lockType.unlock) {
      this.#apply(ino, owner, change)
      this.#wake(ino)
      return 'done'
    }
    if (this.#waits.get(owner.client)?.has(id)) return 'waits'
    const frozen = this.#events.isFrozen(ino)
    // Whoever asked is told to try again, not that a lock of another kind is gone.
    if (frozen && id === 0) return 'refused'
    if (owner.flock) this.#dropOther(ino, owner, change)
    if (id === 0 && this.#isOthersTurn(ino, owner, change)) return 'refused'
    const blocked = frozen || this.#isBlocked(ino, owner, change)
    if (blocked) return id === 0 ? this.#refuse(ino, owner) : this.#wait({ ino, owner, change, id })
    this.#checkRoom(owner.client)
    this.#endTurn(ino, owner)
    this.#apply(ino, owner, change)
    this.#wake(ino)
    return 'done'
  }

  /**
   * Who asks again and again meets a moment in which nobody else has an exclusive lock only by luck: several programs
   * on one other mount may overlap for ever, and SQLite gives up after ten seconds.
   */
  #refuse(ino: Ino, { client, flock }: Owner): 'refused' {
    const inode = this.#inodes.get(ino)
    if (inode === undefined || !inode.mapped || flock) return 'refused'
    if (!hasExclusive(inode, held => held.owner.client !== client)) return 'refused'
    const nowMs = this.#events.monotonicMs()
    const { turn } = inode
    if (turn === null || turn.client === client || turn.endMs <= nowMs) {
      inode.turn = { client, endMs: nowMs + lockTurnMs }
    }
    return 'refused'
  }

  /** Who has begun already may go on, so that it comes to an end. */
  #isOthersTurn(ino: Ino, owner: Owner, { type }: RangeChange): boolean {
    const inode = this.#inodes.get(ino)
    const turn = inode?.turn ?? null
    if (inode === undefined || turn === null || owner.flock || type !== lockType.write) return false
    if (turn.client === owner.client || turn.endMs <= this.#events.monotonicMs()) return false
    const own = keyOf(owner)
    return !hasExclusive(inode, held => keyOf(held.owner) === own)
  }

  #endTurn(ino: Ino, { client, flock }: Owner): void {
    const inode = this.#inodes.get(ino)
    if (inode?.turn?.client === client && !flock) inode.turn = null
  }

  /** A conversion gives up what was held first, as flock(2) has it: others may come in between. */
  #dropOther(ino: Ino, owner: Owner, { type }: RangeChange): void {
    const [own] = this.ranges(ino, owner)
    if (own !== undefined && own.exclusive !== (type === lockType.write))
      this.narrow(ino, owner, [])
  }

  #isBlocked(ino: Ino, owner: Owner, change: RangeChange): boolean {
    return !this.#blockers(ino, owner, wantedBy(change)).next().done
  }

  *#blockers(ino: Ino, owner: Owner, wanted: HeldRange): Generator<Held> {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) return
    const own = keyOf(owner)
    const isNew = inode.mapped && !owner.flock && !covers(this.ranges(ino, owner), wanted)
    for (const [key, held] of inode.held) {
      if (key === own || held.owner.flock !== owner.flock) continue
      const elsewhere = isNew && held.owner.client !== owner.client
      const inTheWay = (range: HeldRange): boolean =>
        conflicts(range, wanted) || (elsewhere && range.exclusive)
      if (held.ranges.some(inTheWay)) yield held
    }
  }

  #wait(waiting: Waiting): 'waits' {
    const { ino, owner, id } = waiting
    const waits = this.#waits.get(owner.client) ?? new Map<number, Waiting>()
    if (waits.size >= maxLockWaitsOfClient) {
      throw new PosixError('ENOLCK', `${waits.size} waits for locks already`)
    }
    if (!owner.flock && this.#isDeadlock(waiting)) throw new PosixError('EDEADLK')
    waits.set(id, waiting)
    this.#waits.set(owner.client, waits)
    this.#inode(ino).waiting.push(waiting)
    return 'waits'
  }

  #isDeadlock(waiting: Waiting): boolean {
    const waitsByOwner = new Map<string, Waiting[]>()
    for (const waits of this.#waits.values()) {
      for (const other of waits.values()) {
        const key = keyOf(other.owner)
        waitsByOwner.set(key, [...(waitsByOwner.get(key) ?? []), other])
      }
    }
    const blockersOf = ({ ino, owner, change }: Waiting) =>
      [...this.#blockers(ino, owner, wantedBy(change))].map(held => keyOf(held.owner))
    return closesCircle(
      keyOf(waiting.owner),
      waiting,
      blockersOf,
      key => waitsByOwner.get(key) ?? [],
    )
  }

  #checkRoom(client: string): void {
    const count = this.#rangeCounts.of(client)
    if (count < maxLocksOfClient) return
    throw new PosixError('ENOLCK', `a client has ${count} locks at one server already`)
  }

  #apply(ino: Ino, owner: Owner, change: RangeChange): void {
    this.#keep(ino, owner, changed(this.ranges(ino, owner), change))
  }

  #keep(ino: Ino, owner: Owner, ranges: readonly HeldRange[]): void {
    const key = keyOf(owner)
    const { held } = this.#inode(ino)
    this.#rangeCounts.subtract(owner.client, held.get(key)?.ranges.length ?? 0)
    if (ranges.length === 0) held.delete(key)
    else held.set(key, { owner, ranges })
    this.#rangeCounts.add(owner.client, ranges.length)
    this.#tidy(ino)
  }

  /** Grants what waits and can be granted now: again, as a grant may be a downgrade. */
  #wake(ino: Ino): void {
    const inode = this.#inodes.get(ino)
    if (inode === undefined || inode.waiting.length === 0 || this.#events.isFrozen(ino)) return
    for (let granted = true; granted; ) {
      granted = false
      const rest: Waiting[] = []
      for (const waiting of inode.waiting) {
        if (this.#isBlocked(ino, waiting.owner, waiting.change)) {
          rest.push(waiting)
          continue
        }
        this.#forgetWait(waiting)
        this.#apply(ino, waiting.owner, waiting.change)
        this.#events.granted(waiting)
        granted = true
      }
      inode.waiting = rest
    }
  }

  #forgetWait({ owner, id }: Waiting): void {
    const waits = this.#waits.get(owner.client)
    waits?.delete(id)
    if (waits?.size === 0) this.#waits.delete(owner.client)
  }

  #inode(ino: Ino): InodeLocks {
    let inode = this.#inodes.get(ino)
    if (inode === undefined) {
      inode = { held: new Map(), waiting: [], mapped: false, turn: null }
      this.#inodes.set(ino, inode)
    }
    return inode
  }

  #tidy(ino: Ino): void {
    const inode = this.#inodes.get(ino)
    if (inode?.held.size === 0 && inode.waiting.length === 0) this.#inodes.delete(ino)
  }
}

function keyOf({ client, flock, owner }: Owner): string {
  return `${client} ${flock ? 'f' : 'p'} ${owner}`
}

/** A record lock of an owner of whom `of` is true. */
function hasExclusive(inode: InodeLocks, of: (held: Held) => boolean): boolean {
  for (const held of inode.held.values()) {
    if (!held.owner.flock && of(held) && held.ranges.some(range => range.exclusive)) return true
  }
  return false
}

function wantedBy({ start, end, type, pid }: RangeChange): HeldRange {
  return { start, end, exclusive: type === lockType.write, pid }
}

function changeOf({ start, end, exclusive, pid }: HeldRange): RangeChange {
  return { start, end, type: exclusive ? lockType.write : lockType.read, pid }
}
