/** What one rank does: it obeys the conductor, its parent process. */
import type { ToConductor, ToWorker } from './messages.ts'
import type { PhaseName } from './phases.ts'
import { find } from './workload/find.ts'
import type { Rank, Work } from './workload/workload.ts'
import { workOf } from './workload/works.ts'

/** Takes this process's channel to its parent; the process ends with the channel. */
export function serveRank(rank: Rank): void {
  const player = new Player(rank)
  process.on('message', (message: ToWorker) => {
    player.obey(message).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error)
      tell({ kind: 'failed', message: `rank ${rank.rank}, ${player.place}: ${text}` })
    })
  })
  process.on('disconnect', () => process.exit())
}

function tell(message: ToConductor): void {
  process.send?.(message)
}

class Player {
  readonly #rank: Rank
  #phase: PhaseName = 'find'
  #newerThanMs = 0
  #work: Work | null = null
  #steps = 0
  #startedNs = 0n

  constructor(rank: Rank) {
    this.#rank = rank
  }

  /** Where it is, for messages. */
  get place(): string {
    return `${this.#phase}, step ${this.#steps}`
  }

  async obey(message: ToWorker): Promise<void> {
    if (message.kind === 'prepare') await this.#prepare(message)
    else if (message.kind === 'go') await this.#go(message)
    else await this.#finish(message.count)
  }

  async #prepare(message: ToWorker & { readonly kind: 'prepare' }): Promise<void> {
    this.#phase = message.phase
    this.#newerThanMs = message.newerThanMs
    this.#steps = 0
    this.#work = this.#phase === 'find' ? null : workOf(this.#phase, this.#rank)
    await this.#work?.prepare?.()
    tell({ kind: 'ready' })
  }

  async #go({ count, stonewallMs }: ToWorker & { readonly kind: 'go' }): Promise<void> {
    this.#startedNs = process.hrtime.bigint()
    const work = this.#work
    if (work === null) {
      const { seen, matched } = await find(this.#rank, this.#newerThanMs)
      return tell({ kind: 'done', count: seen, matched, ...this.#times() })
    }
    if (count !== null) return await this.#finish(count)
    const wallNs = this.#startedNs + BigInt(Math.round(stonewallMs * 1e6))
    while (process.hrtime.bigint() < wallNs) {
      // A target that answers at once is not waited for: a turn of the event loop costs more than some calls.
      const pending = work.step(this.#steps++)
      if (pending !== undefined) await pending
    }
    tell({ kind: 'stonewalled', count: this.#steps })
  }

  async #finish(count: number): Promise<void> {
    while (this.#steps < count) {
      const pending = this.#work?.step(this.#steps++)
      if (pending !== undefined) await pending
    }
    await this.#work?.finish?.()
    tell({ kind: 'done', count: this.#steps, matched: 0, ...this.#times() })
  }

  #times(): { readonly startedNs: bigint; readonly endedNs: bigint } {
    return { startedNs: this.#startedNs, endedNs: process.hrtime.bigint() }
  }
}
