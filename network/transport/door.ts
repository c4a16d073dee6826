/**
 * The door of a listener: everybody who has come in and for whom nobody has vouched yet. So a crowd that says nothing
 * takes neither the room nor the memory of those who belong here.
 *
 * 1. At most `maxUnproven` wait; when one more comes, the one that has waited longest has to go.
 * 2. Nobody waits longer than `deadlineMs`.
 */
import { Refusal } from '../admission/refusal.ts'
import type { Env, Timer } from '../env/env.ts'
import type { ClusterError } from '../errors.ts'
import { maxUnproven, proofDeadlineMs } from '../limits.ts'

/** Closes what waits, at once. */
export type TurnAway = (error: ClusterError) => void

/** One who waits at a door. */
export interface Waiting {
  /** Another part of the house has taken over: it is turned away so from now on. */
  becomes(turnAway: TurnAway): void
  /** It waits no longer: gone, or vouched for. Harmless when that was said before. */
  end(): void
}

export class Door {
  readonly #env: Env
  readonly #deadlineMs: number
  /** In the order in which they came. */
  readonly #waiting = new Set<Entry>()

  constructor(env: Env, deadlineMs: number = proofDeadlineMs) {
    this.#env = env
    this.#deadlineMs = deadlineMs
  }

  get count(): number {
    return this.#waiting.size
  }

  enter(turnAway: TurnAway): Waiting {
    const entry = new Entry(turnAway, ended => this.#waiting.delete(ended))
    const { timers } = this.#env
    const deadlineMs = this.#deadlineMs
    const late = () => entry.turnAway(new Refusal('timeout', `no proof in ${deadlineMs} ms`))
    // What has arrived by now is read before: a process that was held up blames nobody else for it.
    entry.timer = timers.after(deadlineMs, () => timers.soon(late))
    this.#waiting.add(entry)
    if (this.#waiting.size > maxUnproven) this.#turnAwayOldest()
    return entry
  }

  #turnAwayOldest(): void {
    for (const oldest of this.#waiting) {
      oldest.turnAway(new Refusal('crowd', `${maxUnproven} others came behind it without a proof`))
      return
    }
  }
}

class Entry implements Waiting {
  timer: Timer | undefined
  readonly #ended: (entry: Entry) => void
  #gone = false
  #turnAway: TurnAway

  constructor(turnAway: TurnAway, ended: (entry: Entry) => void) {
    this.#turnAway = turnAway
    this.#ended = ended
  }

  becomes(turnAway: TurnAway): void {
    this.#turnAway = turnAway
  }

  turnAway(error: ClusterError): void {
    if (this.#gone) return
    this.end()
    this.#turnAway(error)
  }

  end(): void {
    this.#gone = true
    this.timer?.cancel()
    this.#ended(this)
  }
}
