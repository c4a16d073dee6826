/**
 * A shard's side of its directory's totals. What the directory's own partition, its home, has been told of a shard it relies
 * on until the shard tells it of a change. When nobody has wanted to know meanwhile, it knows nothing of the shard from
 * then on, and has to be told of no other change until it asks again.
 *
 * 1. Whoever learns anything of a shard, by an answer or a refusal, learns it when home does not rely any more on what
 *    was before. What home may rely on is not known after a start, and of what was forgotten: it is told.
 * 2. What home is answered it uses only if the shard has not told it of a change since it asked (totals.ts). So it may
 *    rely on what the shard counted when the question came, or on something newer.
 * 3. What is told is committed.
 * 4. One message of a directory and partition is on its way at a time: a question that comes meanwhile may be from
 *    behind it.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxTotalsRelied } from '../../network/limits.ts'
import type { Handler, Incoming, Reply } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type {
  GetattrReply,
  OperationName,
  RequestOf,
  ShardChangedReply,
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

/** In place of a change: home relies on nothing. */
const nothing = Infinity
/** In place of a change: nobody knows on what home relies. */
const unknown = -Infinity

/** A message on its way to home. */
interface Telling {
  done: Promise<Shown>
  /** What home may rely on when it has arrived. */
  relied: number
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
  readonly limit?: number
}

export class ShardReports {
  readonly #init: ShardReportsInit
  readonly #limit: number
  readonly #telling = new Map<Key, Telling>()
  readonly #changing = new Map<Key, Changing>()
  /** The oldest change that home may rely on, or `nothing`; in the order of their last message. */
  readonly #relied = new Map<Key, number>()

  constructor(init: ShardReportsInit) {
    this.#init = init
    this.#limit = init.limit ?? maxTotalsRelied
  }

  /**
   * Tells home what this partition counts.
   * @returns null when home does not rely on anything older.
   * @throws ClusterError CLOSED when it could not be told: what was done is done.
   */
  tell(partition: number, ino: Ino): Promise<Shown> | null {
    const key = holdingKey(partition, ino)
    if (this.#relied.get(key) === nothing) return null
    const change = this.#changeOf(key, partition, ino)
    if (change === null || this.#hasHeard(key, change)) return null
    return this.#tell(key, partition, ino, change)
  }

  /** After a start: home may rely on what was lost here. Tries until it is told. */
  async announce(partition: number, ino: Ino): Promise<void> {
    const request = await this.#reportOf(partition, ino)
    if (request === null) return
    // Nobody waits for this one before he is answered.
    const unnamed = { ...request, client: null }
    await this.#init.peers.callUntilDone('shardChanged', partitionOfIno(ino), unnamed)
  }

  /** The same handler, by whose answer home may rely on what this partition counts. */
  reliedUpon(handler: Handler<'shardTotals'>): Handler<'shardTotals'> {
    return incoming => {
      this.#asked(incoming.partition, incoming.body.ino)
      return handler(incoming)
    }
  }

  /** The same handler, whose answers and refusals come when nobody is told any more what was before them. */
  reporting<N extends OperationName>(handler: Handler<N>): Handler<N> {
    return incoming => {
      const away = directoriesAway(incoming.partition, incoming.body)
      if (away.length === 0) return handler(incoming)
      return this.#reported(handler, incoming, away).then(([reply]) => reply)
    }
  }

  /** As `reporting`, for what changes a name, and shows the directory when it is at hand. */
  reportingChange<N extends ChangesName>(handler: Handler<N>): Handler<N> {
    return async incoming => {
      const away = directoriesAway(incoming.partition, incoming.body)
      if (away.length === 0) return await handler(incoming)
      const keys = away.map(ino => holdingKey(incoming.partition, ino))
      this.#begin(keys, incoming.peer.hello.id)
      let goesElsewhere = false
      try {
        const [reply, shown] = await this.#reported(handler, incoming, away)
        return withParent(reply, shown.get(incoming.body.parent) ?? null)
      } catch (error) {
        goesElsewhere = error instanceof ClusterError && error.code === 'MISPLACED'
        throw error
      } finally {
        this.#end(keys)
        // One may name this client, on the word that it keeps nothing: it asks for the directory next.
        if (goesElsewhere) await this.#tellingsOf(keys)
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

  /** Resolves when those that are on their way have arrived, or were lost. */
  async #tellingsOf(keys: readonly Key[]): Promise<void> {
    await Promise.allSettled(keys.map(key => this.#telling.get(key)?.done))
  }

  /** The partition is served elsewhere: what is known of it here says nothing any more. */
  forget(partition: number): void {
    for (const key of this.#relied.keys())
      if (partitionOfKey(key) === partition) this.#relied.delete(key)
    for (const [key, telling] of this.#telling)
      if (partitionOfKey(key) === partition) telling.relied = unknown
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

  /** null: there is no such shard. */
  #changeOf(key: Key, partition: number, ino: Ino): number | null {
    const record = this.#init.storeOf(partition).get(key)
    return record === undefined ? null : decodeHolding(ino, record).change
  }

  #hasHeard(key: Key, change: number): boolean {
    return (this.#relied.get(key) ?? unknown) >= change
  }

  /** What it is answered is this, or newer. */
  #asked(partition: number, ino: Ino): void {
    const key = holdingKey(partition, ino)
    const change = this.#changeOf(key, partition, ino)
    if (change === null) return
    const relied = this.#relied.get(key)
    if (relied !== undefined && relied > change) this.#relied.set(key, change)
    const telling = this.#telling.get(key)
    if (telling !== undefined && telling.relied > change) telling.relied = change
  }

  async #tell(key: Key, partition: number, ino: Ino, change: number): Promise<Shown> {
    const before = this.#telling.get(key)
    if (before !== undefined) {
      await before.done.catch(() => undefined)
      if (this.#hasHeard(key, change)) return null
    }
    // One that is under way by now was begun after the change.
    return await (this.#telling.get(key)?.done ?? this.#start(key, partition, ino))
  }

  #start(key: Key, partition: number, ino: Ino): Promise<Shown> {
    const telling: Telling = { done: Promise.resolve(null), relied: nothing }
    this.#telling.set(key, telling)
    telling.done = this.#send(key, telling, partition, ino).finally(() => this.#telling.delete(key))
    return telling.done
  }

  async #send(key: Key, telling: Telling, partition: number, ino: Ino): Promise<Shown> {
    const request = await this.#reportOf(partition, ino)
    if (request === null) return null
    const { relies, parent } = await this.#call(request)
    if (telling.relied === unknown) return null
    this.#relied.delete(key)
    this.#relied.set(key, Math.min(telling.relied, relies ? request.totals.change : nothing))
    if (this.#relied.size > this.#limit) {
      const [oldest] = this.#relied.keys()
      this.#relied.delete(oldest!)
    }
    return parent
  }

  async #call(request: ShardChangedRequest): Promise<ShardChangedReply> {
    const { ino } = request
    try {
      return (await this.#init.peers.call('shardChanged', partitionOfIno(ino), request)).body
    } catch (cause) {
      const text = `cannot tell partition ${partitionOfIno(ino)} of a change in directory ${ino}`
      throw new ClusterError('CLOSED', text, { cause })
    }
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
