/**
 * A primary's way to one holder of a copy: feeds it until it is whole, keeps it so, and tells the manager when
 * it has become so or does not answer any more.
 *
 * 1. Required from the tick on in which it was said to be whole, until a view says that it is not in sync, or
 *    the manager has heard that it is lost.
 * 2. One stream at a time; what breaks it is followed by another, from where the holder stands. That goes on while
 *    the manager, which may be away, is told that the holder is lost.
 * 3. What cannot be read here holds the copy up: it takes no turn of others, and is tried again when that was changed.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  feedRetryMs,
  maxFeedQueueBytes,
  replicaTimeoutMs,
  retryFirstDelayMs,
  retryLongestDelayMs,
} from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { CopyReport } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import { viewFromWire } from '../../network/wire/wire-view.ts'
import { DamagedSource } from './damaged-source.ts'
import { FeedStream } from './feed-stream.ts'
import type { FeedTurns } from './feed-turns.ts'
import { type FeedSource, feedCopy } from './feeding.ts'
import { Hold } from './hold.ts'
import type { ManagerTold } from './manager.ts'
import type { PartitionShipping, Shipped } from './shipping.ts'

export interface LinkInit {
  readonly env: Env
  readonly shipping: PartitionShipping
  readonly member: MemberId
  readonly source: FeedSource
  /** Bytes of data and metadata in the partition, about. */
  readonly totalBytes: () => number
  readonly turns: FeedTurns
  readonly manager: ManagerTold
  readonly dial: (member: MemberId) => Promise<Peer>
  /** All that is committed here is on the disks: of other partitions, too, on which this one may rest. */
  readonly sync: () => Promise<void>
  /** All that this life of the holder has is on its disks. */
  readonly syncReplica: (member: MemberId, incarnation: string) => Promise<void>
  /** Takes a view that a holder has. */
  readonly adopt: (view: View) => void
  readonly log: (message: string, error?: unknown) => void
}

/** What the holder has cannot be continued. */
class Lost extends Error {
  override readonly name = 'Lost'
}

export class HolderLink {
  readonly member: MemberId
  /** Up to which record it has all. */
  acked = 0
  /** When its last lease was asked for; it lasts `leaseMs` from then on. */
  grantedMs = Number.NEGATIVE_INFINITY
  readonly #init: LinkInit
  readonly #ending = new AbortController()
  #isInSync: boolean
  #isJoining = false
  /** The manager has been asked to take it for in sync. */
  #mayBeInSync = false
  #stream: FeedStream | null = null
  #incarnation = ''
  #failingSinceMs: number | null = null
  /** The manager is being told that it is lost. */
  #isTellingLost = false
  /** Resolves when it is required no longer. */
  #released = Promise.withResolvers<void>()
  #progress: { done: number; total: number } | null = null
  #hold: Hold | null = null
  /** Why it could not be fed, as was logged last. */
  #logged = ''

  constructor(init: LinkInit, isInSync: boolean) {
    this.#init = init
    this.member = init.member
    this.#isInSync = isInSync
    void this.#run()
  }

  get isRequired(): boolean {
    return this.#isInSync || this.#isJoining
  }

  get report(): CopyReport | null {
    const { partition } = this.#init.shipping
    if (this.#hold !== null) {
      const nothing = { doneBytes: 0, totalBytes: 0 }
      return { partition, member: this.member, ...nothing, held: this.#hold.reason }
    }
    if (this.#progress === null) return null
    const { done, total } = this.#progress
    const doneBytes = Math.min(done, total)
    return { partition, member: this.member, doneBytes, totalBytes: total }
  }

  follow(isInSync: boolean): void {
    const was = this.#isInSync
    this.#isInSync = isInSync
    if (isInSync) this.#isJoining = false
    if (was && !isInSync) {
      this.#release()
      this.#stream?.fail(new Lost('the manager has taken the copy for lost'))
    }
  }

  /** @returns when there is room again, where too much waits already. */
  send(record: Shipped): Promise<void> | null {
    this.#hold?.changed(record.keys)
    const stream = this.#stream
    if (stream === null) return null
    const sent = stream.push(record.fed, record.bytes).then(() => this.#has(record.sequence))
    const settled = sent.catch(() => undefined)
    return !this.isRequired && stream.queuedBytes > maxFeedQueueBytes ? settled : null
  }

  /** All that it has is on its disks; resolves as well when it is required no longer. */
  async sync(): Promise<void> {
    const { env } = this.#init
    for (let delayMs = retryFirstDelayMs; this.isRequired && !this.#ending.signal.aborted; ) {
      try {
        const synced = this.#init.syncReplica(this.member, this.#incarnation).then(() => true)
        if (await Promise.race([synced, this.#released.promise])) return
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        await env.timers.sleep(delayMs)
        delayMs = Math.min(2 * delayMs, retryLongestDelayMs)
      }
    }
    this.#assertOpen()
  }

  end(): void {
    this.#ending.abort()
    this.#stream?.fail(new ClusterError('CLOSED', 'the copy is fed no longer'))
    this.#isInSync = false
    this.#release()
  }

  /** To be called when neither the view nor this server takes it for in sync. */
  #release(): void {
    this.#isJoining = false
    this.#released.resolve()
    this.#released = Promise.withResolvers()
  }

  #assertOpen(): void {
    if (!this.#init.shipping.isClosed) return
    throw new ClusterError('CLOSED', 'the partition is served elsewhere')
  }

  #has(sequence: number): void {
    if (sequence <= this.acked) return
    this.acked = sequence
    this.#failingSinceMs = null
    this.#init.shipping.advance()
  }

  async #run(): Promise<void> {
    const { env } = this.#init
    let delayMs = retryFirstDelayMs
    while (!this.#ending.signal.aborted) {
      const startedMs = env.clock.monotonicMs()
      try {
        await this.#session()
      } catch (error) {
        if (this.#ending.signal.aborted) return
        this.#stream?.fail(error)
        this.#stream = null
        this.#progress = null
        await this.#recover(error)
      }
      if (env.clock.monotonicMs() - startedMs > feedRetryMs) delayMs = retryFirstDelayMs
      const pauseMs = this.isRequired ? Math.min(delayMs, retryLongestDelayMs) : feedRetryMs
      if (this.#hold === null) {
        await env.timers.sleep(pauseMs, this.#ending.signal).catch(() => undefined)
      } else await this.#hold.over(env.timers, this.#ending.signal)
      this.#hold = null
      delayMs = Math.min(2 * delayMs, retryLongestDelayMs)
    }
  }

  async #session(): Promise<never> {
    const { env, shipping } = this.#init
    const peer = await this.#init.dial(this.member)
    const feed = env.random.id()
    const { partition } = shipping
    const options = { partition, epoch: shipping.epoch }
    const { body } = await peer.call('openFeed', { feed }, options)
    this.#ending.signal.throwIfAborted()
    const stream = new FeedStream({ peer, feed, partition, epoch: () => shipping.epoch })
    if (this.isRequired) {
      const missing = body.whole ? shipping.recordsAfter(body) : null
      if (missing === null) throw new Lost('its copy is not the one that was in sync')
      this.#incarnation = body.incarnation
      this.#stream = stream
      this.#failingSinceMs = null
      this.#logged = ''
      this.#has(missing.length === 0 ? shipping.position.sequence : previousOf(missing[0]!))
      for (const record of missing) this.send(record)
      await this.#tellInSync(stream)
    } else {
      this.#incarnation = body.incarnation
      await this.#catchUp(stream)
    }
    throw await stream.failed
  }

  async #catchUp(stream: FeedStream): Promise<void> {
    const { turns, source, shipping, totalBytes } = this.#init
    const failed = new AbortController()
    void stream.failed.then(() => failed.abort())
    const ended = AbortSignal.any([failed.signal, this.#ending.signal])
    const fed = turns.run(ended, async sending => {
      this.#stream = stream
      this.#progress = { done: 0, total: Math.max(1, totalBytes()) }
      const passed = (bytes: number): void => {
        if (this.#progress !== null) this.#progress.done += bytes
      }
      await feedCopy(source, stream, { passed, sending })
    })
    // What ended the stream says more than that it has ended.
    await fed.catch(async error => {
      throw stream.isDown ? await stream.failed : error
    })
    // No loss of power here may leave the copy ahead of what it rests on, which has no other copy.
    await this.#init.sync()
    if (stream.isDown) throw await stream.failed
    // In this tick: every record that comes behind needs it.
    this.#isJoining = true
    this.#mayBeInSync = false
    this.acked = shipping.position.sequence
    const item = { kind: 'whole' as const, ...shipping.position }
    const whole = stream.push({ item, payload: [] }, 1)
    await whole
    this.#progress = null
    this.#logged = ''
    await this.#tellInSync(stream)
  }

  /** Where the manager has not heard it before the stream ends, the next stream goes on with that. */
  async #tellInSync(stream: FeedStream): Promise<void> {
    const { shipping, manager } = this.#init
    const { partition } = shipping
    await manager.tell('replicaInSync', () => {
      if (stream.isDown || this.#isInSync || shipping.isClosed) return null
      this.#mayBeInSync = true
      return { partition, epoch: shipping.epoch, member: this.member }
    })
  }

  async #recover(error: unknown): Promise<void> {
    const { env, shipping, log } = this.#init
    if (error instanceof ClusterError && error.code === 'STALE_EPOCH') await this.#learnView()
    if (!this.#isInSync && !this.#mayBeInSync) {
      this.#release()
      shipping.advance()
    }
    if (!this.isRequired) {
      if (error instanceof DamagedSource) this.#hold = new Hold(error)
      const why = error instanceof Error ? error.message : String(error)
      if (this.#logged !== why) log(this.#notFed(), error)
      this.#logged = why
      return
    }
    const nowMs = env.clock.monotonicMs()
    this.#failingSinceMs ??= nowMs
    if (!(error instanceof Lost) && nowMs - this.#failingSinceMs < replicaTimeoutMs) return
    if (this.#isTellingLost) return
    log(`a copy of partition ${shipping.partition} is lost`, error)
    this.#isTellingLost = true
    const reason = error instanceof Error ? error.message : String(error)
    void this.#tellLost(reason.slice(0, 256)).finally(() => {
      this.#isTellingLost = false
    })
  }

  #notFed(): string {
    const copy = `the copy of partition ${this.#init.shipping.partition}`
    if (this.#hold === null) return `cannot feed ${copy} yet`
    return `${copy} on ${this.member} is held up until what is damaged here was repaired`
  }

  /** As long as it is: what has gone on meanwhile counts as in sync until a view says otherwise. */
  async #tellLost(reason: string): Promise<void> {
    const { shipping, manager } = this.#init
    const { partition } = shipping
    const isLost = () => this.isRequired && !shipping.isClosed && this.#failingSinceMs !== null
    const heard = await manager.tell('replicaLost', () =>
      isLost() ? { partition, epoch: shipping.epoch, member: this.member, reason } : null,
    )
    if (!heard || !isLost()) return
    if (!this.#isInSync) this.#release()
    this.#failingSinceMs = null
    shipping.advance()
  }

  async #learnView(): Promise<void> {
    try {
      const peer = await this.#init.dial(this.member)
      const { view } = (await peer.call('view', {})).body
      if (view !== null) this.#init.adopt(viewFromWire(view))
    } catch (error) {
      this.#init.log('cannot fetch the view of another server', error)
    }
  }
}

function previousOf({ fed: { item } }: Shipped): number {
  return item.kind === 'record' ? item.previous : 0
}
