/** Where the managers are, as one member knows it: addresses that are tried in turn, and found anew when none answers. */
import { ClusterError } from '../errors.ts'
import { maxManagerAddresses } from '../limits.ts'
import type { Log } from '../log.ts'

export interface ManagerPlacesInit {
  readonly managers: readonly string[]
  /** Where the managers can be dialled, as one of them told. */
  readonly remember?: ((managers: readonly string[]) => void) | undefined
  /** Looks for managers elsewhere; asked when none of those known answers. */
  readonly find?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined
  readonly log: Log
}

export class ManagerPlaces {
  readonly #init: ManagerPlacesInit
  #next = 0
  /** Known by now. */
  #known: readonly string[]
  /** What the network answered when it was asked last: anybody may answer, so it takes nobody's place. */
  #found: readonly string[] = []

  constructor(init: ManagerPlacesInit) {
    this.#init = init
    this.#known = init.managers
  }

  /** As a manager told. */
  learn(managers: readonly string[]): void {
    if (managers.length === 0) return
    this.#known = [...new Set([...this.#init.managers, ...managers])]
    this.#init.remember?.(managers)
  }

  /**
   * Tries one place; where a manager stands by, those that it names and then all others, each at once, but only once.
   * @throws what the last attempt threw; ClusterError MALFORMED when there is no place.
   */
  async first<T>(attempt: (address: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#known.length === 0) await this.#look(signal)
    const tried = new Set<string>()
    let address = this.#nextPlace(tried)
    for (;;) {
      tried.add(address)
      try {
        return await attempt(address)
      } catch (error) {
        if (this.#next % this.#places.length === 0) await this.#look(signal)
        if (!(error instanceof ClusterError && error.code === 'NOT_LEADER')) throw error
        const leader = error.instead.find(place => !tried.has(place))
        if (leader === undefined && this.#places.every(place => tried.has(place))) throw error
        address = leader ?? this.#nextPlace(tried)
      }
    }
  }

  /** In the order to try them. */
  get #places(): readonly string[] {
    return [...this.#known, ...this.#found]
  }

  #nextPlace(tried: ReadonlySet<string>): string {
    const places = this.#places
    for (let left = places.length; left > 0; left--) {
      const address = places[this.#next++ % places.length]!
      if (!tried.has(address) || left === 1) return address
    }
    throw new ClusterError('MALFORMED', 'no manager was named')
  }

  /** All that are known have been tried: perhaps they are elsewhere now. */
  async #look(signal: AbortSignal): Promise<void> {
    const { find, log } = this.#init
    if (find === undefined) return
    const found = (await find(signal)).filter(address => !this.#known.includes(address))
    if (found.length === 0) return
    log.info({ managers: found }, 'found managers in the network')
    this.#found = found.slice(0, maxManagerAddresses)
  }
}
