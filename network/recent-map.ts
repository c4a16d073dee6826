/**
 * A map that forgets what has not been used of late, at the cost of a plain map: to keep the exact order of use
 * takes a removal for each use, and a map with many removals is rebuilt again and again.
 *
 * 1. A key is in `#young` once it was used, which becomes `#old` when it holds half of the limit; what was not used
 *    again by then is forgotten. So the half of the limit that was used last, what was deleted of it counted, is always
 *    there, and never more than the limit.
 * 2. What is deleted stays in `#young`, as undefined: a key that is removed from a `Map` and set again leaves the place that
 *    it had where it is looked for until the map is rebuilt, and one that changes all the time would be looked for behind
 *    thousands of them (30 µs with 32,768 keys).
 */
export class RecentMap<K, V extends NonNullable<unknown> | null> {
  readonly #turn: number
  #young = new Map<K, V | undefined>()
  #old = new Map<K, V | undefined>()

  constructor(limit: number) {
    this.#turn = Math.max(1, Math.floor(limit / 2))
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    this.#young.set(key, value)
    if (this.#young.size < this.#turn) return
    this.#old = this.#young
    this.#young = new Map()
  }

  delete(key: K): void {
    if (this.#young.has(key)) this.#young.set(key, undefined)
    this.#old.delete(key)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }
}
