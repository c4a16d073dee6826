/**
 * Directories of which somebody was told names without attributes a short while ago, and may go on to look up each of them:
 * says when it is worth to fetch what many of them lead to at once, and which.
 *
 * 1. That is once `lookAheadMisses` names were not known, or at once for whoever has used most of what was fetched last: then from that name
 *    on, and twice as much. Whoever looks up names in another order than that of the directory gets what comes behind the last that
 *    was fetched, once around.
 * 2. All that was fetched since a listing began is at most `lookAheadCredit` names and a batch more than `lookAheadPerUse` for each
 *    look-up that needed no question: so whoever looks up some names of very many wastes little.
 */
import {
  firstListedBytes,
  listedRecentlyMs,
  lookAheadCredit,
  lookAheadMisses,
  lookAheadPerUse,
  maxListedDirectories,
  readdirLimitBytes,
} from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { ReaddirReply } from '../../network/wire/operations.ts'

/** What to fetch: `fetched` is to be called when it is there. */
export interface AheadBatch {
  /** Behind this one; never 0, which would be a listing from the start. */
  readonly cookie: number
  readonly limitBytes: number
  /** The name that was looked up is among it, if it is there. */
  readonly hasName: boolean
}

interface Round {
  readonly beginning: number
  /** Behind what was fetched last. */
  readonly next: number
  readonly isWrapped: boolean
}

interface Listed {
  /** When it was listed, or something fetched. */
  atMs: number
  /** Names that may be fetched. */
  credit: number
  /** Since something was fetched last: look-ups that had to ask for a name, and that had not to. */
  misses: number
  uses: number
  /** Of what was fetched last. */
  names: number
  limitBytes: number
  /** null: nothing was fetched yet, or all. */
  round: Round | null
  isFetching: boolean
}

const beforeAll = 1

export class ListedDirectories {
  readonly #directories = new RecentMap<Ino, Listed>(maxListedDirectories)

  /** Names without attributes were told. @param fromStart of the directory. */
  listed(directory: Ino, fromStart: boolean, nowMs: number): void {
    const known = this.#directories.get(directory)
    if (known === undefined) {
      this.#directories.set(directory, {
        ...{ atMs: nowMs, credit: lookAheadCredit, misses: 0, uses: 0, names: 0 },
        ...{ limitBytes: firstListedBytes, round: null, isFetching: false },
      })
      return
    }
    known.atMs = nowMs
    if (!fromStart) return
    known.credit = Math.max(known.credit, lookAheadCredit)
    known.names = 0
    known.round = null
  }

  /** A name was looked up that was known. */
  used(directory: Ino): void {
    const listed = this.#directories.get(directory)
    if (listed === undefined) return
    listed.uses++
    listed.credit += lookAheadPerUse
  }

  /** A name is there that had to be asked for. */
  missed(directory: Ino): void {
    const listed = this.#directories.get(directory)
    if (listed !== undefined) listed.misses++
  }

  /**
   * A name has to be asked for.
   * @param cookie before it.
   */
  begin(directory: Ino, cookie: number, nowMs: number): AheadBatch | null {
    const listed = this.#directories.get(directory)
    if (listed === undefined || listed.isFetching || listed.credit <= 0) return null
    const goesOn = listed.names > 0 && 2 * listed.uses >= listed.names
    if (!goesOn && listed.misses < lookAheadMisses) return null
    if (nowMs - listed.atMs > listedRecentlyMs) {
      this.#directories.delete(directory)
      return null
    }
    const limitBytes = goesOn
      ? Math.min(readdirLimitBytes, 2 * listed.limitBytes)
      : firstListedBytes
    Object.assign(listed, { isFetching: true, limitBytes })
    if (!goesOn && listed.round !== null) {
      return { cookie: listed.round.next, limitBytes, hasName: false }
    }
    listed.round = { beginning: cookie, next: cookie, isWrapped: false }
    return { cookie, limitBytes, hasName: true }
  }

  /** @param page null where it failed. */
  fetched(
    directory: Ino,
    page: (Pick<ReaddirReply, 'next' | 'end'> & { readonly names: number }) | null,
    nowMs: number,
  ): void {
    const listed = this.#directories.get(directory)
    if (listed === undefined) return
    const names = page?.names ?? 0
    listed.credit -= Math.max(names, 1)
    Object.assign(listed, { atMs: nowMs, misses: 0, uses: 0, names, isFetching: false })
    if (page !== null && listed.round !== null) listed.round = nextIn(listed.round, page)
  }
}

/** @returns null when there is nothing left. */
function nextIn(round: Round, { next, end }: Pick<ReaddirReply, 'next' | 'end'>): Round | null {
  const isOver = round.isWrapped && (end || next >= round.beginning)
  if (isOver || (end && round.beginning <= beforeAll)) return null
  return end ? { ...round, next: beforeAll, isWrapped: true } : { ...round, next }
}
