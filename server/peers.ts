/**
 * The other servers, as a server calls them: by partition, wherever its primary is now.
 *
 * 1. A connection on which nothing comes back is given up, so that the next call dials.
 * 2. What needs a server that has given no answer for as long as an operation waits is told so (ABSENT) at once, so that
 *    clients do not wait for it one behind the other.
 */

import type { Env } from '../network/env/env.ts'
import { type ClusterCode, ClusterError } from '../network/errors.ts'
import {
  callDeadlineMs,
  livenessDeadlineMs,
  outageGraceMs,
  retryFirstDelayMs,
  retryLongestDelayMs,
} from '../network/limits.ts'
import { isUnanswered, Outage } from '../network/membership/outage.ts'
import type { Handler, Peer, Reply, Service } from '../network/rpc/contract.ts'
import { partitionOfIno } from '../network/wire/ids.ts'
import type { OperationName, RequestOf } from '../network/wire/operations.ts'
import type { MemberId, View } from '../network/wire/view.ts'
import type { AskQuota } from './partition/usage.ts'

export interface PeersInit {
  readonly env: Env
  readonly self: MemberId
  readonly view: () => View | null
  readonly dial: (server: MemberId) => Promise<Peer>
  /** This server's own answers: a partition of its own is not called through a socket. */
  readonly own: () => Service
}

/** Codes of an attempt that says nothing of the next. */
const passing: ReadonlySet<ClusterCode> = new Set<ClusterCode>([
  'CONFLICT',
  'TIMEOUT',
  'CLOSED',
  'UNREACHABLE',
  'NOT_READY',
  'OVERLOADED',
  'STALE_EPOCH',
  'NOT_PRIMARY',
  'ABSENT',
])

/** Whether the same call may well succeed a little later. */
export function isPassing(error: unknown): boolean {
  return error instanceof ClusterError && passing.has(error.code)
}

/** Whether what is needed has been away for so long that nobody is to wait for it. */
export function isAbsent(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'ABSENT'
}

export interface Attempted {
  readonly deadlineMs?: number
  /** Whether a client waits for it: what a server asks by itself is no part of an outage. */
  readonly isAwaited?: boolean
}

export class Peers {
  readonly #init: PeersInit
  readonly #outages = new Map<MemberId, Outage>()
  readonly #examined = new WeakSet<Peer>()
  readonly #connections = new Map<MemberId, Promise<Peer>>()
  readonly #ending = new AbortController()

  constructor(init: PeersInit) {
    this.#init = init
  }

  /**
   * Whether what happens to both partitions is in one log, in order, so that no loss of power takes the earlier and
   * leaves the later: both are served by this very server, and neither has another copy that the other has not.
   */
  shareLog(one: number, other: number): boolean {
    if (one === other) return true
    const { self, view } = this.#init
    const states = [view()?.partitions[one], view()?.partitions[other]]
    if (states.some(state => state?.primary !== self)) return false
    return (
      states.every(state => state?.replicas.length === 1) ||
      states.every(state => (state?.inSync.length ?? 0) > 1)
    )
  }

  /** Of the partition, as far as is known here. */
  epochOf(partition: number): number {
    return this.#init.view()?.partitions[partition]?.epoch ?? 0
  }

  /**
   * Has the servers of these partitions put all they have on their disks.
   * @returns the boot of each partition's machine; nothing for one that did not answer.
   */
  async sync(partitions: Iterable<number>): Promise<ReadonlyMap<number, string>> {
    const byServer = Map.groupBy(
      partitions,
      partition => this.#init.view()?.partitions[partition]?.primary ?? null,
    )
    const boots = new Map<number, string>()
    const asked = [...byServer.values()].map(async held => {
      const { boot } = (await this.call('sync', held[0]!, {}, { isAwaited: false })).body
      for (const partition of held) boots.set(partition, boot)
    })
    await Promise.allSettled(asked)
    return boots
  }

  /** Whether whoever serves the partition has given no answer for as long as an operation waits. */
  isAbsent(partition: number): boolean {
    const primary = this.#init.view()?.partitions[partition]?.primary ?? null
    return primary !== null && (this.#outages.get(primary)?.isLong ?? false)
  }

  /**
   * One attempt. @throws what the other side threw, or ClusterError about the way there: ABSENT when there has been none
   * for long.
   */
  async call<N extends OperationName>(
    name: N,
    partition: number,
    request: RequestOf<N>,
    { deadlineMs = callDeadlineMs, isAwaited = true }: Attempted = {},
  ): Promise<Reply<N>> {
    const { primary, epoch } = this.#stateOf(partition)
    if (primary === this.#init.self) return this.#callSelf(name, partition, epoch, request)
    const peer = await this.#reached(primary, isAwaited)
    const options = { partition, epoch, deadlineMs, signal: this.#ending.signal }
    try {
      return await peer.call(name, request, options)
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'TIMEOUT') {
        void this.#examine(primary, peer)
      }
      throw error
    }
  }

  /**
   * Attempts until the other side has answered: for what has to be done sooner or later and may be done
   * twice. @throws what the other side threw.
   * @param request made anew for each attempt where it is a function, which may end them by throwing.
   */
  async callUntilDone<N extends OperationName>(
    name: N,
    partition: number,
    request: RequestOf<N> | (() => RequestOf<N>),
  ): Promise<Reply<N>> {
    let delayMs = retryFirstDelayMs
    for (;;) {
      try {
        const now = typeof request === 'function' ? request() : request
        return await this.call(name, partition, now, { isAwaited: false })
      } catch (error) {
        if (!isPassing(error)) throw error
        await this.#init.env.timers.sleep(delayMs, this.#ending.signal)
        delayMs = Math.min(delayMs * 2, retryLongestDelayMs)
      }
    }
  }

  /** Asks the home of a volume for more of its quota. */
  readonly askQuota: AskQuota = async request =>
    (await this.call('askQuota', partitionOfIno(request.volume), request)).body

  /** A server by its id, whatever it serves. @throws ClusterError about the way there. */
  readonly dial = (server: MemberId): Promise<Peer> => this.#peer(server)

  async close(): Promise<void> {
    this.#ending.abort(new ClusterError('CLOSED', 'this server is stopping'))
    const connections = await Promise.allSettled(this.#connections.values())
    await Promise.all(
      connections.map(result => (result.status === 'fulfilled' ? result.value.close() : null)),
    )
  }

  async #callSelf<N extends OperationName>(
    name: N,
    partition: number,
    epoch: number,
    body: RequestOf<N>,
  ): Promise<Reply<N>> {
    const handler = this.#init.own()[name] as Handler<N> | undefined
    if (handler === undefined) throw new ClusterError('UNKNOWN_OPERATION', name)
    return await handler({ peer: this.#self, partition, epoch, body, payload: [] })
  }

  readonly #self: Peer = {
    remote: 'self',
    hello: { version: 0, cluster: '', role: 'server', id: '' },
    proven: null,
    peerId: null,
    closed: new Promise(() => undefined),
    call: () => Promise.reject(new ClusterError('INTERNAL', 'a server does not call itself back')),
    handsOver: false,
    handed: () => null,
    notify: () => undefined,
    close: () => Promise.resolve(),
    abort: () => undefined,
  }

  #stateOf(partition: number): { primary: MemberId; epoch: number } {
    const view = this.#init.view()
    const state = view?.partitions[partition]
    if (view !== null && state === undefined) {
      throw new ClusterError('MALFORMED', `there is no partition ${partition}`)
    }
    if (state === undefined || state.primary === null) {
      throw new ClusterError('NOT_READY', `nobody serves partition ${partition} now`)
    }
    return { primary: state.primary, epoch: state.epoch }
  }

  /**
   * The dial goes on when nobody waits for it any more: the next call may find the server there. An attempt that nobody waits
   * for is no part of an outage, as such are made all the time.
   */
  async #reached(server: MemberId, isAwaited: boolean): Promise<Peer> {
    const peer = this.#peer(server)
    if (!isAwaited) return await peer
    const outage = this.#outageOf(server)
    const wasLong = outage.isLong
    try {
      return await outage.during(() => (wasLong ? this.#inGrace(server, peer) : peer))
    } catch (cause) {
      if (!wasLong || !isUnanswered(cause)) throw cause
      throw new ClusterError('ABSENT', `${server} has given no answer for long`, { cause })
    }
  }

  async #inGrace(server: MemberId, peer: Promise<Peer>): Promise<Peer> {
    const late = Promise.withResolvers<never>()
    const timer = this.#init.env.timers.after(outageGraceMs, () => {
      late.reject(new ClusterError('UNREACHABLE', `${server} cannot be reached yet`))
    })
    return await Promise.race([peer, late.promise]).finally(() => timer.cancel())
  }

  /** Nothing came back in a call's time: whether the server is there at all is found out, once at a time. */
  async #examine(server: MemberId, peer: Peer): Promise<void> {
    if (this.#examined.has(peer)) return
    this.#examined.add(peer)
    const { signal } = this.#ending
    try {
      await peer.call('view', {}, { deadlineMs: livenessDeadlineMs, signal })
    } catch (error) {
      if (!isUnanswered(error)) return
      this.#outageOf(server).silent()
      peer.abort(new ClusterError('TIMEOUT', `${server} does not answer`))
    } finally {
      this.#examined.delete(peer)
    }
  }

  #outageOf(server: MemberId): Outage {
    const known = this.#outages.get(server)
    if (known !== undefined) return known
    const outage = new Outage(this.#init.env.clock)
    this.#outages.set(server, outage)
    return outage
  }

  #peer(server: MemberId): Promise<Peer> {
    const known = this.#connections.get(server)
    if (known !== undefined) return known
    if (this.#ending.signal.aborted) throw new ClusterError('CLOSED', 'this server is stopping')
    const dialled = this.#init.dial(server)
    this.#connections.set(server, dialled)
    const forget = () => {
      if (this.#connections.get(server) === dialled) this.#connections.delete(server)
    }
    dialled.then(peer => {
      this.#outageOf(server).answered()
      return peer.closed.then(forget)
    }, forget)
    return dialled
  }
}
