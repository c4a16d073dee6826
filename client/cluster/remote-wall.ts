/**
 * What a server's wall clock says, so that what is made by it here seems to be made when it was.
 *
 * 1. What it told, it read after it had been asked and before it was heard: so the clock is somewhere between. It is taken to be
 *    as early as all that was heard together allows (Cristian, Probabilistic clock synchronization, 1989): late, by no more than the
 *    quickest answer was under way.
 * 2. Where what was known cannot be by what was just heard (either clock was set, or the two have run apart), the nearest that can be is
 *    taken: then it may be ahead, by no more than that request was under way.
 * 3. What was under way for longer than `wallLateMs` says nothing.
 */
import type { Clock } from '../../network/env/env.ts'
import { wallLateMs } from '../../network/limits.ts'

const nsPerMs = 1e6

export class RemoteWall {
  readonly #clock: Pick<Clock, 'uptimeMs'>
  /** By how much it is ahead of our uptime. */
  #aheadNs: bigint | null = null

  constructor(clock: Pick<Clock, 'uptimeMs'>) {
    this.#clock = clock
  }

  /**
   * It has just said what its clock says.
   * @param theirsNs nanoseconds since 1970.
   * @param askedMs when it was asked, of our `Clock.uptimeMs`.
   */
  heard(theirsNs: bigint, askedMs: number): void {
    const heardMs = this.#clock.uptimeMs()
    if (typeof theirsNs !== 'bigint' || heardMs - askedMs > wallLateMs) return
    const leastNs = theirsNs - nsOf(heardMs)
    const mostNs = theirsNs - nsOf(askedMs)
    const known = this.#aheadNs
    if (known === null || known < leastNs) this.#aheadNs = leastNs
    else if (known > mostNs) this.#aheadNs = mostNs
  }

  /** null while it has told nothing. */
  nowNs(): bigint | null {
    return this.#aheadNs === null ? null : this.#aheadNs + nsOf(this.#clock.uptimeMs())
  }
}

function nsOf(ms: number): bigint {
  return BigInt(Math.round(ms * nsPerMs))
}
