/**
 * What this client knows of who writes the files that it has open: that it is alone (it may write behind), or that nobody
 * writes behind what it is about to write over. See server/leases/write-leases.ts. The same of partitions, by their numbers: that
 * they serve it alone.
 *
 * 1. Nothing holds that was called back after it was asked for, or that was told in another term than it was asked for in.
 * 2. What was called back may still be written, as who asked for it waits; nothing more is written behind. So is what an
 *    answer says that comes in the meantime: it was given before.
 */
import { Counts } from '../../network/counts.ts'
import { behindSpareMs, kernelSpareMs, leaseAnswerMs } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { WriteLeased } from '../../network/wire/operations.ts'
import type { LeaseTerm } from './lease-term.ts'
import type { Asked } from './read-leases.ts'

/** Of one request: `WriteLeases.asking`. */
export interface WriteAsked extends Asked {
  readonly ino: Ino
  wasRecalled: boolean
}

type Told = { readonly leaseMs: number } & WriteLeased

interface Kept {
  /** null: it holds also without. */
  readonly term: LeaseTerm | null
  readonly endMs: number
  readonly writes: boolean
  isRecalled: boolean
}

export interface WriteLeasesInit {
  readonly asking: (ino: Ino) => Asked
  readonly nowMs: () => number
  readonly viewEpoch: () => number
}

export class WriteLeases {
  readonly #init: WriteLeasesInit
  readonly #kept = new Map<Ino, Kept>()
  readonly #asked = new Map<Ino, Set<WriteAsked>>()
  /** How many recalls have yet to be answered. */
  readonly #recalls = new Counts<Ino>()

  constructor(init: WriteLeasesInit) {
    this.#init = init
  }

  /** Runs a request about a file's data, and keeps what its answer says of who writes the file. */
  async during<T extends { readonly body: Told }>(ino: Ino, request: () => Promise<T>): Promise<T> {
    const asked = this.#ask(ino)
    try {
      const reply = await request()
      this.#keep(asked, reply.body)
      return reply
    } finally {
      this.#answered(asked)
    }
  }

  /** Nobody writes behind what is written over now. */
  isCalm(ino: Ino): boolean {
    const kept = this.#kept.get(ino)
    return kept !== undefined && !(kept.isRecalled && !kept.writes) && this.#leftMs(kept) > 0
  }

  /** The file may be written behind: long enough for it to get to the servers. */
  mayWrite(ino: Ino): boolean {
    const kept = this.#kept.get(ino)
    if (kept?.writes !== true || kept.isRecalled || kept.term?.isHeard !== true) return false
    const nowMs = this.#init.nowMs()
    const isLong = kept.endMs - behindSpareMs > nowMs && this.#leftMs(kept) > 0
    if (isLong) kept.term.usedMs = nowMs
    return isLong
  }

  /** Until when what was written behind may be sent, of the clock of leases (`uptimeMs`); in the past where it may not. */
  writesUntilMs(ino: Ino): number {
    const kept = this.#kept.get(ino)
    if (kept?.writes !== true || kept.term === null) return Number.NEGATIVE_INFINITY
    kept.term.usedMs = this.#init.nowMs()
    return Math.min(kept.endMs, kept.term.untilMs) - kernelSpareMs
  }

  /** Of the lease under which the file may be written behind, or might; null for none. */
  termOf(ino: Ino): LeaseTerm | null {
    const kept = this.#kept.get(ino)
    if (kept?.writes !== true || kept.term === null) return null
    return kept.term.untilMs > this.#init.nowMs() ? kept.term : null
  }

  /**
   * Others are about to read or change these.
   * @returns to be called when that was answered: whether all that was written behind is on the servers. If not, what there is
   * goes there as long as the term lasts.
   */
  recall(inodes: readonly Ino[]): (gaveBack: boolean) => void {
    for (const ino of inodes) {
      for (const asked of this.#asked.get(ino) ?? []) asked.wasRecalled = true
      const kept = this.#kept.get(ino)
      if (kept !== undefined) kept.isRecalled = true
      this.#recalls.add(ino)
    }
    return gaveBack => {
      for (const ino of inodes) {
        if (gaveBack && this.#kept.get(ino)?.isRecalled === true) this.#kept.delete(ino)
        this.#recalls.subtract(ino)
      }
    }
  }

  /** Their terms are in use: one that runs out with a lease for writing in it keeps others waiting. */
  useTerms(): void {
    const nowMs = this.#init.nowMs()
    for (const { term, endMs, writes } of this.#kept.values()) {
      if (writes && term !== null && endMs > nowMs && term.untilMs > nowMs) term.usedMs = nowMs
    }
  }

  /** The file was closed. */
  forget(ino: Ino): void {
    this.#kept.delete(ino)
  }

  get size(): number {
    return this.#kept.size + this.#asked.size + this.#recalls.size
  }

  #ask(ino: Ino): WriteAsked {
    const asked = { ...this.#init.asking(ino), ino, wasRecalled: false }
    const others = this.#asked.get(ino)
    if (others === undefined) this.#asked.set(ino, new Set([asked]))
    else others.add(asked)
    return asked
  }

  #answered(asked: WriteAsked): void {
    const others = this.#asked.get(asked.ino)
    others?.delete(asked)
    if (others?.size === 0) this.#asked.delete(asked.ino)
  }

  #isTrue({ atMs, viewEpoch }: Asked): boolean {
    const { nowMs, viewEpoch: epochNow } = this.#init
    return nowMs() - atMs <= leaseAnswerMs && viewEpoch === epochNow()
  }

  #keep(asked: WriteAsked, { leaseMs, behind, calmMs = 0 }: Told): void {
    const { ino, term, atMs } = asked
    const nowMs = this.#init.nowMs()
    const kept = this.#kept.get(ino)
    // What was leased in a term that is over has ended with it, be it called back.
    const known = kept?.term && kept.term.untilMs <= nowMs ? undefined : kept
    const isRecalled = this.#recalls.has(ino)
    const mayBe = isRecalled ? behind === true : !asked.wasRecalled
    if (!mayBe || known?.isRecalled === true || !this.#isTrue(asked)) return
    if (leaseMs > 0 && term !== null && term.untilMs > nowMs) {
      // A lease for writing is not taken away by an answer that did not ask for one; one that has run out is not given by it.
      const wrote = known?.writes === true && known.term === term && known.endMs > nowMs
      const writes = behind === true || wrote
      this.#kept.set(ino, { term, endMs: atMs + leaseMs, writes, isRecalled })
    } else if (calmMs > 0 && known?.writes !== true) {
      this.#kept.set(ino, { term: null, endMs: atMs + calmMs, writes: false, isRecalled })
    }
  }

  #leftMs({ term, endMs }: Kept): number {
    const untilMs = term === null ? endMs : Math.min(endMs, term.untilMs - kernelSpareMs)
    return untilMs - this.#init.nowMs()
  }
}
