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
  GetattrReply,
  OperationName,
  RequestOf,
  ShardChangedRequest,
} from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeHolding } from '../metadata/holding.ts'
import { holdingKey, partitionOfKey } from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import type { PartitionStore } from './partition-store.ts'
import { type ChangesName, withParent } from './shown-parents.ts'
import { totalsOf } from './totals.ts'

/** What the directory says of itself then, to whoever alone had changed it. */
type Shown = GetattrReply | null

interface Telling {
  readonly running: Promise<Shown>
  next: Promise<Shown> | null
}

/** Requests under way that change a name. */
interface Changing {
  count: number
  /** Whose they are; null: of several. */
  client: string | null
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
  readonly #changing = new Map<Key, Changing>()
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
  tell(partition: number, ino: Ino): Promise<Shown> | null {
    const key = holdingKey(partition, ino)
    if (!this.#hasNews(key, partition, ino)) return null
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
    // Nobody waits for this one before he is answered.
    const unnamed = { ...request, client: null }
    await this.#init.peers.callUntilDone('shardChanged', partitionOfIno(ino), unnamed)
  }

  /** The same handler, whose answers and refusals come after what they show was told. */
  reporting<N extends OperationName>(handler: Handler<N>): Handler<N> {
    return incoming => {
      const away = directoriesAway(incoming.partition, incoming.body)
      if (away.length === 0) return handler(incoming)
      return this.#reported(handler, incoming, away).then(([reply]) => reply)
    }
  }

  /** As `reporting`, for what changes a name, and shows the directory when it is the only one to do so. */
  reportingChange<N extends ChangesName>(handler: Handler<N>): Handler<N> {
    return async incoming => {
      const away = directoriesAway(incoming.partition, incoming.body)
      if (away.length === 0) return await handler(incoming)
      const keys = away.map(ino => holdingKey(incoming.partition, ino))
      this.#begin(keys, incoming.peer.hello.id)
      try {
        const [reply, shown] = await this.#reported(handler, incoming, away)
        return withParent(reply, shown.get(incoming.body.parent) ?? null)
      } catch (error) {
        // A report may name this client, on the word that it keeps nothing: it asks for the directory next.
        if (error instanceof ClusterError && error.code === 'MISPLACED') await this.#reportsOf(keys)
        throw error
      } finally {
        this.#end(keys)
      }
    }
  }

  /** As `reporting`, for a part of a transaction that is refused; what is granted is doubted before it is decided. */
  reportingRefusal(handler: Handler<'prepare'>): Handler<'prepare'> {
    return async incoming => {
      try {
        return await handler(incoming)
      } catch (error) {
        if (error instanceof PosixError) {
          const { partition, body } = incoming
          const away = directoriesAway(partition, Object(body.argument))
          await this.#tellAll(partition, away)
        }
        throw error
      }
    }
  }

  async #reported<N extends OperationName>(
    handler: Handler<N>,
    incoming: Incoming<N>,
    away: readonly Ino[],
  ): Promise<[Reply<N>, ReadonlyMap<Ino, Shown>]> {
    const { partition } = incoming
    try {
      const reply = await handler(incoming)
      return [reply, await this.#tellAll(partition, away)]
    } catch (error) {
      // Another refusal says nothing of the shard, which may not even be ours.
      if (error instanceof PosixError) await this.#tellAll(partition, away)
      throw error
    }
  }

  async #tellAll(partition: number, directories: readonly Ino[]): Promise<ReadonlyMap<Ino, Shown>> {
    const shown = new Map<Ino, Shown>()
    for (const ino of directories) shown.set(ino, await this.tell(partition, ino))
    return shown
  }

  /** Resolves when what is being told of these has been told, or could not be. */
  async #reportsOf(keys: readonly Key[]): Promise<void> {
    const tellings = keys.map(key => this.#telling.get(key))
    await Promise.allSettled(tellings.map(telling => telling?.next ?? telling?.running))
  }

  /** The partition is served elsewhere: what was told of it says nothing any more. */
  forget(partition: number): void {
    for (const key of this.#told.keys())
      if (partitionOfKey(key) === partition) this.#told.delete(key)
  }

  #begin(keys: readonly Key[], client: string): void {
    for (const key of keys) {
      const changing = this.#changing.get(key)
      if (changing === undefined) this.#changing.set(key, { count: 1, client })
      else {
        changing.count++
        if (changing.client !== client) changing.client = null
      }
    }
  }

  #end(keys: readonly Key[]): void {
    for (const key of keys) {
      const changing = this.#changing.get(key)!
      if (--changing.count === 0) this.#changing.delete(key)
    }
  }

  #hasNews(key: Key, partition: number, ino: Ino): boolean {
    const record = this.#init.storeOf(partition).get(key)
    if (record === undefined) return false
    const told = this.#told.get(key)
    return told === undefined || told < decodeHolding(ino, record).change
  }

  #start(key: Key, partition: number, ino: Ino): Promise<Shown> {
    const running = this.#run(key, partition, ino).finally(() => {
      if (this.#telling.get(key)?.next === null) this.#telling.delete(key)
    })
    this.#telling.set(key, { running, next: null })
    return running
  }

  async #run(key: Key, partition: number, ino: Ino): Promise<Shown> {
    if (!this.#hasNews(key, partition, ino)) return null
    const request = await this.#reportOf(partition, ino)
    if (request === null) return null
    let shown: Shown
    try {
      const { body } = await this.#init.peers.call('shardChanged', partitionOfIno(ino), request)
      shown = body.parent
    } catch (cause) {
      const text = `cannot tell partition ${partitionOfIno(ino)} of a change in directory ${ino}`
      throw new ClusterError('CLOSED', text, { cause })
    }
    this.#told.delete(key)
    this.#told.set(key, request.totals.change)
    if (this.#told.size > maxTotalsTold) {
      const [oldest] = this.#told.keys()
      this.#told.delete(oldest!)
    }
    return shown
  }

  async #reportOf(partition: number, ino: Ino): Promise<ShardChangedRequest | null> {
    const { incarnation } = this.#init
    const store = this.#init.storeOf(partition)
    const key = holdingKey(partition, ino)
    const record = store.get(key)
    if (record === undefined) return null
    if (store.isStaged(key)) await store.settled()
    // Who changes it is in the middle of that, and keeps nothing of the directory until it is answered.
    const client = this.#changing.get(key)?.client ?? null
    return { ino, partition, incarnation, totals: totalsOf(decodeHolding(ino, record)), client }
  }
}

/** The directories that a request is about, as far as they are at home elsewhere. */
function directoriesAway(partition: number, request: object): Ino[] {
  return directoriesOf(request).filter(
    ino => Number.isSafeInteger(ino) && partitionOfIno(ino) !== partition,
  )
}

function directoriesOf(request: object): Ino[] {
  const { ino, parent, newParent } = request as RequestOf<'readdir'> & RequestOf<'rename'>
  if (newParent !== undefined && newParent !== parent) return [parent, newParent]
  return [parent ?? ino]
}
