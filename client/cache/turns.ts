/** Writers of one inode in this client take turns: many that change no size, or one that may. */

export class Turns {
  #shared = 0
  #exclusive = false
  readonly #waiting: { readonly shared: boolean; readonly resolve: () => void }[] = []

  /** Nothing to await when the turn is free. To be followed by `leave` with the same argument. */
  enter(shared: boolean): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(shared)) {
      this.#take(shared)
      return undefined
    }
    return new Promise<void>(resolve => this.#waiting.push({ shared, resolve }))
  }

  leave(shared: boolean): void {
    if (shared) this.#shared--
    else this.#exclusive = false
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.shared)) {
      const next = this.#waiting.shift()!
      this.#take(next.shared)
      next.resolve()
    }
  }

  #fits(shared: boolean): boolean {
    return !this.#exclusive && (shared || this.#shared === 0)
  }

  #take(shared: boolean): void {
    if (shared) this.#shared++
    else this.#exclusive = true
  }
}
