/**
 * Requests that wait without a slot, until they are answered or interrupted.
 *
 * 1. A wait is here from when its slot was given back until its answer is sent; it is answered once.
 */
import type { Request } from './protocol/request.ts'

/** What is left of a request whose slot was given back. */
export interface Wait {
  readonly uniqueLow: number
  readonly uniqueHigh: number
  readonly signal: AbortSignal
}

export class Waits {
  readonly #controllers = new Map<string, AbortController>()

  get size(): number {
    return this.#controllers.size
  }

  begin({ uniqueLow, uniqueHigh }: Request): Wait {
    const controller = new AbortController()
    this.#controllers.set(keyOf(uniqueLow, uniqueHigh), controller)
    return { uniqueLow, uniqueHigh, signal: controller.signal }
  }

  /** Of a request that does not wait, or no longer: nothing happens. */
  interrupt(uniqueLow: number, uniqueHigh: number): void {
    this.#controllers.get(keyOf(uniqueLow, uniqueHigh))?.abort()
  }

  end({ uniqueLow, uniqueHigh }: Wait): void {
    this.#controllers.delete(keyOf(uniqueLow, uniqueHigh))
  }

  interruptAll(): void {
    for (const controller of this.#controllers.values()) controller.abort()
  }
}

function keyOf(low: number, high: number): string {
  return `${high} ${low}`
}
