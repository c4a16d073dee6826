/**
 * Keeps the leases of a primary: asks each holder of its copies, every so often, whether it may go on serving.
 * A lease counts from the moment in which it was asked for.
 */
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { beaconIntervalMs, leaseMs } from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { HolderLink } from './holder-link.ts'
import type { PartitionShipping } from './shipping.ts'

export interface BeaconsInit {
  readonly env: Env
  readonly shippings: () => Iterable<PartitionShipping>
  readonly dial: (member: MemberId) => Promise<Peer>
}

interface Asked {
  readonly held: number[]
  readonly links: HolderLink[]
}

export class Beacons {
  readonly #init: BeaconsInit
  readonly #timer: Timer
  readonly #asking = new Set<MemberId>()
  readonly #again = new Set<MemberId>()
  #soon = false

  constructor(init: BeaconsInit) {
    this.#init = init
    this.#timer = init.env.timers.every(beaconIntervalMs, () => this.#askAll())
  }

  /** A lease that there is not yet is wanted. */
  soon(): void {
    if (this.#soon) return
    this.#soon = true
    this.#init.env.timers.soon(() => {
      this.#soon = false
      this.#askAll()
    })
  }

  close(): void {
    this.#timer.cancel()
  }

  #askAll(): void {
    const byMember = new Map<MemberId, Asked>()
    for (const shipping of this.#init.shippings()) {
      for (const link of shipping.links) {
        const asked = byMember.get(link.member) ?? { held: [], links: [] }
        asked.held.push(shipping.partition, shipping.epoch)
        asked.links.push(link)
        byMember.set(link.member, asked)
      }
    }
    for (const [member, asked] of byMember) void this.#ask(member, asked)
  }

  async #ask(member: MemberId, { held, links }: Asked): Promise<void> {
    if (this.#asking.has(member)) {
      this.#again.add(member)
      return
    }
    this.#asking.add(member)
    try {
      const peer = await this.#init.dial(member)
      const sentMs = this.#init.env.clock.uptimeMs()
      const { body } = await peer.call('beacon', { held }, { deadlineMs: leaseMs })
      const refused = new Set(body.refused)
      links.forEach((link, index) => {
        if (!refused.has(held[2 * index]!)) link.grantedMs = Math.max(link.grantedMs, sentMs)
      })
    } catch (error) {
      // Without an answer there is no lease: whoever feeds it tells what is wrong with the holder.
      if (!(error instanceof ClusterError)) throw error
    } finally {
      this.#asking.delete(member)
      if (this.#again.delete(member)) this.soon()
    }
  }
}
