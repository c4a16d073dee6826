/** Where rpc writes what nobody is there to be told, and a line for what strangers can cause at will. */
import { reasonOf } from '../admission/refusal.ts'
import type { RefusalTally } from '../admission/refusal-tally.ts'
import type { Env } from '../env/env.ts'

export type Log = (message: string, error?: unknown) => void

/** For callers that inject none: Node prints it. */
export const warningLog: Log = (message, error) => {
  process.emitWarning(error === undefined ? message : `${message}: ${String(error)}`)
}

const refusalIntervalMs = 10_000

/** Counts refused connections and logs the first of each interval, with how many were left out. */
export class RefusalLog {
  readonly #env: Env
  readonly #log: Log
  #silentUntilMs = Number.NEGATIVE_INFINITY
  #unlogged = 0
  readonly #tally: RefusalTally | undefined
  #count = 0

  constructor(env: Env, log: Log, tally?: RefusalTally) {
    this.#tally = tally
    this.#env = env
    this.#log = log
  }

  get count(): number {
    return this.#count
  }

  add(remote: string, error: unknown): void {
    this.#count++
    this.#tally?.add(reasonOf(error))
    const nowMs = this.#env.clock.monotonicMs()
    if (nowMs < this.#silentUntilMs) {
      this.#unlogged++
      return
    }
    const more = this.#unlogged > 0 ? `, and ${this.#unlogged} more before` : ''
    this.#log(`refused a connection from ${remote}${more}`, error)
    this.#silentUntilMs = nowMs + refusalIntervalMs
    this.#unlogged = 0
  }
}
