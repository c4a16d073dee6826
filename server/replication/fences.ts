/**
 * Whom a server takes for the primary of each partition that it holds a copy of, and until when it lets it
 * serve.
 *
 * 1. The epoch of a fence only rises; who comes with an older one, or is another in the same, is refused.
 * 2. A lease that was given is remembered until it has run out. After a start of this process nobody knows what
 *    was given before: it counts as given at that moment.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { leaseMs } from '../../network/limits.ts'
import type { MemberId, View } from '../../network/wire/view.ts'

interface Fence {
  readonly epoch: number
  readonly primary: MemberId
}

export class Fences {
  readonly #env: Env
  readonly #view: () => View | null
  readonly #fences = new Map<number, Fence>()
  readonly #feeders = new Map<number, MemberId>()
  readonly #leases = new Map<number, number>()
  readonly #startedMs: number

  constructor(env: Env, view: () => View | null) {
    this.#env = env
    this.#view = view
    this.#startedMs = env.clock.monotonicMs()
  }

  /** The last one that was let in. */
  primaryOf(partition: number): MemberId | null {
    return this.#fences.get(partition)?.primary ?? null
  }

  epochOf(partition: number): number {
    return this.#fences.get(partition)?.epoch ?? 0
  }

  /** @throws ClusterError STALE_EPOCH when another is the primary, or was in a later epoch. */
  pass(partition: number, epoch: number, primary: MemberId): void {
    const fence = this.#fences.get(partition)
    if (fence?.epoch === epoch && this.#feeders.get(partition) === primary) return
    const isOlder = fence !== undefined && epoch < fence.epoch
    if (isOlder || (fence?.epoch === epoch && fence.primary !== primary)) {
      throw new ClusterError(
        'STALE_EPOCH',
        `partition ${partition} is in epoch ${fence.epoch} by now`,
      )
    }
    if (fence?.epoch !== epoch) this.#fences.set(partition, { epoch, primary })
  }

  /** Beside the primary, which is this server: who feeds it what it may have lost; null for nobody. */
  letFeed(partition: number, member: MemberId | null): void {
    if (member === null) this.#feeders.delete(partition)
    else this.#feeders.set(partition, member)
  }

  /** From now on: nobody with an older epoch. */
  raise(partition: number, epoch: number, primary: MemberId): void {
    if (epoch > this.epochOf(partition)) this.#fences.set(partition, { epoch, primary })
  }

  /** @returns whether it may go on for another lease's time. */
  grant(partition: number, epoch: number, primary: MemberId): boolean {
    const state = this.#view()?.partitions[partition]
    if (state !== undefined && state.epoch > epoch && state.primary !== primary) return false
    try {
      this.pass(partition, epoch, primary)
    } catch {
      return false
    }
    this.#leases.set(partition, this.#env.clock.monotonicMs() + leaseMs)
    return true
  }

  /** How long the lease that was given last may still last. */
  leftMs(partition: number): number {
    const endMs = this.#leases.get(partition) ?? this.#startedMs + leaseMs
    return Math.max(0, endMs - this.#env.clock.monotonicMs())
  }
}
