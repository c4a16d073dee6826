/** How a client of a test's cluster finds the partition of a name: by a map that may be old, corrected when it is. */

import { ClusterError } from '../../network/errors.ts'
import { shardSlots } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import {
  hashBehindCookie,
  partitionOfShard,
  type ShardMap,
  shardAt,
  slotOf,
} from '../../network/placement/shards.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { entriesOfRecords, recordsOf } from '../../network/wire/directory-records.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Mutation, Name, NamedEntry, RequestOf } from '../../network/wire/operations.ts'
import type { TestCluster } from './cluster.ts'

type NameMutation = 'create' | 'link' | 'mkdir' | 'rename' | 'rmdir' | 'unlink'

export class NameRoutes {
  readonly #cluster: TestCluster
  readonly #maps = new Map<Ino, ShardMap>()
  /** Requests that went to the wrong partition. */
  misplaced = 0

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
  }

  mutate<N extends NameMutation>(
    operation: N,
    request: Omit<RequestOf<N>, keyof Mutation> & { readonly parent: Ino; readonly name: Name },
  ): Promise<Reply<N>> {
    const { parent, name } = request
    return this.#at(parent, slotOf(entryHash(name)), partition =>
      this.#cluster.mutate(operation, partition, request),
    )
  }

  lookup(parent: Ino, name: Name): Promise<Reply<'lookup'>> {
    return this.#at(parent, slotOf(entryHash(name)), partition =>
      this.#cluster.ask('lookup', partition, { parent, name }),
    )
  }

  /** The whole directory in steps, doing something between them. */
  async list(
    ino: Ino,
    limitBytes: number,
    between: () => unknown = () => undefined,
  ): Promise<NamedEntry[]> {
    const seen: NamedEntry[] = []
    for (let cookie = 0; ; ) {
      const request = { ino, cookie, limitBytes }
      const { body, payload } = await this.#at(ino, slotOf(hashBehindCookie(cookie)), partition =>
        this.#cluster.ask('readdir', partition, request),
      )
      seen.push(...entriesOfRecords(recordsOf(payload)))
      if (body.end) return seen
      cookie = body.next
      await between()
    }
  }

  async #at<T>(
    directory: Ino,
    slot: number,
    attempt: (partition: number) => Promise<T>,
  ): Promise<T> {
    const { partitions } = this.#cluster.view
    for (let moves = 0; ; moves++) {
      const map = this.#maps.get(directory) ?? new Uint8Array(0)
      try {
        return await attempt(partitionOfShard(directory, shardAt(map, slot), partitions.length))
      } catch (error) {
        if (!(error instanceof ClusterError) || error.code !== 'MISPLACED') throw error
        if (moves > shardSlots) throw new Error('nobody has it', { cause: error })
      }
      this.misplaced++
      const home = partitionOfIno(directory)
      const { body } = await this.#cluster.ask('shards', home, { ino: directory })
      this.#maps.set(directory, body.shards)
    }
  }
}
