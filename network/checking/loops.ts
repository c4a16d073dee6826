/**
 * Finds directories that the root does not lead to although each is in its parent: they lie in a loop. Keeps
 * two numbers for each directory: some 30 MB for a million of them while it looks.
 */
import { clusterRootIno, type Ino } from '../wire/ids.ts'

const open = 0
const reached = 1
const walked = 2

export class ParentTable {
  #inos = new Float64Array(1024)
  #parents = new Float64Array(1024)
  #count = 0

  get size(): number {
    return this.#count
  }

  add(ino: Ino, parent: Ino): void {
    if (this.#count === this.#inos.length) this.#grow()
    this.#inos[this.#count] = ino
    this.#parents[this.#count++] = parent
  }

  /** The lowest directory of each loop, and its parent. */
  *loops(): Generator<{ readonly ino: Ino; readonly parent: Ino }> {
    const order = this.#order()
    const states = new Uint8Array(order.length)
    for (let start = 0; start < order.length; start++) {
      const loop = this.#walk(order, states, start)
      if (loop !== -1) yield this.#lowest(order, loop)
    }
  }

  /** @returns a member of a loop that is met for the first time, or -1. */
  #walk(order: Uint32Array, states: Uint8Array, start: number): number {
    const path: number[] = []
    let at = start
    while (at !== -1 && states[at] === open) {
      states[at] = walked
      path.push(at)
      at = this.#inos[order[at]!] === clusterRootIno ? -1 : this.#above(order, at)
    }
    const loop = at !== -1 && states[at] === walked ? at : -1
    for (const index of path) states[index] = reached
    return loop
  }

  #lowest(order: Uint32Array, member: number): { ino: Ino; parent: Ino } {
    let lowest = member
    for (let at = this.#above(order, member); at !== member; at = this.#above(order, at)) {
      lowest = Math.min(lowest, at)
    }
    const row = order[lowest]!
    return { ino: this.#inos[row]!, parent: this.#parents[row]! }
  }

  /** Place of the parent in the order, or -1 when there is no such directory. */
  #above(order: Uint32Array, at: number): number {
    const wanted = this.#parents[order[at]!]!
    let low = 0
    let high = order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#inos[order[middle]!]! < wanted) low = middle + 1
      else high = middle
    }
    return low < order.length && this.#inos[order[low]!] === wanted ? low : -1
  }

  #order(): Uint32Array {
    const order = Uint32Array.from({ length: this.#count }, (_, index) => index)
    return order.sort((a, b) => this.#inos[a]! - this.#inos[b]!)
  }

  #grow(): void {
    const widen = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const wider = new Float64Array(2 * old.length)
      wider.set(old)
      return wider
    }
    this.#inos = widen(this.#inos)
    this.#parents = widen(this.#parents)
  }
}
