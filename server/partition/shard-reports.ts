/**
 * A shard's side of its directory's totals: whoever learns anything of a shard, by an answer or a refusal,
 * learns it after the directory's own partition does.
 *
 * 1. What is told is committed.
 * 2. One message of a directory and partition is on its way at a time; what changes meanwhile goes with the
 *    next, whoever changed it.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxTotalsTold } from '../../network/limits.ts'
import type { Handler, Incoming, Reply } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type {
  OperationName,
  RequestOf,
  ShardChangedRequest,
} from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeHolding } from '../metadata/holding.ts'
import { holdingKey, partitionOfKey } from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import type { PartitionStore } from './partition-store.ts'
import { totalsOf } from './totals.ts'

interface Telling {
  readonly running: Promise<void>
  next: Promise<void> | null
}

export interface ShardReportsInit {
  readonly incarnation: string
  /** Of a partition that is served here. @throws ClusterError NOT_PRIMARY when it is not. */
  readonly storeOf: (partition: number) => Pick<PartitionStore, 'get' | 'isStaged' | 'settled'>
  readonly peers: Pick<Peers, 'call' | 'callUntilDone'>
}

export class ShardReports {
  readonly #init: ShardReportsInit
  readonly #telling = new Map<Key, Telling>()
  /** Up to which change each was told; in the order of their last use. */
  readonly #told = new Map<Key, number>()

  constructor(init: ShardReportsInit) {
    this.#init = init
  }

  /**
   * Tells what this partition counts of a directory of another one.
   * @returns null when there is nothing new.
   * @throws ClusterError CLOSED when nobody could be told: what was done is done.
   */
  tell(partition: number, ino: Ino): Promise<void> | null {
    const key = holdingKey(partition, ino)
    const record = this.#init.storeOf(partition).get(key)
    if (record === undefined) return null
    const told = this.#told.get(key)
    if (told !== undefined && told >= decodeHolding(ino, record).change) return null
    const telling = this.#telling.get(key)
    if (telling === undefined) return this.#start(key, partition, ino)
    const again = () => this.#start(key, partition, ino)
    telling.next ??= telling.running.then(again, again)
    return telling.next
  }

  /** After a start: the directory's partition may remember what was lost here. Tries until it is told. */
  async announce(partition: number, ino: Ino): Promise<void> {
    const request = await this.#reportOf(partition, ino)
    if (request === null) return
    await this.#init.peers.callUntilDone('shardChanged', partitionOfIno(ino), request)
  }

  /** The same handler, whose answers and refusals come after what they show was told. */
  reporting<N extends OperationName>(handler: Handler<N>): Handler<N> {
    return incoming => {
      const { partition, body } = incoming
      const away = directoriesOf(body).filter(ino => partitionOfIno(ino) !== partition)
      return away.length === 0 ? handler(incoming) : this.#reported(handler, incoming, away)
    }
  }

  async #reported<N extends OperationName>(
    handler: Handler<N>,
    incoming: Incoming<N>,
    away: readonly Ino[],
  ): Promise<Reply<N>> {
    try {
      const reply = await handler(incoming)
      for (const ino of away) await this.tell(incoming.partition, ino)
      return reply
    } catch (error) {
      // Another refusal says nothing of the shard, which may not even be ours.
      if (error instanceof PosixError) {
        for (const ino of away) await this.tell(incoming.partition, ino)
      }
      throw error
    }
  }

  /** The partition is served elsewhere: what was told of it says nothing any more. */
  forget(partition: number): void {
    for (const key of this.#told.keys())
      if (partitionOfKey(key) === partition) this.#told.delete(key)
  }

  #start(key: Key, partition: number, ino: Ino): Promise<void> {
    const running = this.#run(key, partition, ino).finally(() => {
      if (this.#telling.get(key)?.next === null) this.#telling.delete(key)
    })
    this.#telling.set(key, { running, next: null })
    return running
  }

  async #run(key: Key, partition: number, ino: Ino): Promise<void> {
    const request = await this.#reportOf(partition, ino)
    if (request === null) return
    try {
      await this.#init.peers.call('shardChanged', partitionOfIno(ino), request)
    } catch (cause) {
      const text = `cannot tell partition ${partitionOfIno(ino)} of a change in directory ${ino}`
      throw new ClusterError('CLOSED', text, { cause })
    }
    this.#told.delete(key)
    this.#told.set(key, request.totals.change)
    if (this.#told.size <= maxTotalsTold) return
    const [oldest] = this.#told.keys()
    this.#told.delete(oldest!)
  }

  async #reportOf(partition: number, ino: Ino): Promise<ShardChangedRequest | null> {
    const { incarnation } = this.#init
    const store = this.#init.storeOf(partition)
    const key = holdingKey(partition, ino)
    const record = store.get(key)
    if (record === undefined) return null
    if (store.isStaged(key)) await store.settled()
    return { ino, partition, incarnation, totals: totalsOf(decodeHolding(ino, record)) }
  }
}

/** The directories that a request is about. */
function directoriesOf(request: object): Ino[] {
  const { ino, parent, newParent } = request as RequestOf<'readdir'> & RequestOf<'rename'>
  if (newParent !== undefined && newParent !== parent) return [parent, newParent]
  return [parent ?? ino]
}
