/** Bytes on their way out of this process, and who waits until those that were queued by then have left it. */
interface Wait {
  readonly total: number
  readonly left: PromiseWithResolvers<boolean>
}

export class Handing {
  #queued = 0
  #left = 0
  /** First queued first. */
  #waits: Wait[] = []

  queued(bytes: number): void {
    this.#queued += bytes
  }

  left(bytes: number): void {
    this.#left += bytes
    while (this.#waits.length > 0 && this.#waits[0]!.total <= this.#left) {
      this.#waits.shift()!.left.resolve(true)
    }
  }

  /** Resolves when all that was queued by now has left; false: it will not. */
  handed(): Promise<boolean> {
    if (this.#left === this.#queued) return Promise.resolve(true)
    let last = this.#waits.at(-1)
    if (last?.total !== this.#queued) {
      last = { total: this.#queued, left: Promise.withResolvers() }
      this.#waits.push(last)
    }
    return last.left.promise
  }

  /** What has not left never will. */
  end(): void {
    for (const { left } of this.#waits) left.resolve(false)
    this.#waits = []
  }
}
