/**
 * Pending timers of the simulated environment: a binary heap by time, then by order of making.
 *
 * 1. `#entries[i]` is not later than `#entries[2i + 1]` and `#entries[2i + 2]`.
 * 2. A removed entry stays in the heap, marked, until it comes up; `size` counts the others.
 */

export interface TimerEntry {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
  pending: boolean
}

export class TimerHeap {
  readonly #entries: TimerEntry[] = []
  #made = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  add(atMs: number, callback: () => void): TimerEntry {
    const entry = { atMs, order: this.#made++, callback, pending: true }
    this.#entries.push(entry)
    this.#rise(this.#entries.length - 1)
    this.#size++
    return entry
  }

  remove(entry: TimerEntry): void {
    if (!entry.pending) return
    entry.pending = false
    this.#size--
  }

  /** Takes out the first entry that is due by `endMs`. */
  takeUntil(endMs: number): TimerEntry | undefined {
    for (;;) {
      const first = this.#entries[0]
      if (first === undefined || (first.pending && first.atMs > endMs)) return undefined
      this.#takeFirst()
      if (!first.pending) continue
      first.pending = false
      this.#size--
      return first
    }
  }

  #takeFirst(): void {
    const last = this.#entries.pop()
    if (last === undefined || this.#entries.length === 0) return
    this.#entries[0] = last
    this.#sink(0)
  }

  #rise(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfEarlier(index, parent)) return
      index = parent
    }
  }

  #sink(start: number): void {
    let index = start
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      const entries = this.#entries
      const child =
        right < entries.length && isEarlier(entries[right]!, entries[left]!) ? right : left
      if (child >= entries.length || !this.#swapIfEarlier(child, index)) return
      index = child
    }
  }

  #swapIfEarlier(child: number, parent: number): boolean {
    const lower = this.#entries[child]!
    const upper = this.#entries[parent]!
    if (!isEarlier(lower, upper)) return false
    this.#entries[child] = upper
    this.#entries[parent] = lower
    return true
  }
}

function isEarlier(a: TimerEntry, b: TimerEntry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
