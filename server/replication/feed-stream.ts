/**
 * What a primary has to tell one holder of a copy, in order, over one connection.
 *
 * 1. Items arrive in the order in which they were pushed, also when their contents come later.
 * 2. After the first failure nothing more is sent, and everything pushed fails.
 */
import { ClusterError } from '../../network/errors.ts'
import { feedDeadlineMs, feedRowBytes, maxFeedCalls } from '../../network/limits.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { FeedItem, FeedReply } from '../../network/wire/operations.ts'

export interface Fed {
  readonly item: FeedItem
  readonly payload: readonly Uint8Array[]
}

interface Queued {
  readonly fed: Fed | Promise<Fed>
  readonly bytes: number
  readonly done: PromiseWithResolvers<FeedReply>
}

export interface FeedStreamInit {
  readonly peer: Peer
  readonly feed: string
  readonly partition: number
  /** Of the partition, as known now. */
  readonly epoch: () => number
}

export class FeedStream {
  /** Resolves with what ended it. */
  readonly failed: Promise<unknown>
  readonly #init: FeedStreamInit
  readonly #failure = Promise.withResolvers<unknown>()
  readonly #sent = new Set<Queued>()
  #queue: Queued[] = []
  #queuedBytes = 0
  #calls = 0
  #number = 0
  #pumping = false
  #isDown = false
  #error: unknown = null

  constructor(init: FeedStreamInit) {
    this.#init = init
    this.failed = this.#failure.promise
    void init.peer.closed.then(error => {
      this.fail(error ?? new ClusterError('CLOSED', 'the holder of a copy has closed'))
    })
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get isDown(): boolean {
    return this.#isDown
  }

  /** @param bytes what it takes while it waits. */
  push(fed: Fed | Promise<Fed>, bytes: number): Promise<FeedReply> {
    const done = Promise.withResolvers<FeedReply>()
    done.promise.catch(() => undefined)
    // Whoever waits for its turn hears of it.
    if (fed instanceof Promise) fed.catch(() => undefined)
    if (this.#isDown) {
      done.reject(this.#error)
      return done.promise
    }
    this.#queue.push({ fed, bytes, done })
    this.#queuedBytes += bytes
    this.#pump()
    return done.promise
  }

  fail(error: unknown): void {
    if (this.#isDown) return
    this.#isDown = true
    this.#error = error
    for (const { done } of [...this.#sent, ...this.#queue]) done.reject(error)
    this.#sent.clear()
    this.#queue = []
    this.#queuedBytes = 0
    this.#failure.resolve(error)
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    // What is pushed in this tick travels in one message.
    queueMicrotask(() => {
      this.#run().catch(error => this.fail(error))
    })
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0 && this.#calls < maxFeedCalls) {
      const [first] = this.#queue
      const fed = await first!.fed
      if (this.#isDown) break
      this.#queue.shift()
      const items = [fed]
      const sent = [first!]
      this.#gather(items, sent)
      this.#send(items, sent)
    }
    this.#pumping = false
  }

  /** What follows and is small and known goes with it. */
  #gather(items: Fed[], sent: Queued[]): void {
    let bytes = sent[0]!.bytes
    let hasPayload = items[0]!.payload.length > 0
    while (this.#queue.length > 0) {
      const next = this.#queue[0]!
      if (next.fed instanceof Promise || bytes + next.bytes > feedRowBytes) break
      if (next.fed.payload.length > 0 && hasPayload) break
      hasPayload ||= next.fed.payload.length > 0
      bytes += next.bytes
      items.push(next.fed)
      sent.push(next)
      this.#queue.shift()
    }
  }

  #send(items: readonly Fed[], sent: readonly Queued[]): void {
    const { peer, feed, partition, epoch } = this.#init
    const request = { feed, number: this.#number++, items: items.map(({ item }) => item) }
    const payload = items.flatMap(fed => fed.payload)
    this.#calls++
    for (const one of sent) this.#sent.add(one)
    const options = { partition, epoch: epoch(), payload, deadlineMs: feedDeadlineMs }
    peer.call('feed', request, options).then(
      ({ body }) => {
        if (this.#isDown) return
        this.#calls--
        for (const one of sent) {
          this.#sent.delete(one)
          this.#queuedBytes -= one.bytes
          one.done.resolve(body)
        }
        this.#pump()
      },
      error => this.fail(error),
    )
  }
}
