/** What a primary tells the manager, until it is heard or it makes no sense any more. */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { managerRetryFirstDelayMs, managerRetryLongestDelayMs } from '../../network/limits.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'

type Told = 'replicaInSync' | 'replicaLost' | 'partitionServed'

/** @throws ClusterError as the manager refuses, or when there is none now. */
export type AskManager = <N extends OperationName>(
  name: N,
  request: RequestOf<N>,
) => Promise<unknown>

export interface ManagerInit {
  readonly env: Env
  readonly ask: AskManager
}

export class ManagerTold {
  readonly #init: ManagerInit
  readonly #ending = new AbortController()

  constructor(init: ManagerInit) {
    this.#init = init
  }

  stop(): void {
    this.#ending.abort()
  }

  /**
   * @param request null when it makes no sense any more.
   * @returns whether the manager has heard it.
   */
  async tell<N extends Told>(name: N, request: () => RequestOf<N> | null): Promise<boolean> {
    const { env, ask } = this.#init
    let delayMs = managerRetryFirstDelayMs
    for (;;) {
      const now = this.#ending.signal.aborted ? null : request()
      if (now === null) return false
      try {
        await ask(name, now)
        return true
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        await env.timers.sleep(delayMs, this.#ending.signal).catch(() => undefined)
        delayMs = Math.min(2 * delayMs, managerRetryLongestDelayMs)
      }
    }
  }
}
