/**
 * What servers have leased to this client: names and inodes of which it may say what it was told without asking, until
 * they are called back. Nobody else changes them meanwhile (server/leases/read-leases.ts).
 *
 * 1. A lease holds in the term in which it was asked for, and counts from before it was.
 * 2. This client's own changes wait for nobody: what one of them may touch is forgotten before it leaves, and
 *    nothing that was asked for until it is answered is kept.
 * 3. What is called back was changed by another at that moment: nothing that was asked for before is kept.
 */
import type { Clock } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  kernelKeepsMs,
  kernelSpareMs,
  leaseAnswerMs,
  maxLeasesKept,
  operationDeadlineMs,
} from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino, Partition } from '../../network/wire/ids.ts'
import type { Name, RecallLeasesRequest } from '../../network/wire/operations.ts'
import type { LeaseTerm } from './lease-term.ts'

/** An inode, by its number; or a name, by `nameKey`. */
export type LeaseKey = Ino | string

/** Under what something was asked for: `ReadLeases.asking`. */
export interface Asked {
  readonly atMs: number
  /** null: what is answered cannot be kept. */
  readonly term: LeaseTerm | null
  /** Of the view: with another one, another server may have answered. */
  readonly viewEpoch: number
}

/** What may be said no longer: also, for a directory, that a name is not in it. */
export type Recalled = RecallLeasesRequest

/** Resolves when nobody goes by it any more. */
export type RecallListener = (recalled: Recalled) => Promise<void>

/** The same, of what was said of an inode that is not leased: it is to see to its errors by itself. */
export type UnleasedListener = (ino: Ino) => Promise<void>

export interface ReadLeasesInit {
  readonly clock: Clock
  /** At the partition's primary. */
  readonly termAt: (partition: Partition) => LeaseTerm | null
  readonly viewEpoch: () => number
}

/** What a change may touch. */
export type Touched = readonly LeaseKey[] | 'all'

interface Kept {
  readonly term: LeaseTerm
  readonly endMs: number
}

interface KeptAttributes extends Kept {
  readonly attributes: Attributes
}

/** Of a name that is no longer leased, what it led to last. */
interface KeptName {
  readonly name: Name
  readonly ino: Ino
  readonly lease: Kept | null
}

/** Changes of one key. */
interface Changes {
  running: number
  /** How many have begun since none was running. */
  together: number
  /** When the last of them ended; and the last of those before. */
  endedMs: number
  endedBeforeMs: number
  /** When the last of them ended that was no listing. */
  changedMs: number
}

export class ReadLeases {
  readonly #init: ReadLeasesInit
  readonly #attributes = new RecentMap<Ino, KeptAttributes>(maxLeasesKept)
  readonly #names = new RecentMap<string, KeptName>(maxLeasesKept)
  /** Those that run, or ended a short while ago. */
  readonly #changes = new Map<LeaseKey, Changes>()
  readonly #changesOfAll = noChanges()
  readonly #listeners = new Set<RecallListener>()
  readonly #unleasedListeners = new Set<UnleasedListener>()
  /** The size of `#changes` at which those of long ago are left out. */
  #sweepSize = sweepStep

  constructor(init: ReadLeasesInit) {
    this.#init = init
  }

  /** Of the clock that leases go by. */
  nowMs(): number {
    return this.#init.clock.uptimeMs()
  }

  /** To be called before something is asked of a partition, for what is to be kept of its answer. */
  asking(partition: Partition): Asked {
    const { termAt, viewEpoch } = this.#init
    return { atMs: this.nowMs(), term: termAt(partition), viewEpoch: viewEpoch() }
  }

  attributes(ino: Ino): Attributes | undefined {
    const kept = this.#attributes.get(ino)
    return kept !== undefined && this.#holds(kept) ? kept.attributes : undefined
  }

  /** What the name leads to. */
  named(parent: Ino, name: Name): Ino | undefined {
    const kept = this.#keptName(parent, name)
    return kept?.lease && this.#holds(kept.lease) ? kept.ino : undefined
  }

  /** What the name led to when it was last told, which may be long ago. */
  lastNamed(parent: Ino, name: Name): Ino | undefined {
    return this.#keptName(parent, name)?.ino
  }

  /**
   * For how long the kernel may go by these attributes, in milliseconds: 0 when they are not what is leased, or when
   * this client has just changed them, and may again: but for a listing, as the next one moves no access time as a rule.
   * @param isChangers whoever asks has made the last change, and knows that it is done.
   */
  kernelMsOfAttributes({ ino, change, atimeNs }: Attributes, isChangers = false): number {
    const kept = this.#attributes.get(ino)
    // They may have been asked for before a listing that has ended since.
    if (kept?.attributes.change !== change || kept.attributes.atimeNs !== atimeNs) return 0
    const changedMs = this.#changes.get(ino)?.changedMs ?? Number.NEGATIVE_INFINITY
    return isChangers || changedMs + leaseAnswerMs < this.nowMs() ? this.#kernelMs(kept) : 0
  }

  /**
   * The same of a name that leads to `ino`; 0: that is not there. Only where no other client is at its server: who calls a
   * name back waits for the kernel's time.
   */
  kernelMsOfName(parent: Ino, name: Name, ino: Ino): number {
    const kept = this.#keptName(parent, name)
    if (kept?.lease && kept.ino === ino)
      return kept.lease.term.isAlone ? this.#kernelMs(kept.lease) : 0
    return 0
  }

  /** The same of names that a directory with these attributes is known to lack. */
  kernelMsOfLack(directory: Attributes): number {
    const isAlone = this.#attributes.get(directory.ino)?.term.isAlone === true
    return isAlone ? this.kernelMsOfAttributes(directory) : 0
  }

  /** @param leaseMs as the server granted it. */
  keepAttributes(attributes: Attributes, asked: Asked, leaseMs: number): void {
    const { ino } = attributes
    const lease = this.#isUnchanged(ino, asked) ? this.#leaseOf(asked, leaseMs) : null
    if (lease !== null) this.#attributes.set(ino, { attributes, ...lease })
  }

  /**
   * As `keepAttributes`, of what a change of this client's own was answered with: to be kept when no other one ran
   * beside it.
   */
  keepChanged(attributes: Attributes, asked: Asked, leaseMs: number): void {
    const { ino } = attributes
    const lease = this.#changedAlone(ino, asked) ? this.#leaseOf(asked, leaseMs) : null
    if (lease !== null) this.#attributes.set(ino, { attributes, ...lease })
  }

  /**
   * This client has changed the inode so, and answered before its server has: nobody else looks at it before it has. Without a
   * lease nothing is kept.
   */
  changedBehind(attributes: Attributes): void {
    const { ino } = attributes
    const kept = this.#attributes.get(ino)
    if (kept !== undefined) this.#attributes.set(ino, { ...kept, attributes })
    const changes = this.#changes.get(ino) ?? noChanges()
    this.#changes.set(ino, changes)
    beginOne(changes)
    changes.running--
    changes.endedMs = Math.max(changes.endedMs, this.nowMs())
    if (this.#changes.size >= this.#sweepSize) this.#sweep(this.nowMs())
  }

  /** As `keepAttributes`; `lastNamed` is told of it in any case. */
  keepName(parent: Ino, name: Name, ino: Ino, asked: Asked, leaseMs: number): void {
    const key = nameKey(parent, name)
    const lease = this.#isUnchanged(key, asked) ? this.#leaseOf(asked, leaseMs) : null
    this.#names.set(key, { name: Uint8Array.from(name), ino, lease })
  }

  /** As `keepChanged`, of a name that was made. */
  keepMade(parent: Ino, name: Name, ino: Ino, asked: Asked, leaseMs: number): void {
    const key = nameKey(parent, name)
    const lease = this.#changedAlone(key, asked) ? this.#leaseOf(asked, leaseMs) : null
    this.#names.set(key, { name: Uint8Array.from(name), ino, lease })
  }

  /** Others are about to change these. Resolves when nobody here goes by them. */
  async recall({ inodes, names, partitions }: RecallLeasesRequest): Promise<void> {
    for (const ino of inodes) {
      this.#attributes.delete(ino)
      this.#noteRecall(ino)
    }
    for (const { parent, hash } of names) {
      const key = hashKey(parent, hash)
      this.#unlease(key)
      this.#noteRecall(key)
    }
    if (this.#changes.size >= this.#sweepSize) this.#sweep(this.nowMs())
    const recalled = { inodes, names, ...(partitions !== undefined && { partitions }) }
    await Promise.all([...this.#listeners].map(listener => listener(recalled)))
  }

  /** @returns to be called when it is to hear no more. */
  onRecall(listener: RecallListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * The attributes may have been said before they were leased, as nobody else was served there, which is over: resolves when
   * nobody here goes by them, unless they are leased now.
   */
  async dropUnleased(ino: Ino): Promise<void> {
    if (this.attributes(ino) !== undefined) return
    await Promise.allSettled([...this.#unleasedListeners].map(listener => listener(ino)))
  }

  /** @returns to be called when it is to hear no more. */
  onUnleased(listener: UnleasedListener): () => void {
    this.#unleasedListeners.add(listener)
    return () => void this.#unleasedListeners.delete(listener)
  }

  /** Keys whose changes are remembered. */
  get changeCount(): number {
    return this.#changes.size
  }

  forget(key: LeaseKey): void {
    if (typeof key === 'number') this.#attributes.delete(key)
    else this.#names.delete(key)
  }

  /** Runs a request that changes what is touched; null: nothing. @param isListing it moves access times alone (touched.ts). */
  changing<T>(touched: Touched | null, change: () => Promise<T>, isListing = false): Promise<T> {
    return touched === null ? change() : this.#changing(touched, change, isListing)
  }

  async #changing<T>(touched: Touched, change: () => Promise<T>, isListing: boolean): Promise<T> {
    this.#begin(touched)
    let endMs = 0
    try {
      return await change()
    } catch (error) {
      // It may be done yet, by a server that nobody hears of.
      if (!isRefusal(error)) endMs = this.nowMs() + operationDeadlineMs
      throw error
    } finally {
      this.#end(touched, endMs, isListing)
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
  #end(touched: Touched, leastMs: number, isListing: boolean): void {
    const nowMs = this.nowMs()
    const all =
      touched === 'all' ? [this.#changesOfAll] : touched.map(key => this.#changes.get(key)!)
    for (const changes of all) {
      changes.running--
      changes.endedMs = Math.max(nowMs, leastMs, changes.endedMs)
      if (!isListing) changes.changedMs = changes.endedMs
    }
    if (this.#changes.size >= this.#sweepSize) this.#sweep(nowMs)
  }

  /** What was asked for so long ago is not kept: what ended before that is of no interest. */
  #sweep(nowMs: number): void {
    for (const [key, { running, endedMs }] of this.#changes) {
      if (running === 0 && endedMs + leaseAnswerMs < nowMs) this.#changes.delete(key)
    }
    this.#sweepSize = 2 * this.#changes.size + sweepStep
  }

  #noteRecall(key: LeaseKey): void {
    const changes = this.#changes.get(key) ?? noChanges()
    this.#changes.set(key, changes)
    changes.together += 2
    if (changes.running > 0) return
    changes.endedMs = Math.max(changes.endedMs, this.nowMs())
    changes.changedMs = changes.endedMs
  }

  #keptName(parent: Ino, name: Name): KeptName | undefined {
    const kept = this.#names.get(nameKey(parent, name))
    // Two names of a directory may have one hash.
    return kept !== undefined && Buffer.compare(kept.name, name) === 0 ? kept : undefined
  }

  #unlease(key: string): void {
    const kept = this.#names.get(key)
    if (kept !== undefined) this.#names.set(key, { ...kept, lease: null })
  }

  #holds({ term, endMs }: Kept): boolean {
    const nowMs = this.nowMs()
    if (endMs <= nowMs || term.untilMs <= nowMs) return false
    term.usedMs = nowMs
    return true
  }

  #kernelMs({ term, endMs }: Kept): number {
    const leftMs = Math.min(endMs, term.untilMs) - this.nowMs() - kernelSpareMs
    return Math.max(0, Math.min(kernelKeepsMs, leftMs))
  }

  #leaseOf({ atMs, term, viewEpoch }: Asked, leaseMs: number): Kept | null {
    const nowMs = this.nowMs()
    if (term === null || leaseMs === 0 || nowMs - atMs > leaseAnswerMs) return null
    if (term.untilMs <= nowMs || viewEpoch !== this.#init.viewEpoch()) return null
    return { term, endMs: atMs + leaseMs }
  }

  #isUnchanged(key: LeaseKey, { atMs }: Asked): boolean {
    return isBefore(this.#changesOfAll, atMs) && isBefore(this.#changes.get(key), atMs)
  }

  #changedAlone(key: LeaseKey, { atMs }: Asked): boolean {
    const changes = this.#changes.get(key)
    const alone = changes?.running === 0 && changes.together === 1 && changes.endedBeforeMs <= atMs
    return alone && isBefore(this.#changesOfAll, atMs)
  }
}

const sweepStep = 1024

function noChanges(): Changes {
  const neverMs = -Infinity
  return { running: 0, together: 0, endedMs: neverMs, endedBeforeMs: neverMs, changedMs: neverMs }
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

/** As servers call it back: by the hash of the name. */
export function nameKey(parent: Ino, name: Name): string {
  return hashKey(parent, entryHash(name))
}

export function hashKey(parent: Ino, hash: number): string {
  return `${parent}/${hash}`
}
