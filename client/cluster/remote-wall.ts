/** What a server's wall clock says, a little late at most: what is made by it seems to be made no later than it was. */
import type { Clock } from '../../network/env/env.ts'

const nsPerMs = 1e6

export class RemoteWall {
  readonly #clock: Pick<Clock, 'uptimeMs'>
  #theirsNs: bigint | null = null
  #heardMs = 0

  constructor(clock: Pick<Clock, 'uptimeMs'>) {
    this.#clock = clock
  }

  /** It has just said what its clock says, nanoseconds since 1970. */
  heard(theirsNs: bigint): void {
    if (typeof theirsNs !== 'bigint') return
    this.#theirsNs = theirsNs
    this.#heardMs = this.#clock.uptimeMs()
  }

  /** null while it has told nothing. */
  nowNs(): bigint | null {
    if (this.#theirsNs === null) return null
    const passedMs = this.#clock.uptimeMs() - this.#heardMs
    return this.#theirsNs + BigInt(Math.round(passedMs * nsPerMs))
  }
}
