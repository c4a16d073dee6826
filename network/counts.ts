/** How many there are of each key. Of what there are none, nothing is kept; nor are there ever fewer. */
export class Counts<K> {
  readonly #counts = new Map<K, number>()

  /** Of how many keys there are any. */
  get size(): number {
    return this.#counts.size
  }

  has(key: K): boolean {
    return this.#counts.has(key)
  }

  of(key: K): number {
    return this.#counts.get(key) ?? 0
  }

  /** @returns how many there are now. */
  add(key: K, count = 1): number {
    const sum = (this.#counts.get(key) ?? 0) + count
    if (sum > 0) this.#counts.set(key, sum)
    return sum
  }

  /** @returns how many are left. */
  subtract(key: K, count = 1): number {
    const left = (this.#counts.get(key) ?? 0) - count
    if (left > 0) {
      this.#counts.set(key, left)
      return left
    }
    this.#counts.delete(key)
    return 0
  }

  keys(): MapIterator<K> {
    return this.#counts.keys()
  }

  [Symbol.iterator](): MapIterator<[K, number]> {
    return this.#counts[Symbol.iterator]()
  }

  delete(key: K): void {
    this.#counts.delete(key)
  }

  clear(): void {
    this.#counts.clear()
  }
}
