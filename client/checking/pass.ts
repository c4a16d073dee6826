/** One pass over a cluster: all records of all partitions are looked at, and what does not fit is suspected. */
import { decodeFacts, factKind, rowsIn } from '../../network/checking/facts.ts'
import { ParentTable } from '../../network/checking/loops.ts'
import { InodeFacts, judge, noRemains } from '../../network/checking/rules.ts'
import { maxCheckedPartitions } from '../../network/limits.ts'
import type { Ino, Partition } from '../../network/wire/ids.ts'
import type { CheckScanReply } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import { inParallel } from '../cluster/parallel.ts'
import { FactBuckets } from './buckets.ts'
import type { CheckOptions } from './contract.ts'
import { Suspects } from './suspects.ts'

export interface Counts {
  records: number
  directories: number
  files: number
  blocks: number
  dataBytes: number
  verifiedBytes: number
}

type Sums = Pick<CheckScanReply, 'inodes' | 'blocks' | 'blockBytes'>

export class Pass {
  readonly suspects = new Suspects()
  readonly counts: Counts = {
    records: 0,
    directories: 0,
    files: 0,
    blocks: 0,
    dataBytes: 0,
    verifiedBytes: 0,
  }
  readonly #cluster: Cluster
  readonly #options: CheckOptions

  constructor(cluster: Cluster, options: CheckOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** @throws PosixError EIO when a server does not answer; the reason of the signal. */
  async run(): Promise<void> {
    const buckets = new FactBuckets(this.#options.scratch, await this.#inodes())
    try {
      await this.#everyPartition('records', partition => this.#scan(partition, buckets))
      await this.#join(buckets)
    } finally {
      await buckets.remove()
    }
    if (this.#options.data) {
      await this.#everyPartition('data', partition => this.#verify(partition))
    }
  }

  async #inodes(): Promise<number> {
    const servers = this.#cluster.servers()
    const replies = await Promise.all(servers.map(id => this.#cluster.ask('statfs', id, {})))
    return replies.reduce((sum, { body }) => sum + body.files, 0)
  }

  async #everyPartition(
    phase: 'records' | 'data',
    look: (partition: Partition) => Promise<void>,
  ): Promise<void> {
    const { partitionCount } = this.#cluster
    let done = 0
    await inParallel(partitionCount, maxCheckedPartitions, async partition => {
      await look(partition)
      this.#options.onProgress?.(phase, ++done, partitionCount)
    })
  }

  async #scan(partition: Partition, buckets: FactBuckets): Promise<void> {
    const sums = { inodes: 0, blocks: 0, blockBytes: 0 }
    let counted: Sums | null = null
    let after: Uint8Array = new Uint8Array(0)
    do {
      this.#options.signal?.throwIfAborted()
      const { body, payload } = await this.#cluster.query('checkScan', partition, { after })
      const facts = rowsIn(payload)
      counted ??= countsIn(facts)
      await buckets.add(facts)
      for (const record of body.damaged) this.suspects.addRecord(record)
      this.counts.records += body.records
      sums.inodes += body.inodes
      sums.blocks += body.blocks
      sums.blockBytes += body.blockBytes
      after = body.next
    } while (after.length > 0)
    this.counts.blocks += sums.blocks
    this.counts.dataBytes += sums.blockBytes
    this.#compare(partition, sums, counted ?? { inodes: 0, blocks: 0, blockBytes: 0 })
  }

  #compare(partition: Partition, sums: Sums, counted: Sums): void {
    const same =
      sums.inodes === counted.inodes &&
      sums.blocks === counted.blocks &&
      sums.blockBytes === counted.blockBytes
    if (same) return
    const fault = 'partition-count'
    this.suspects.add({ fault, subject: partition, names: [], remains: noRemains })
  }

  async #join(buckets: FactBuckets): Promise<void> {
    const parents = new ParentTable()
    for (let index = 0; index < buckets.count; index++) {
      this.#options.signal?.throwIfAborted()
      const inodes = new Map<Ino, InodeFacts>()
      await buckets.read(index, fact => {
        if (fact.kind === factKind.counts) return
        let facts = inodes.get(fact.ino)
        if (facts === undefined) {
          facts = new InodeFacts(fact.ino)
          inodes.set(fact.ino, facts)
        }
        facts.add(fact)
        if (fact.kind === factKind.directory) parents.add(fact.ino, fact.b)
        else if (fact.kind === factKind.file) this.counts.files++
      })
      for (const facts of inodes.values()) {
        for (const suspicion of judge(facts)) this.suspects.add(suspicion)
      }
    }
    this.counts.directories = parents.size
    for (const { ino } of parents.loops()) {
      this.suspects.add({ fault: 'unreachable', subject: ino, names: [], remains: noRemains })
    }
  }

  async #verify(partition: Partition): Promise<void> {
    let after: Uint8Array = new Uint8Array(0)
    do {
      this.#options.signal?.throwIfAborted()
      const { body } = await this.#cluster.query('checkData', partition, { after })
      for (const record of body.damaged) this.suspects.addRecord(record)
      this.counts.verifiedBytes += body.bytes
      after = body.next
    } while (after.length > 0)
  }
}

/** What the partition counts itself, if that is on this page. */
function countsIn(bytes: Uint8Array): Sums | null {
  for (const { kind, a, b, c } of decodeFacts(bytes)) {
    if (kind === factKind.counts) return { inodes: a, blocks: b, blockBytes: c }
  }
  return null
}
