/**
 * Where the shards of split directories were when somebody last asked.
 *
 * 1. A hint only: a partition that does not hold what it is asked for says so, and the directory's own
 *    partition is asked for the true map.
 */
import { maxShardMaps, shardSlots } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import {
  hashBehindCookie,
  partitionOfShard,
  type ShardMap,
  shardAt,
  slotOf,
} from '../../network/placement/shards.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'

export class ShardMaps {
  readonly #partitionCount: number
  readonly #limit: number
  /** In the order in which they were learnt: the first is the next to go. */
  readonly #maps = new Map<Ino, ShardMap>()

  constructor(partitionCount: number, limit: number = maxShardMaps) {
    this.#partitionCount = partitionCount
    this.#limit = limit
  }

  /** Whether the directory is split, as far as this client knows. */
  has(directory: Ino): boolean {
    return this.#maps.has(directory)
  }

  partitionOfName(directory: Ino, name: Name): Partition {
    const map = this.#maps.size === 0 ? undefined : this.#maps.get(directory)
    if (map === undefined) return partitionOfIno(directory)
    return this.#partitionAt(directory, map, slotOf(entryHash(name)))
  }

  /** Of all shards of a directory, as far as this client knows. */
  partitionsOf(directory: Ino): readonly Partition[] {
    const map = this.#maps.get(directory)
    if (map === undefined) return [partitionOfIno(directory)]
    const partitions = new Set<Partition>()
    for (let slot = 0; slot < shardSlots; slot++) {
      partitions.add(this.#partitionAt(directory, map, slot))
    }
    return [...partitions]
  }

  /** Of the entries that follow this cookie. */
  partitionBehind(directory: Ino, cookie: number): Partition {
    const map = this.#maps.size === 0 ? undefined : this.#maps.get(directory)
    if (map === undefined) return partitionOfIno(directory)
    return this.#partitionAt(directory, map, slotOf(hashBehindCookie(cookie)))
  }

  learn(directory: Ino, map: ShardMap): void {
    this.#maps.delete(directory)
    if (map.length === 0) return
    // A copy: what came from the wire keeps all of its frame.
    this.#maps.set(directory, Uint8Array.from(map))
    if (this.#maps.size <= this.#limit) return
    const [oldest] = this.#maps.keys()
    this.#maps.delete(oldest!)
  }

  #partitionAt(directory: Ino, map: ShardMap, slot: number): Partition {
    return partitionOfShard(directory, shardAt(map, slot), this.#partitionCount)
  }
}
