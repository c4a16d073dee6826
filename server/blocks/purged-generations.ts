/**
 * Which generations of files were purged a short while ago: a block of one that arrives late, from a client
 * that was held up, would stay for ever, as nobody names it any more. In memory: after a restart such a
 * block may stay until the file system is checked.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxPurgedRemembered, purgedRememberedMs } from '../../network/limits.ts'
import { OrderedMap } from '../../network/ordered-map.ts'
import type { Ino } from '../../network/wire/ids.ts'

interface Generation {
  readonly ino: Ino
  readonly generation: number
}

export class PurgedGenerations {
  readonly #env: Env
  readonly #limit: number
  /** By name, the oldest first: until when it is remembered. */
  readonly #until = new OrderedMap<string, number>()

  constructor(env: Env, limit: number = maxPurgedRemembered) {
    this.#env = env
    this.#limit = limit
  }

  get size(): number {
    return this.#until.size
  }

  add(generation: Generation): void {
    const name = nameOf(generation)
    const nowMs = this.#env.clock.monotonicMs()
    this.#until.set(name, nowMs + purgedRememberedMs)
    for (let { first } = this.#until; first !== null; { first } = this.#until) {
      if (first.value > nowMs && this.#until.size <= this.#limit) break
      this.#until.delete(first.key)
    }
  }

  /** @throws ClusterError STALE_WRITE when it was purged. */
  check(generation: Generation): void {
    if (this.#until.size === 0 || !this.#until.has(nameOf(generation))) return
    const { ino, generation: number } = generation
    throw new ClusterError('STALE_WRITE', `generation ${number} of inode ${ino} was purged`)
  }
}

function nameOf({ ino, generation }: Generation): string {
  return `${ino}.${generation}`
}
