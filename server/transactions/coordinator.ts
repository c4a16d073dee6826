/**
 * The coordinator's side of a transaction: two-phase commit, presumed abort.
 *
 * 1. Nothing of a transaction is visible anywhere before its decision is committed here, in one batch
 *    with this partition's own part and the reply for the client's slot.
 * 2. No decision on the disk means abort: a participant that asks and finds none forgets its promise.
 *    A decision that could not be written may be there nevertheless: nobody is told until a restart shows.
 * 3. A transaction never waits for a lock while it holds one: it lets go of all and begins again. The one
 *    exception is where nobody else would wait (`outwaitsLocks`).
 * 4. The decision is on the disk before another server hears of it, and stays until every participant has
 *    acted on it and has that on its own disk: a loss of power, of whomever, leaves the whole or nothing.
 *    The caller is answered before: what was not synced may be lost, as a whole.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  maxToldTransactions,
  prepareDeadlineMs,
  retryFirstDelayMs,
  retryLongestDelayMs,
} from '../../network/limits.ts'
import { isUnanswered } from '../../network/membership/outage.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'
import { LeasedKey } from '../leases/read-leases.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import { decisionKey } from '../metadata/keys.ts'
import { AwaitsGrant, LockedKey } from '../partition/key-locks.ts'
import type { OperationContext } from '../partition/operation.ts'
import type { Partition } from '../partition/partition.ts'
import { isAbsent, isPassing, type Peers } from '../peers.ts'
import { type LegArgument, type LegName, type LegResults, outwaitsLocks, runLeg } from './legs.ts'
import { outwait } from './outwait.ts'
import { encodeDecision } from './records.ts'

/** What the script of an operation may do inside its transaction. */
export interface Transaction {
  readonly id: string
  /** Where it runs. */
  readonly partition: number
  /** Whom it runs for. */
  readonly client: string
  readonly partitionCount: number
  /** Runs here, in one tick, on what the transaction has gathered so far. */
  local<T>(step: (context: OperationContext) => T): T
  /** What is stored here, whatever the transaction has gathered: to be read under a lock that keeps it so. */
  range(from: Key, to: Key): AsyncIterable<readonly [Key, Uint8Array]>
  /** Runs a leg where the partition is. */
  run<L extends LegName>(
    partition: number,
    leg: L,
    argument: LegArgument<L>,
  ): Promise<LegResults[L]>
  /** Asks another partition something that needs no promise. */
  ask<N extends OperationName>(name: N, partition: number, request: RequestOf<N>): Promise<Reply<N>>
}

/** Gathers the whole change and returns the reply; the coordinator commits it then. */
export type Script<N extends OperationName> = Work<RequestOf<N>, Reply<N>>
type Work<Q, R> = (transaction: Transaction, request: Q) => Promise<R>

export interface CoordinatorInit {
  readonly env: Env
  readonly peers: Peers
  readonly partitionCount: number
  /** @throws ClusterError ABSENT when there is no waiting for this lock. */
  readonly assertDecidable: (met: LockedKey) => void
  readonly log: (message: string, error?: unknown) => void
}

class Attempt implements Transaction {
  readonly id: string
  readonly remote = new Set<number>()
  readonly partitionCount: number
  readonly context: OperationContext
  /** The decision may be on the disk: there is no way back. */
  decided = false
  readonly #env: Env
  readonly #partition: Partition
  readonly #peers: Peers
  readonly #legs = new Map<number, Promise<unknown>[]>()

  constructor(init: CoordinatorInit, partition: Partition, client: string) {
    this.id = init.env.random.id()
    this.partitionCount = init.partitionCount
    this.#env = init.env
    this.#partition = partition
    this.#peers = init.peers
    this.context = partition.contextFor(client, this.id)
  }

  get partition(): number {
    return this.#partition.id
  }

  get client(): string {
    return this.context.client
  }

  range(from: Key, to: Key): AsyncIterable<readonly [Key, Uint8Array]> {
    return this.#partition.store.range(from, to)
  }

  local<T>(step: (context: OperationContext) => T): T {
    this.#partition.checkServed(this.client)
    const result = step(this.context)
    this.#partition.locks.acquire(this.context.batch.touched(), this.id, 'undecided')
    return result
  }

  async run<L extends LegName>(
    partition: number,
    leg: L,
    argument: LegArgument<L>,
  ): Promise<LegResults[L]> {
    if (partition === this.#partition.id) {
      const run = () => this.local(context => runLeg(leg, context, argument))
      return outwaitsLocks(leg) ? await outwait(this.#env, run) : run()
    }
    this.remote.add(partition)
    const { client } = this.context
    const coordinator = this.#partition.id
    const request = { transaction: this.id, coordinator, leg, argument, client }
    const called = this.#peers.call('prepare', partition, request, {
      deadlineMs: prepareDeadlineMs,
    })
    const legs = this.#legs.get(partition)
    if (legs === undefined) this.#legs.set(partition, [called])
    else legs.push(called)
    return (await called).body.result as LegResults[L]
  }

  ask<N extends OperationName>(
    name: N,
    partition: number,
    request: RequestOf<N>,
  ): Promise<Reply<N>> {
    return this.#peers.call(name, partition, request)
  }

  /** Resolves when all legs have been answered, or given up. */
  async answered(partition?: number): Promise<void> {
    const legs =
      partition === undefined ? [...this.#legs.values()].flat() : this.#legs.get(partition)
    await Promise.allSettled(legs ?? [])
  }

  unlock(): void {
    this.#partition.usage.release(this.id)
    this.#partition.locks.release(this.context.batch.touched(), this.id)
  }
}

/** A decision that all participants have acted on, and the boots of the machines that they did it under. */
interface Told {
  readonly partition: Partition
  readonly transaction: string
  readonly boots: ReadonlyMap<number, string>
}

export class Coordinator {
  readonly #init: CoordinatorInit
  readonly #active = new Set<string>()
  #told: Told[] = []
  #settling: Promise<void> | null = null

  constructor(init: CoordinatorInit) {
    this.#init = init
  }

  get activeCount(): number {
    return this.#active.size
  }

  isActive(transaction: string): boolean {
    return this.#active.has(transaction)
  }

  /**
   * Runs the script to its end and commits what it gathered.
   * @param keep adds what has to be committed together with it (the client's slot).
   * @throws what the script throws, with nothing changed; ClusterError CONFLICT when others were always
   * faster until `deadlineMs`.
   */
  async execute<Q, R>(
    partition: Partition,
    client: string,
    script: Work<Q, R>,
    request: Q,
    keep: (reply: R) => KeyMutation[],
    deadlineMs: number,
  ): Promise<R> {
    const { clock, timers, random } = this.#init.env
    const endMs = clock.monotonicMs() + deadlineMs
    for (let delayMs = retryFirstDelayMs; ; delayMs = Math.min(2 * delayMs, retryLongestDelayMs)) {
      const attempt = new Attempt(this.#init, partition, client)
      this.#active.add(attempt.id)
      try {
        const reply = await script(attempt, request)
        await this.#commit(partition, attempt, keep(reply))
        return reply
      } catch (error) {
        if (attempt.decided) throw error
        this.#abort(attempt)
        if (attempt.context.batch.sawStaged) await partition.store.settled()
        if (error instanceof LockedKey) this.#init.assertDecidable(error)
        if (!isConflict(error) || clock.monotonicMs() >= endMs) throw conflictOf(error)
        // A leg that arrived behind its abort would be in the way of the next attempt.
        await attempt.answered()
        const pause = timers.sleep(random.integer(delayMs) + 1)
        if (error instanceof AwaitsGrant || error instanceof LeasedKey) await error.released
        await (error instanceof LockedKey ? Promise.race([error.released, pause]) : pause)
      }
    }
  }

  /** What a participant is told who asks. */
  async outcome(
    partition: Partition,
    transaction: string,
  ): Promise<'undecided' | 'aborted' | 'committed'> {
    if (this.isActive(transaction)) return 'undecided'
    if (partition.store.get(decisionKey(partition.id, transaction)) === undefined) return 'aborted'
    await partition.store.sync()
    return 'committed'
  }

  /** The partition is served elsewhere, and its decisions are told from there. */
  forget(partition: Partition): void {
    this.#told = this.#told.filter(each => each.partition !== partition)
  }

  /** Tells the participants of a decision until all have acted on it. */
  async tell(
    partition: Partition,
    transaction: string,
    participants: readonly number[],
  ): Promise<void> {
    const { peers } = this.#init
    const isApart = (participant: number) => !peers.shareLog(partition.id, participant)
    if (participants.some(isApart)) await partition.store.sync()
    const boots = new Map<number, string>()
    const told = participants.map(async participant => {
      const request = { transaction, commit: true }
      const { body } = await peers.callUntilDone('decide', participant, request)
      if (isApart(participant)) boots.set(participant, body.boot)
    })
    await Promise.all(told)
    partition.store.assertOpen()
    if (boots.size === 0) return await this.#forget(partition, [transaction])
    this.#told.push({ partition, transaction, boots })
    if (this.#told.length >= maxToldTransactions) void this.settle()
  }

  /**
   * Forgets the decisions whose participants have all they were told on their disks. To be called every so
   * often: their servers are asked to sync.
   */
  settle(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = null
    })
    return this.#settling
  }

  async #settle(): Promise<void> {
    const told = this.#told
    if (told.length === 0) return
    this.#told = []
    const participants = new Set(told.flatMap(({ boots }) => [...boots.keys()]))
    const synced = await this.#init.peers.sync(participants)
    const done = new Map<Partition, string[]>()
    for (const each of told) {
      const { partition, transaction, boots } = each
      const answers = [...boots].map(([participant, boot]) => [boot, synced.get(participant)])
      if (partition.store.isClosed) continue
      if (answers.every(([before, now]) => before === now)) {
        done.set(partition, [...(done.get(partition) ?? []), transaction])
      } else if (answers.some(([before, now]) => now !== undefined && before !== now)) {
        // Its machine lost power: what it was told of may be a promise again.
        this.#tellLater(partition, transaction, [...boots.keys()])
      } else this.#told.push(each)
    }
    for (const [partition, transactions] of done) {
      if (!partition.store.isClosed)
        await this.#forget(partition, transactions).catch(ifOpen(partition))
    }
  }

  #tellLater(partition: Partition, transaction: string, participants: readonly number[]): void {
    this.tell(partition, transaction, participants).catch(error => {
      this.#init.log(`transaction ${transaction} is committed; its participants will ask`, error)
    })
  }

  #forget(partition: Partition, transactions: readonly string[]): Promise<void> {
    const mutations = transactions.map(transaction => ({
      key: decisionKey(partition.id, transaction),
      value: null,
    }))
    return partition.stageMutations(mutations)
  }

  async #commit(partition: Partition, attempt: Attempt, more: KeyMutation[]): Promise<void> {
    const { id, remote, context } = attempt
    if (remote.size > 0) {
      more.push({ key: decisionKey(partition.id, id), value: encodeDecision([...remote]) })
    }
    const committed =
      context.batch.changed || remote.size > 0
        ? partition.stage(context.batch, more)
        : partition.store.settled()
    attempt.decided = true
    attempt.unlock()
    try {
      await committed
    } finally {
      // Until a restart shows, nobody is told of a decision that could not be written; of one that another
      // server has by now, or has not, that one tells.
      if (partition.store.isClosed) this.#active.delete(id)
    }
    this.#active.delete(id)
    if (remote.size === 0) return
    this.#tellLater(partition, id, [...remote])
  }

  #abort(attempt: Attempt): void {
    attempt.unlock()
    this.#active.delete(attempt.id)
    const request = { transaction: attempt.id, commit: false }
    for (const participant of attempt.remote) {
      const told = attempt.answered(participant).then(async () => {
        await this.#init.peers.call('decide', participant, request)
      })
      told.catch(() => {
        // Presumed abort: the participant asks for the outcome and finds none.
      })
    }
  }
}

/** Who serves the partition by now has the decisions, and tells them again. */
function ifOpen(partition: Partition): (error: unknown) => void {
  return error => {
    if (!partition.store.isClosed) throw error
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof LockedKey || (isPassing(error) && !isAbsent(error))
}

function conflictOf(error: unknown): unknown {
  if (error instanceof LockedKey) {
    return new ClusterError('CONFLICT', 'others use the same names', { cause: error })
  }
  if (!isUnanswered(error)) return error
  // Whoever asked here is not to take its way to this server for the one that is silent.
  return new ClusterError('NOT_READY', 'a partition that it needs does not answer', {
    cause: error,
  })
}
