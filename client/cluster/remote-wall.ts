/**
 * What a server's wall clock says, so that what is made by it here seems to be made no later than it was.
 *
 * 1. What it told, it read after it had been asked and before it was heard. Of all that, what was under way for the shortest
 *    time tells most (Cristian, Probabilistic clock synchronization, 1989): an answer that comes late changes nothing.
 * 2. What cannot be by that any more (either clock was set, or the two have run apart) is forgotten.
 */
import type { Clock } from '../../network/env/env.ts'

const nsPerMs = 1e6

export class RemoteWall {
  readonly #clock: Pick<Clock, 'uptimeMs'>
  /** By how much it is ahead of our uptime, at least. */
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
    if (typeof theirsNs !== 'bigint') return
    const leastNs = theirsNs - this.#uptimeNs()
    const mostNs = theirsNs - nsOf(askedMs)
    const known = this.#aheadNs
    if (known === null || known < leastNs || known > mostNs) this.#aheadNs = leastNs
  }

  /** null while it has told nothing. */
  nowNs(): bigint | null {
    return this.#aheadNs === null ? null : this.#aheadNs + this.#uptimeNs()
  }

  #uptimeNs(): bigint {
    return nsOf(this.#clock.uptimeMs())
  }
}

function nsOf(ms: number): bigint {
  return BigInt(Math.round(ms * nsPerMs))
}
