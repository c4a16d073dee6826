/**
 * What a server's clock (`Clock.uptimeMs` of its machine) says when ours says something: as far as it is known from what it
 * has told.
 *
 * 1. What it told was true before it was heard here, and the two run apart by `maxClockDrift` at most: so what is said of
 *    a moment here is no later than that moment there.
 */
import type { Clock } from '../../network/env/env.ts'
import { maxClockDrift, uptimeOldMs } from '../../network/limits.ts'

export class RemoteUptime {
  readonly #clock: Pick<Clock, 'uptimeMs'>
  #theirsMs = Number.NEGATIVE_INFINITY
  #heardMs = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'uptimeMs'>) {
    this.#clock = clock
  }

  /** It has just said what its clock says. */
  heard(theirsMs: number): void {
    if (!Number.isFinite(theirsMs)) return
    this.#theirsMs = theirsMs
    this.#heardMs = this.#clock.uptimeMs()
  }

  /** It had better be asked again. */
  get isOld(): boolean {
    return this.#clock.uptimeMs() > this.#heardMs + uptimeOldMs
  }

  /** At that moment of our clock, or a little earlier. Long ago where it has told nothing. */
  at(oursMs: number): number {
    if (this.#theirsMs === Number.NEGATIVE_INFINITY) return this.#theirsMs
    const passedMs = oursMs - this.#heardMs
    return this.#theirsMs + passedMs - Math.abs(passedMs) * maxClockDrift
  }
}
