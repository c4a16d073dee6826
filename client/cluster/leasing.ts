/** What this client was leased by all its servers, and what it answers to them: their terms, renewed while they are used. */
import type { Env, Timer } from '../../network/env/env.ts'
import { leaseRenewalMs } from '../../network/limits.ts'
import type { Service } from '../../network/rpc/contract.ts'
import { type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { LeaseTerm } from './lease-term.ts'
import { ReadLeases } from './read-leases.ts'
import type { ServerLink } from './server-link.ts'
import { WriteLeases } from './write-leases.ts'

export interface LeasingInit {
  readonly env: Env
  /** To the partition's primary; undefined where it was never called. */
  readonly linkOf: (partition: Partition) => ServerLink | undefined
  readonly links: () => Iterable<ServerLink>
  readonly viewEpoch: () => number
}

export class Leasing {
  readonly leases: ReadLeases
  /** By inode. */
  readonly writing: WriteLeases
  /** By partition: this client alone is served there. */
  readonly partitions: WriteLeases
  readonly service: Service
  readonly #timer: Timer

  constructor({ env, linkOf, links, viewEpoch }: LeasingInit) {
    const termAt = (partition: Partition): LeaseTerm | null => termOf(linkOf(partition))
    this.leases = new ReadLeases({ clock: env.clock, termAt, viewEpoch })
    this.writing = new WriteLeases({
      asking: ino => this.leases.asking(partitionOfIno(ino)),
      nowMs: () => this.leases.nowMs(),
      viewEpoch,
    })
    this.partitions = new WriteLeases({
      asking: partition => this.leases.asking(partition),
      nowMs: () => this.leases.nowMs(),
      viewEpoch,
    })
    this.service = {
      recallLeases: async ({ body }) => {
        const answered = this.writing.recall(body.inodes)
        const answeredPartitions = this.partitions.recall(body.partitions ?? [])
        let gaveBack = false
        try {
          await this.leases.recall(body)
          gaveBack = true
        } finally {
          answered(gaveBack)
          answeredPartitions(gaveBack)
        }
        return { body: {}, payload: [] }
      },
    }
    this.#timer = env.timers.every(leaseRenewalMs, () => {
      this.writing.useTerms()
      this.partitions.useTerms()
      for (const link of links()) link.renewLeases()
    })
  }

  close(): void {
    this.#timer.cancel()
  }
}

/** One begins as soon as it is wanted: what is asked for next can be kept. */
function termOf(link: ServerLink | undefined): LeaseTerm | null {
  if (link === undefined) return null
  const term = link.leases.current
  if (term === null) link.renewLeases()
  return term
}
