/**
 * Who makes names in large directories: one that several clients fill is worth being split over several servers, one
 * that a single client fills is not, as that client is as busy as the server.
 */
import type { Clock } from '../../network/env/env.ts'
import { makersMs, maxMakersRemembered } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Ino } from '../../network/wire/ids.ts'

interface Making {
  /** Who made the last name, and when. */
  readonly client: string
  readonly atMs: number
  /** Until then it counts as one that several clients fill. */
  readonly sharedUntilMs: number
}

export class Makers {
  readonly #clock: Clock
  readonly #last = new RecentMap<Ino, Making>(maxMakersRemembered)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A name was made. @returns whether several clients make names there. */
  made(directory: Ino, client: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const before = this.#last.get(directory)
    const isAnother = before !== undefined && before.client !== client
    const isShared = isAnother && nowMs - before.atMs <= makersMs
    const sharedUntilMs = isShared ? nowMs + makersMs : (before?.sharedUntilMs ?? nowMs)
    this.#last.set(directory, { client, atMs: nowMs, sharedUntilMs })
    return sharedUntilMs > nowMs
  }
}
