/**
 * The newest view that this server has seen, kept beside what it stores. It is not served by: it is told to a manager whose
 * own state was put back from an older copy, also when all servers were started again meanwhile.
 */
import type { Env, Timer } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { knownViewIntervalMs } from '../network/limits.ts'
import type { Log } from '../network/log.ts'
import type { View } from '../network/wire/view.ts'
import { viewFromWire, viewToWire } from '../network/wire/wire-view.ts'
import type { KeyValueStore } from './metadata/contract.ts'

/** Behind the keys of all partitions. */
const viewKey = '\xff\xff\xfeview'

export class KnownView {
  readonly #env: Env
  readonly #log: Log
  readonly #store: KeyValueStore
  #unwritten: View | null = null
  #timer: Timer | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(env: Env, log: Log, store: KeyValueStore) {
    this.#env = env
    this.#log = log
    this.#store = store
  }

  /** null where there is none, or none that can be read: then the manager's word is all there is. */
  read(): View | null {
    try {
      const bytes = this.#store.get(viewKey)
      return bytes === undefined ? null : viewFromWire(bytes)
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code === 'DISK') throw error
      this.#log.warn({ error }, 'the view that this server saw last cannot be read')
      return null
    }
  }

  /** Views may come many times a second: the newest of a while is written. */
  follow(view: View): void {
    this.#unwritten = view
    this.#timer ??= this.#env.timers.after(knownViewIntervalMs, () => void this.#write())
  }

  /** Resolves when the newest is written. */
  async close(): Promise<void> {
    await this.#write()
  }

  #write(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = null
    const view = this.#unwritten
    this.#unwritten = null
    if (view === null) return this.#writing
    const mutations = [{ key: viewKey, value: viewToWire(view) }]
    this.#writing = this.#store.batch(mutations, { sync: false }).catch(error => {
      // A disk that has failed shows where it matters.
      this.#log.warn({ error }, 'the newest view cannot be written down')
    })
    return this.#writing
  }
}
