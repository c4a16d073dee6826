/**
 * The other copies of one partition, as its primary keeps them: every record goes to each of them, in order.
 *
 * 1. A record is acknowledged when it is committed here and in every copy that is required: those that the
 *    view has in sync, and those that the manager has been asked to take for so.
 * 2. Positions are never used twice: a primary goes on behind the last, and in a later epoch when it has changed
 *    anything that was not numbered.
 * 3. Records are kept until all that are required have them: a connection that breaks loses nothing.
 */
import { ClusterError } from '../../network/errors.ts'
import { leaseMs, maxFeedBodyRows } from '../../network/limits.ts'
import type { Position } from '../../network/wire/operations.ts'
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import type { ShippedBlock, Shipping } from '../partition/partition-store.ts'
import { type CopyRecord, copyMutation, copyState, samePosition } from './copy-record.ts'
import type { Fed } from './feed-stream.ts'
import { HolderLink, type LinkInit } from './holder-link.ts'
import { encodeRows, isBlockKey } from './rows.ts'

export interface Shipped extends Position {
  readonly fed: Fed
  readonly bytes: number
  readonly keys: readonly Key[]
  readonly acknowledged: PromiseWithResolvers<void>
  isCommitted: boolean
}

export interface ShippingInit extends Omit<LinkInit, 'shipping' | 'member'> {
  readonly self: MemberId
  /** Hash of this boot of the machine. */
  readonly boot: bigint
  readonly partition: number
  /** Where it goes on. */
  readonly position: Position
  /** Somebody's lease is needed now. */
  readonly leaseWanted: () => void
}

export class PartitionShipping implements Shipping {
  readonly partition: number
  readonly #init: ShippingInit
  readonly #links = new Map<MemberId, HolderLink>()
  /** Which record last changed what is not acknowledged yet. */
  readonly #unacknowledged = new Map<Key, number>()
  #log: Shipped[] = []
  #position: Position
  /** Of the last record that all who are required have. */
  #base: Position
  #previous = 0
  /** Numbers that may have been used before this process: a holder that has some of those is no copy of ours. */
  #gap = positionGap
  #epoch = 0
  #isClosed = false

  constructor(init: ShippingInit) {
    this.#init = init
    this.partition = init.partition
    this.#position = init.position
    this.#base = init.position
  }

  get epoch(): number {
    return this.#epoch
  }

  get position(): Position {
    return this.#position
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get links(): Iterable<HolderLink> {
    return this.#links.values()
  }

  /** The partition's state in a newer view, in which this server is still its primary. */
  follow(state: PartitionState): void {
    this.#epoch = state.epoch
    for (const [member, link] of this.#links) {
      if (state.replicas.includes(member)) continue
      this.#links.delete(member)
      link.end()
    }
    for (const member of state.replicas) {
      if (member === this.#init.self) continue
      const isInSync = state.inSync.includes(member)
      const link = this.#links.get(member)
      if (link !== undefined) link.follow(isInSync)
      else
        this.#links.set(member, new HolderLink({ ...this.#init, shipping: this, member }, isInSync))
    }
    this.#init.leaseWanted()
    this.advance()
  }

  mark(): KeyMutation {
    this.#previous = this.#position.sequence
    this.#position = { epoch: this.#epoch, sequence: this.#previous + 1 + this.#gap }
    this.#gap = 0
    return copyMutation(this.partition, this.#leads())
  }

  /** What the record of this copy says from now on. */
  leads(): KeyMutation {
    return copyMutation(this.partition, this.#leads())
  }

  ship(
    mutations: readonly KeyMutation[],
    block: ShippedBlock | null,
    committed: Promise<void>,
  ): Promise<void> {
    const shipped = shippedOf(this.#position, this.#previous, mutations, block)
    const waits: Promise<void>[] = []
    for (const link of this.#links.values()) {
      const pressing = link.send(shipped)
      if (pressing !== null) waits.push(pressing)
    }
    if (!this.#isRequired()) {
      this.#base = this.#position
      return waits.length === 0
        ? committed
        : Promise.all([committed, ...waits]).then(() => undefined)
    }
    this.#log.push(shipped)
    for (const key of shipped.keys) this.#unacknowledged.set(key, shipped.sequence)
    committed.then(
      () => {
        shipped.isCommitted = true
        this.advance()
      },
      error => shipped.acknowledged.reject(error),
    )
    return shipped.acknowledged.promise
  }

  isStaged(key: Key): boolean {
    return this.#unacknowledged.has(key)
  }

  settled(): Promise<void> {
    return this.#log.at(-1)?.acknowledged.promise ?? Promise.resolve()
  }

  async sync(): Promise<void> {
    await this.settled()
    await Promise.all([...this.#links.values()].map(link => link.sync()))
  }

  /**
   * What a holder has not got that stands at `position`.
   * @returns null when its copy is none of this one's past that is remembered.
   */
  recordsAfter(position: Position): readonly Shipped[] | null {
    if (samePosition(position, this.#base)) return [...this.#log]
    const index = this.#log.findIndex(record => samePosition(record, position))
    return index < 0 ? null : this.#log.slice(index + 1)
  }

  /** Somebody has more, or somebody is required no longer. */
  advance(): void {
    if (this.#isClosed) return
    const required = [...this.#links.values()].filter(link => link.isRequired)
    let done = 0
    for (const record of this.#log) {
      if (!record.isCommitted || required.some(link => link.acked < record.sequence)) break
      done++
    }
    if (done === 0) return
    for (const record of this.#log.splice(0, done)) {
      this.#base = { epoch: record.epoch, sequence: record.sequence }
      for (const key of record.keys) {
        if (this.#unacknowledged.get(key) === record.sequence) this.#unacknowledged.delete(key)
      }
      record.acknowledged.resolve()
    }
  }

  /** @throws ClusterError NOT_READY when a holder in sync may let another serve. */
  assertLease(): void {
    const nowMs = this.#init.env.clock.uptimeMs()
    for (const link of this.#links.values()) {
      if (!link.isRequired || nowMs < link.grantedMs + leaseMs) continue
      const text = `a holder of partition ${this.partition} does not renew its lease`
      throw new ClusterError('NOT_READY', text)
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const link of this.#links.values()) link.end()
    this.#links.clear()
    const text = `partition ${this.partition} is served elsewhere: nobody knows here what became of this`
    for (const { acknowledged } of this.#log) acknowledged.reject(new ClusterError('CLOSED', text))
    this.#log = []
    this.#unacknowledged.clear()
  }

  #isRequired(): boolean {
    if (this.#log.length > 0) return true
    for (const link of this.#links.values()) if (link.isRequired) return true
    return false
  }

  #leads(): CopyRecord {
    const { epoch, sequence } = this.#position
    return { state: copyState.leads, epoch, sequence, boot: this.#init.boot }
  }
}

/** More than a primary ships before it is started again. */
const positionGap = 2 ** 32

function shippedOf(
  { epoch, sequence }: Position,
  previous: number,
  mutations: readonly KeyMutation[],
  block: ShippedBlock | null,
): Shipped {
  const own = mutations.filter(({ key }) => !isBlockKey(key))
  const encoded = encodeRows(own)
  const inBody = encoded.length <= maxFeedBodyRows || block !== null
  const data = block?.change.kind === 'write' ? block.data : []
  let bytes = encoded.length
  for (const piece of data) bytes += piece.length
  const acknowledged = Promise.withResolvers<void>()
  acknowledged.promise.catch(() => undefined)
  const item = {
    kind: 'record' as const,
    epoch,
    sequence,
    previous,
    rows: inBody ? encoded : null,
    block: block?.change ?? null,
  }
  return {
    epoch,
    sequence,
    fed: { item, payload: inBody ? data : [encoded] },
    bytes,
    keys: mutations.map(({ key }) => key),
    acknowledged,
    isCommitted: false,
  }
}
