/**
 * What servers have leased to this client: names and inodes of which it may say for a short while what it was told,
 * without asking. Nobody else changes them meanwhile (server/leases/read-leases.ts).
 *
 * 1. A lease counts from before it was asked for.
 * 2. This client's own changes wait for nobody: what one of them may touch is forgotten before it leaves, and
 *    nothing that was asked for until it is answered is kept.
 */
import type { Clock } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxLeasesKept, operationDeadlineMs, readLeaseMs } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'

/** An inode, by its number; or a name, by `nameKey`. */
export type LeaseKey = Ino | string

/** What a change may touch. */
export type Touched = readonly LeaseKey[] | 'all'

interface Kept<T> {
  readonly value: T
  readonly endMs: number
}

/** Changes of one key. */
interface Changes {
  running: number
  /** How many have begun since none was running. */
  together: number
  /** When the last of them ended; and the last of those before. */
  endedMs: number
  endedBeforeMs: number
}

export class ReadLeases {
  readonly #clock: Clock
  readonly #attributes = new RecentMap<LeaseKey, Kept<Attributes>>(maxLeasesKept)
  readonly #names = new RecentMap<LeaseKey, Kept<Ino>>(maxLeasesKept)
  /** Those that run, or have ended within a term. */
  readonly #changes = new Map<LeaseKey, Changes>()
  readonly #changesOfAll = noChanges()
  /** The size of `#changes` at which those of long ago are left out. */
  #sweepSize = sweepStep

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.monotonicMs()
  }

  attributes(ino: Ino): Attributes | undefined {
    return this.#valid(this.#attributes.get(ino))
  }

  /** What the name leads to. */
  named(parent: Ino, name: Name): Ino | undefined {
    return this.#valid(this.#names.get(nameKey(parent, name)))
  }

  /** What the name led to when it was last told, which may be long ago. */
  lastNamed(parent: Ino, name: Name): Ino | undefined {
    return this.#names.get(nameKey(parent, name))?.value
  }

  /** @param askedMs when the request left, or earlier. @param leaseMs as the server granted it. */
  keepAttributes(attributes: Attributes, askedMs: number, leaseMs: number): void {
    const { ino } = attributes
    if (!this.#mayKeep(ino, askedMs, leaseMs)) return
    this.#attributes.set(ino, { value: attributes, endMs: askedMs + leaseMs })
  }

  /**
   * As `keepAttributes`, of what a change of this client's own that was asked for at `askedMs` was answered with: to be
   * kept when no other one ran beside it.
   */
  keepChanged(attributes: Attributes, askedMs: number, leaseMs: number): void {
    const { ino } = attributes
    const changes = this.#changes.get(ino)
    const alone =
      changes?.running === 0 && changes.together === 1 && changes.endedBeforeMs <= askedMs
    const ended = askedMs + leaseMs <= this.nowMs()
    if (!alone || ended || !isBefore(this.#changesOfAll, askedMs)) return
    this.#attributes.set(ino, { value: attributes, endMs: askedMs + leaseMs })
  }

  /** As `keepAttributes`; `lastNamed` is told of it in any case. */
  keepName(parent: Ino, name: Name, ino: Ino, askedMs: number, leaseMs: number): void {
    const key = nameKey(parent, name)
    const endMs = this.#mayKeep(key, askedMs, leaseMs) ? askedMs + leaseMs : -Infinity
    this.#names.set(key, { value: ino, endMs })
  }

  /** Keys whose changes are remembered. */
  get changeCount(): number {
    return this.#changes.size
  }

  forget(key: LeaseKey): void {
    this.#attributes.delete(key)
    this.#names.delete(key)
  }

  /** Runs a request that changes what is touched; null: nothing. */
  changing<T>(touched: Touched | null, change: () => Promise<T>): Promise<T> {
    return touched === null ? change() : this.#changing(touched, change)
  }

  async #changing<T>(touched: Touched, change: () => Promise<T>): Promise<T> {
    this.#begin(touched)
    let endMs = 0
    try {
      return await change()
    } catch (error) {
      // It may be done yet, by a server that nobody hears of.
      if (!isRefusal(error)) endMs = this.nowMs() + operationDeadlineMs
      throw error
    } finally {
      this.#end(touched, endMs)
    }
  }

  #begin(touched: Touched): void {
    if (touched === 'all') {
      beginOne(this.#changesOfAll)
      this.#attributes.clear()
      this.#names.clear()
      return
    }
    for (const key of touched) {
      this.forget(key)
      const changes = this.#changes.get(key)
      if (changes === undefined) this.#changes.set(key, beginOne(noChanges()))
      else beginOne(changes)
    }
  }

  /** @param leastMs it counts as running until then. */
  #end(touched: Touched, leastMs: number): void {
    const nowMs = this.nowMs()
    const all =
      touched === 'all' ? [this.#changesOfAll] : touched.map(key => this.#changes.get(key)!)
    for (const changes of all) {
      changes.running--
      changes.endedMs = Math.max(nowMs, leastMs, changes.endedMs)
    }
    if (this.#changes.size >= this.#sweepSize) this.#sweep(nowMs)
  }

  /** No lease that was asked for so long ago is worth anything: what ended before that is of no interest. */
  #sweep(nowMs: number): void {
    for (const [key, { running, endedMs }] of this.#changes) {
      if (running === 0 && endedMs + readLeaseMs < nowMs) this.#changes.delete(key)
    }
    this.#sweepSize = 2 * this.#changes.size + sweepStep
  }

  #valid<T>(kept: Kept<T> | undefined): T | undefined {
    return kept !== undefined && kept.endMs > this.nowMs() ? kept.value : undefined
  }

  #mayKeep(key: LeaseKey, askedMs: number, leaseMs: number): boolean {
    if (askedMs + leaseMs <= this.nowMs()) return false
    return isBefore(this.#changesOfAll, askedMs) && isBefore(this.#changes.get(key), askedMs)
  }
}

const sweepStep = 1024

function noChanges(): Changes {
  return { running: 0, together: 0, endedMs: -Infinity, endedBeforeMs: -Infinity }
}

function beginOne(changes: Changes): Changes {
  if (changes.running++ === 0) {
    changes.together = 0
    changes.endedBeforeMs = changes.endedMs
  }
  changes.together++
  return changes
}

/** The server has done nothing, and never will. */
function isRefusal(error: unknown): boolean {
  if (error instanceof PosixError) return error.code !== 'EIO'
  return (
    error instanceof ClusterError && (error.code === 'MISPLACED' || error.code === 'STALE_WRITE')
  )
}

function isBefore(changes: Changes | undefined, askedMs: number): boolean {
  return changes === undefined || (changes.running === 0 && changes.endedMs < askedMs)
}

/** Names are bytes: latin1 has a character for each. */
export function nameKey(parent: Ino, { buffer, byteOffset, byteLength }: Name): string {
  return `${parent}/${Buffer.from(buffer, byteOffset, byteLength).toString('latin1')}`
}
