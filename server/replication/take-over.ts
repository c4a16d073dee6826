/**
 * How a copy of a partition changes hands: a server becomes the primary of it, or gives it up to the one that has.
 *
 * 1. A server takes up a partition only when nobody else can be serving it: the one of before has said that
 *    it stopped, or the lease that it was given here has run out.
 * 2. What may have been lost with the power of this machine is taken from another copy that was in sync when this began:
 *    nobody serves meanwhile, so that it stays so, as long as the view has a copy there.
 * 3. What was fed and is about to be served is on the disks here before.
 */
import type { Env } from '../../network/env/env.ts'
import { type ClusterCode, ClusterError } from '../../network/errors.ts'
import {
  damagedRetryMs,
  leaseFlushMs,
  leaseMs,
  leaseRecallMs,
  leaseTermMs,
  pullDeadlineMs,
  retryLongestDelayMs,
} from '../../network/limits.ts'
import type { Incoming, Peer } from '../../network/rpc/contract.ts'
import type { Position } from '../../network/wire/operations.ts'
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { BlockStore } from '../blocks/contract.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { copyState, readCopyRecord } from './copy-record.ts'
import { FeedStream } from './feed-stream.ts'
import { feedCopy } from './feeding.ts'
import type { Fences } from './fences.ts'
import { type Holder, hasNoRows } from './holder.ts'

export interface TakeOverInit {
  readonly env: Env
  readonly self: MemberId
  /** Hash of this boot of the machine. */
  readonly boot: bigint
  readonly store: MetadataStore
  readonly blocks: BlockStore
  readonly fences: Fences
  readonly holder: Pick<Holder, 'stop'>
  /** Partitions served here, or about to be. */
  readonly led: Set<number>
  readonly dial: (member: MemberId) => Promise<Peer>
  /** All that is committed is on the disks of this server. */
  readonly sync: () => Promise<void>
  /** Stops serving the partition; resolves when that is so. */
  readonly letGo: (partition: number) => Promise<void>
  /** The same, though clients may go by what it had leased. */
  readonly stop: (partition: number) => Promise<void>
  readonly log: (message: string, error?: unknown) => void
}

/** How a server came by what it is about to serve. */
export interface TakenOver {
  /** From another server, with nothing lost that it had. */
  readonly inherited: boolean
  /** Another was the primary before. */
  readonly succeeded: boolean
  /**
   * That one has said that it stopped: resolves when it says that no client goes by what it had leased, or to false when it
   * does not. null when it has said nothing.
   */
  readonly yielded: (() => Promise<boolean>) | null
}

export class TakeOver {
  readonly #init: TakeOverInit

  constructor(init: TakeOverInit) {
    this.#init = init
  }

  /**
   * Makes sure that this server, and nobody else, may serve the partition.
   * @param stateNow as the newest view has it; null when that gives the partition to another: then it throws.
   * @throws ClusterError NOT_PRIMARY
   */
  async takeOver(partition: number, stateNow: () => PartitionState | null): Promise<TakenOver> {
    const { store, self, boot, fences, holder, led, sync, log } = this.#init
    const wanted = (): PartitionState => {
      const state = stateNow()
      if (state !== null) return state
      throw new ClusterError('NOT_PRIMARY', `partition ${partition} is another server's by now`)
    }
    const whole = wanted().inSync.filter(member => member !== self)
    const others = () => whole.filter(member => wanted().replicas.includes(member))
    const record = readCopyRecord(store, partition)
    const before = fences.primaryOf(partition)
    const isFollower =
      record?.state === copyState.follows || (before !== null && before !== self && record !== null)
    const yielded = isFollower ? await this.#succeed(partition, wanted().epoch) : null
    fences.raise(partition, wanted().epoch, self)
    await holder.stop(partition)
    wanted()
    const now = readCopyRecord(store, partition)
    led.add(partition)
    try {
      if (now === null && (others().length === 0 || (await hasNoRows(store, partition)))) {
        return { inherited: false, succeeded: false, yielded }
      }
      const pulled = await this.#pullIfNeeded(partition, others)
      if (isFollower || pulled) await sync()
      wanted()
      const inherited = pulled || (isFollower && now?.boot === boot)
      if (isFollower && !inherited) {
        log(`partition ${partition} may have lost what was not synced: no other copy is in sync`)
      }
      return { inherited, succeeded: isFollower, yielded }
    } catch (error) {
      led.delete(partition)
      throw error
    }
  }

  /** The primary of a new epoch asks this server, that of before, to stop. @returns where its copy stands. */
  async yieldPartition(incoming: Incoming<'yieldPartition'>): Promise<Position> {
    const { fences, store, letGo, stop } = this.#init
    const { partition, epoch, peer, body } = incoming
    if (epoch <= fences.epochOf(partition) && fences.primaryOf(partition) !== peer.hello.id) {
      throw new ClusterError('STALE_EPOCH', `partition ${partition} is in another epoch by now`)
    }
    fences.raise(partition, epoch, peer.hello.id)
    await (body.withdrawn ? letGo(partition) : stop(partition))
    const { epoch: last = 0, sequence = 0 } = readCopyRecord(store, partition) ?? {}
    return { epoch: last, sequence }
  }

  /** Another server has become the primary, and cannot be sure of its own copy. */
  async feedOnce({ partition, epoch, body, peer }: Incoming<'pullPartition'>): Promise<void> {
    const { env, dial, store, blocks, boot, fences, led, holder } = this.#init
    fences.pass(partition, epoch, peer.hello.id)
    const record = readCopyRecord(store, partition)
    const complete = record?.state === copyState.leads || record?.state === copyState.follows
    if (led.has(partition) || !complete || record?.boot !== boot) {
      throw new ClusterError(
        'CONFLICT',
        `the copy of partition ${partition} here is not sure either`,
      )
    }
    await holder.stop(partition)
    const fed = await dial(body.member)
    const feed = env.random.id()
    await fed.call('openFeed', { feed }, { partition, epoch })
    const stream = new FeedStream({ peer: fed, feed, partition, epoch: () => epoch })
    const pace = { passed: () => undefined, sending: () => Promise.resolve() }
    try {
      await feedCopy({ partition, store, blocks }, stream, pace)
      const { epoch: last, sequence } = readCopyRecord(store, partition) ?? record
      await stream.push({ item: { kind: 'whole', epoch: last, sequence }, payload: [] }, 1)
    } finally {
      stream.fail(new ClusterError('CLOSED', 'the copy was fed'))
    }
  }

  /** Returns when the primary of before serves no more. @returns as `yielded` of TakenOver. */
  async #succeed(partition: number, epoch: number): Promise<TakenOver['yielded']> {
    const { env, self, fences, dial, log } = this.#init
    const before = fences.primaryOf(partition)
    if (before !== null && before !== self) {
      try {
        const peer = await dial(before)
        const deadlineMs = leaseMs + leaseRecallMs + leaseTermMs
        const options = { partition, epoch, deadlineMs }
        await peer.call('yieldPartition', { withdrawn: false }, options)
        return () => this.#withdrawn(peer, partition, epoch)
      } catch (error) {
        log(
          `the server of before does not give partition ${partition} up: waiting for its lease`,
          error,
        )
      }
    }
    for (let left = fences.leftMs(partition); left > 0; left = fences.leftMs(partition)) {
      await env.timers.sleep(left)
    }
    return null
  }

  /** @returns whether the primary of before has said that no client goes by what it had leased. */
  async #withdrawn(peer: Peer, partition: number, epoch: number): Promise<boolean> {
    try {
      const deadlineMs = leaseFlushMs + leaseTermMs + leaseRecallMs
      await peer.call('yieldPartition', { withdrawn: true }, { partition, epoch, deadlineMs })
      return true
    } catch (error) {
      this.#init.log(
        `what was leased of partition ${partition} may not have been called back`,
        error,
      )
      return false
    }
  }

  /**
   * @param othersNow who may have everything; throws when the partition is to be served elsewhere.
   * @returns whether it was taken from another.
   */
  async #pullIfNeeded(partition: number, othersNow: () => readonly MemberId[]): Promise<boolean> {
    const { env, store, boot, log } = this.#init
    for (let told = ''; ; ) {
      const others = othersNow()
      const record = readCopyRecord(store, partition)
      const broken = record?.state === copyState.partial || record?.state === copyState.dropping
      if (others.length === 0) {
        if (!broken) return false
        return await this.#neverServed(partition, othersNow)
      }
      const numbered = record?.state === copyState.leads || record?.state === copyState.follows
      if (numbered && record.boot === boot) return false
      const refusals: unknown[] = []
      let pauseMs = retryLongestDelayMs
      for (const member of others) {
        othersNow()
        try {
          await this.#pull(partition, member)
          return true
        } catch (error) {
          if (isClusterError(error, 'CONFLICT')) refusals.push(error)
          const isDamaged = isClusterError(error, 'CHECKSUM')
          if (isDamaged) pauseMs = damagedRetryMs
          const text = isDamaged ? damagedElsewhere(partition, member) : notFetched(partition)
          if (text !== told) log(text, error)
          told = text
        }
      }
      // None of them is sure of its copy: all have lost their power.
      if (refusals.length === others.length && !broken) return false
      await env.timers.sleep(pauseMs)
    }
  }

  async #neverServed(partition: number, assertWanted: () => unknown): Promise<never> {
    const { env, log } = this.#init
    log(
      `partition ${partition} cannot be served: the copy here is not complete, and there is no other`,
    )
    for (;;) {
      await env.timers.sleep(retryLongestDelayMs)
      assertWanted()
    }
  }

  async #pull(partition: number, member: MemberId): Promise<void> {
    const { dial, self, fences, holder, led } = this.#init
    const peer = await dial(member)
    const epoch = fences.epochOf(partition)
    led.delete(partition)
    // The holder takes what it is fed from the one that is asked, in the epoch that is its own.
    fences.letFeed(partition, member)
    try {
      const options = { partition, epoch, deadlineMs: pullDeadlineMs }
      await peer.call('pullPartition', { member: self }, options)
      await holder.stop(partition)
    } finally {
      fences.letFeed(partition, null)
      led.add(partition)
    }
  }
}

function isClusterError(error: unknown, code: ClusterCode): boolean {
  return error instanceof ClusterError && error.code === code
}

function notFetched(partition: number): string {
  return `cannot fetch what partition ${partition} has elsewhere yet`
}

/** Only who serves it can have it repaired. */
function damagedElsewhere(partition: number, member: MemberId): string {
  return (
    `partition ${partition} cannot be served: the copy here is not sure, and that on ${member} is damaged: stop this ` +
    "server until the other one serves it, and 'rookery fsck --repair' has repaired it"
  )
}
