/**
 * The holder's side of a copy: what its primary feeds is applied in order, each record in one batch with the
 * position that it leads to.
 *
 * 1. A copy that `follows` is equal to what its primary had at the position; one that is `partial` is good for
 *    nothing until its primary says that it is whole.
 * 2. What cannot be applied makes the copy partial: it is compared, and made whole, anew.
 * 3. Of several feeds of a partition the one that was opened last counts.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxFeedCalls } from '../../network/limits.ts'
import type { Incoming, Reply, Service } from '../../network/rpc/contract.ts'
import type {
  FeedItem,
  FeedReply,
  OpenFeedReply,
  RecordItem,
} from '../../network/wire/operations.ts'
import type { BlockStore } from '../blocks/contract.ts'
import { partitionRange } from '../metadata/keys.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { digestOf } from './comparing.ts'
import { type CopyRecord, copyMutation, copyState, readCopyRecord } from './copy-record.ts'
import { type Committing, CopyWriter } from './copy-writer.ts'
import type { Fences } from './fences.ts'

export interface HolderInit {
  readonly env: Env
  readonly store: MetadataStore
  readonly blocks: BlockStore
  readonly fences: Fences
  /** Hash of this boot of the machine. */
  readonly boot: bigint
  /** Names this life of the process. */
  readonly incarnation: string
  /** All that is committed is on the disks. */
  readonly sync: () => Promise<void>
  /** Whether the partition is served here, or being deleted. */
  readonly isBusy: (partition: number) => boolean
  /** Whether a later view than that of this epoch gives the copy to others. */
  readonly isUnwanted: (partition: number, epoch: number) => boolean
  /** There is something of the partition here from now on. */
  readonly opened: (partition: number) => void
  /** Something was committed. */
  readonly touched: () => void
}

interface Feed {
  readonly id: string
  readonly primary: string
  record: CopyRecord
  number: number
  /** Messages that came before their turn. */
  readonly early: Map<number, () => void>
  /** The record on the disk says so. */
  isPartial: boolean
  broken: unknown
}

const noReply: FeedReply = { differing: [], digest: null }

export class Holder {
  readonly service: Service
  readonly #init: HolderInit
  readonly #feeds = new Map<number, Feed>()
  /** What is being applied, by partition. */
  readonly #applying = new Map<number, Promise<unknown>>()

  constructor(init: HolderInit) {
    this.#init = init
    this.service = {
      openFeed: incoming => this.#open(incoming),
      feed: incoming => this.#feed(incoming),
    }
  }

  /** Nobody feeds the copy from now on; resolves when what was taken is applied. */
  async stop(partition: number): Promise<void> {
    this.#feeds.delete(partition)
    while (this.#applying.has(partition))
      await this.#applying.get(partition)!.catch(() => undefined)
  }

  async #open({ peer, partition, epoch, body }: Incoming<'openFeed'>): Promise<Reply<'openFeed'>> {
    const { store, boot, incarnation } = this.#init
    this.#assertMayFeed(peer.hello.id, partition, epoch)
    const isEmpty = await hasNoRows(store, partition)
    await this.stop(partition)
    // In one tick with what opens it: else it could be served, or deleted, by then.
    this.#assertMayFeed(peer.hello.id, partition, epoch)
    const known = readCopyRecord(store, partition)
    const state = known?.state ?? (isEmpty ? copyState.follows : copyState.partial)
    const record = known ?? { state, epoch: 0, sequence: 0, boot }
    const complete = record.state === copyState.leads || record.state === copyState.follows
    const whole = complete && record.boot === boot
    const kept = { ...record, state: whole ? copyState.follows : copyState.partial }
    const primary = peer.hello.id
    const begun = { id: body.feed, primary, record: kept, number: 0 }
    const feed: Feed = { ...begun, early: new Map(), isPartial: false, broken: null }
    this.#feeds.set(partition, feed)
    this.#init.opened(partition)
    // From now on another is the primary: whoever makes this one it again has to hear from that one first.
    if (whole && known?.state !== copyState.follows)
      await store.commit([copyMutation(partition, kept)])
    const reply: OpenFeedReply = {
      epoch: record.epoch,
      sequence: record.sequence,
      whole,
      incarnation,
    }
    return { body: reply, payload: [] }
  }

  /** @throws ClusterError STALE_EPOCH, NOT_READY. */
  #assertMayFeed(primary: string, partition: number, epoch: number): void {
    const { fences, isBusy, isUnwanted } = this.#init
    fences.pass(partition, epoch, primary)
    if (isBusy(partition)) throw new ClusterError('NOT_READY', `the copy of partition ${partition}`)
    if (!isUnwanted(partition, epoch)) return
    throw new ClusterError('STALE_EPOCH', `no copy of partition ${partition} belongs here by now`)
  }

  async #feed(incoming: Incoming<'feed'>): Promise<Reply<'feed'>> {
    const { peer, partition, epoch, body, payload } = incoming
    const feed = this.#feeds.get(partition)
    if (feed === undefined || feed.id !== body.feed) {
      throw new ClusterError('STALE_EPOCH', `another feed of partition ${partition} was opened`)
    }
    this.#init.fences.pass(partition, epoch, peer.hello.id)
    await this.#turn(feed, body.number)
    const applied = this.#apply(partition, feed, body.items, payload)
    this.#applying.set(partition, applied)
    let reply: { readonly committed: Promise<void>; readonly told: Promise<FeedReply> }
    try {
      reply = await applied
    } catch (error) {
      feed.broken ??= error
      throw error
    } finally {
      if (this.#applying.get(partition) === applied) this.#applying.delete(partition)
      feed.number++
      const next = feed.early.get(feed.number)
      feed.early.delete(feed.number)
      next?.()
    }
    await reply.committed
    return { body: await reply.told, payload: [] }
  }

  async #turn(feed: Feed, number: number): Promise<void> {
    if (number === feed.number) return
    if (!(number > feed.number) || feed.early.size > maxFeedCalls || feed.early.has(number)) {
      throw new ClusterError('MALFORMED', `message ${number} of a feed comes out of turn`)
    }
    await new Promise<void>(resolve => feed.early.set(number, resolve))
  }

  async #apply(
    partition: number,
    feed: Feed,
    items: readonly FeedItem[],
    payload: readonly Uint8Array[],
  ): Promise<{ readonly committed: Promise<void>; readonly told: Promise<FeedReply> }> {
    if (feed.broken !== null) throw feed.broken
    if (this.#feeds.get(partition) !== feed) {
      throw new ClusterError('STALE_EPOCH', `partition ${partition} is fed anew`)
    }
    const commits: Promise<void>[] = []
    let told: Promise<FeedReply> = Promise.resolve(noReply)
    let data = payload
    for (const item of items) {
      const own = hasPayload(item) ? data : []
      if (hasPayload(item)) data = []
      const result = await this.#applyItem(partition, feed, item, own)
      commits.push(result.committed)
      result.committed.catch(() => undefined)
      if (result.told !== null) told = result.told
    }
    told.catch(() => undefined)
    this.#init.touched()
    return { committed: Promise.all(commits).then(() => undefined), told }
  }

  async #applyItem(
    partition: number,
    feed: Feed,
    item: FeedItem,
    payload: readonly Uint8Array[],
  ): Promise<{ readonly committed: Promise<void>; readonly told: Promise<FeedReply> | null }> {
    const { store, boot, sync } = this.#init
    const writer = this.#writer(partition)
    if (item.kind === 'record') {
      return { ...(await this.#record(partition, feed, item, payload)), told: null }
    }
    if (item.kind === 'digest') {
      const digest = digestOf(store.range(...partitionRange(partition)))
      return {
        committed: Promise.resolve(),
        told: digest.then(sum => ({ differing: [], digest: sum })),
      }
    }
    if (item.kind === 'whole') {
      const { epoch, sequence } = item
      await sync()
      feed.record = { state: copyState.follows, epoch, sequence, boot }
      feed.isPartial = false
      const marked = store.commit([copyMutation(partition, feed.record)])
      await marked
      await sync()
      return { committed: marked, told: null }
    }
    await this.#becomePartial(partition, feed)
    if (item.kind === 'rows') {
      return { committed: store.commit(writer.rows(item.rows, payload)), told: null }
    }
    if (item.kind === 'block') {
      await writer.putBlock(item, payload)
      return { committed: Promise.resolve(), told: null }
    }
    const differing = await writer.compare(item)
    return { committed: Promise.resolve(), told: Promise.resolve({ differing, digest: null }) }
  }

  async #record(
    partition: number,
    feed: Feed,
    item: RecordItem,
    payload: readonly Uint8Array[],
  ): Promise<Committing> {
    const { epoch, sequence, previous } = item
    const { record } = feed
    const follows = record.state === copyState.follows
    // What it had before its primary knew.
    if (follows && sequence <= record.sequence) return { committed: this.#init.store.settled() }
    if (follows && previous !== record.sequence) {
      throw new ClusterError('MALFORMED', `record ${sequence} comes behind ${record.sequence}`)
    }
    if (!follows) await this.#becomePartial(partition, feed)
    const writer = this.#writer(partition)
    const next = { ...record, epoch, sequence, boot: this.#init.boot }
    const rows = writer.rows(item.rows, item.block === null ? payload : [])
    const data = item.block === null ? [] : payload
    try {
      const committing = await writer.commit(rows, item.block, data, follows ? next : null)
      if (follows) feed.record = next
      return committing
    } catch (error) {
      if (!follows) {
        // It will be found different.
        await writer.removeBlock(item.block)
        return { committed: this.#init.store.commit(rows) }
      }
      await this.#becomePartial(partition, feed)
      throw error
    }
  }

  async #becomePartial(partition: number, feed: Feed): Promise<void> {
    if (feed.isPartial) return
    feed.isPartial = true
    feed.record = { ...feed.record, state: copyState.partial, boot: this.#init.boot }
    await this.#init.store.commit([copyMutation(partition, feed.record)])
  }

  #writer(partition: number): CopyWriter {
    const { store, blocks } = this.#init
    return new CopyWriter(partition, store, blocks)
  }
}

function hasPayload(item: FeedItem): boolean {
  if (item.kind === 'block') return true
  if (item.kind === 'rows') return item.rows === null
  return item.kind === 'record' && (item.rows === null || item.block?.kind === 'write')
}

export async function hasNoRows(store: MetadataStore, partition: number): Promise<boolean> {
  for await (const _ of store.range(...partitionRange(partition), { onDamaged: () => undefined })) {
    return false
  }
  return true
}
