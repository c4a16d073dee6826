/** How many moves are under way, of each server and of all, and whether there may be one more. */
import { maxMoves, maxMovesOfServer } from '../../network/limits.ts'
import type { MemberId } from '../../network/wire/view.ts'

export class Throttle {
  readonly #of = new Map<MemberId, number>()
  #total = 0

  /** One that is under way, or begins. */
  take(members: Iterable<MemberId>): void {
    this.#total++
    for (const id of members) this.#of.set(id, this.of(id) + 1)
  }

  admits(source: MemberId, target: MemberId): boolean {
    if (this.#total >= maxMoves) return false
    return this.of(source) < maxMovesOfServer && this.of(target) < maxMovesOfServer
  }

  of(id: MemberId): number {
    return this.#of.get(id) ?? 0
  }

  get total(): number {
    return this.#total
  }
}
