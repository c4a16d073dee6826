/**
 * Who may append blocks to a file now. An appender writes where nobody else may commit meanwhile, so a
 * grant is exclusive: it ends with the holder's commit, its session, or after `operationDeadlineMs`.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'

interface Grant {
  readonly client: string
  readonly slot: number
  readonly endMs: number
}

export class AppendGrants {
  readonly #env: Env
  readonly #grants = new Map<Ino, Grant>()

  constructor(env: Env) {
    this.#env = env
  }

  /** @throws ClusterError CONFLICT while another appender holds it: try again. */
  grant(ino: Ino, client: string, slot: number): void {
    if (this.#heldByOther(ino, client, slot)) {
      throw new ClusterError('CONFLICT', 'another append to this file is under way')
    }
    const endMs = this.#env.clock.monotonicMs() + operationDeadlineMs
    this.#grants.set(ino, { client, slot, endMs })
  }

  /** Whether somebody else is appending, so that this client must not raise the size. */
  excludes(ino: Ino, client: string): boolean {
    return this.#grants.size > 0 && this.#heldByOther(ino, client, null)
  }

  holds(ino: Ino, client: string): boolean {
    return this.#grants.get(ino)?.client === client && !this.#ended(ino)
  }

  release(ino: Ino, client: string): void {
    if (this.#grants.get(ino)?.client === client) this.#grants.delete(ino)
  }

  releaseAll(client: string): void {
    for (const [ino, grant] of this.#grants) if (grant.client === client) this.#grants.delete(ino)
  }

  #heldByOther(ino: Ino, client: string, slot: number | null): boolean {
    const grant = this.#grants.get(ino)
    if (grant === undefined || this.#ended(ino)) return false
    return grant.client !== client || (slot !== null && grant.slot !== slot)
  }

  #ended(ino: Ino): boolean {
    const grant = this.#grants.get(ino)
    if (grant === undefined || grant.endMs > this.#env.clock.monotonicMs())
      return grant === undefined
    this.#grants.delete(ino)
    return true
  }
}
