/**
 * The participant's side: promises kept until the coordinator's decision.
 *
 * 1. A promise is on the disk before it is given, with everything needed to keep it after a loss of power.
 *    Only where the coordinator shares a log with it (Peers.shareLog) it is just committed: that tells of the
 *    promise before it tells of the decision.
 * 2. From then on its keys are locked: nobody sees or changes them until the decision has been carried out.
 * 3. A decision is carried out once: with the promise gone, a repeat finds nothing to do.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { recoveryIntervalMs } from '../../network/limits.ts'
import { LeasedKey } from '../leases/read-leases.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { intentKey } from '../metadata/keys.ts'
import type { Batch } from '../partition/batch.ts'
import { AwaitsGrant, LockedKey } from '../partition/key-locks.ts'
import type { Partition } from '../partition/partition.ts'
import type { Peers } from '../peers.ts'
import { outwaitsLocks, runLegFromWire } from './legs.ts'
import { outwait } from './outwait.ts'
import { encodeIntent, type Intent } from './records.ts'

/** A leg as its coordinator sends it. */
interface Leg {
  readonly transaction: string
  readonly coordinator: number
  readonly leg: string
  readonly argument: unknown
  readonly client: string
}

interface Promised {
  readonly partition: Partition
  readonly coordinator: number
  /** While the coordinator may still add legs; gone after a restart. */
  readonly batch: Batch | null
  readonly intent: Intent
  readonly sinceMs: number
}

export class Participant {
  readonly #env: Env
  readonly #peers: Peers
  readonly #log: (message: string, error?: unknown) => void
  readonly #promised = new Map<string, Promised>()
  /** Promises whose coordinator has been asked and has not answered yet. */
  readonly #asked = new Set<Promised>()
  /** Promises that the log has told of: once is enough, however long their coordinator is away. */
  readonly #logged = new WeakSet<Promised>()

  constructor(env: Env, peers: Peers, log: (message: string, error?: unknown) => void) {
    this.#env = env
    this.#peers = peers
    this.#log = log
  }

  get promisedCount(): number {
    return this.#promised.size
  }

  /** @throws ClusterError CONFLICT when another transaction is in the way; what the leg throws. */
  async prepare(partition: Partition, request: Leg, coordinatorServer: string): Promise<unknown> {
    const promise = () => this.#promise(partition, request, coordinatorServer)
    try {
      return await (outwaitsLocks(request.leg) ? outwait(this.#env, promise) : promise())
    } catch (error) {
      if (error instanceof LockedKey) this.assertDecidable(error)
      throw conflictOf(error)
    }
  }

  /** @throws LockedKey; what the leg throws. */
  async #promise(partition: Partition, request: Leg, coordinatorServer: string): Promise<unknown> {
    const { transaction, coordinator, leg, argument, client } = request
    const id = promiseId(partition.id, transaction)
    const earlier = this.#promised.get(id)
    if (earlier?.batch === null) {
      throw new ClusterError('CONFLICT', 'a promise from before a restart takes no more legs')
    }
    const batch = earlier?.batch ?? partition.batchFor(client, transaction)
    let result: unknown
    try {
      partition.checkServed(client)
      result = runLegFromWire(leg, partition.withBatch(coordinatorServer, batch), argument)
    } catch (error) {
      if (earlier === undefined) partition.usage.release(transaction)
      if (batch.sawStaged) await partition.store.settled()
      if (error instanceof AwaitsGrant || error instanceof LeasedKey) await error.released
      throw error
    }
    const locked = [...batch.touched()]
    partition.locks.acquire(locked, transaction)
    const mutations = [...batch.mutations()].map(({ key, value }) => [key, value] as const)
    const intent = { coordinator, locked, mutations, counts: { ...batch.counts } }
    const key = intentKey(partition.id, transaction)
    const committed = partition.stageMutations([{ key, value: encodeIntent(intent) }])
    const written = this.#peers.shareLog(partition.id, coordinator)
      ? committed
      : partition.store.sync()
    const sinceMs = this.#env.clock.monotonicMs()
    this.#promised.set(id, { partition, coordinator, batch, intent, sinceMs })
    await written
    return result
  }

  /** @throws ClusterError ABSENT when what is locked awaits the decision of a server that has been away for long. */
  assertDecidable({ owner }: LockedKey): void {
    for (const [id, { coordinator }] of this.#promised) {
      if (transactionOf(id) !== owner || !this.#peers.isAbsent(coordinator)) continue
      const text = `transaction ${owner} is decided in partition ${coordinator}, which is away`
      throw new ClusterError('ABSENT', text)
    }
  }

  /** The partition is served elsewhere, and its promises are kept there. */
  forget(partition: Partition): void {
    for (const [id, promised] of this.#promised) {
      if (promised.partition === partition) this.#promised.delete(id)
    }
  }

  /** Carries out the decision; nothing to do when it has been. */
  async decide(partition: Partition, transaction: string, commit: boolean): Promise<void> {
    const id = promiseId(partition.id, transaction)
    const promised = this.#promised.get(id)
    if (promised === undefined) return await partition.store.settled()
    partition.store.assertOpen()
    this.#promised.delete(id)
    const { intent, batch } = promised
    const done: KeyMutation[] = [{ key: intentKey(partition.id, transaction), value: null }]
    if (commit) {
      for (const [key, value] of intent.mutations) done.push({ key, value })
      partition.facts.add(intent.counts)
    }
    partition.usage.release(transaction)
    const committed = partition.stageMutations(done)
    if (commit) batch?.staged()
    partition.locks.release(intent.locked, transaction)
    await committed
  }

  /** Carries out the outcome of a promise that nobody here knows of, or that waits. */
  async settle(
    partition: Partition,
    transaction: string,
    intent: Intent,
    commit: boolean,
  ): Promise<void> {
    if (!this.#promised.has(promiseId(partition.id, transaction))) {
      this.restore(partition, transaction, intent)
    }
    await this.decide(partition, transaction, commit)
  }

  /** Takes up a promise that was found on the disk. */
  restore(partition: Partition, transaction: string, intent: Intent): void {
    partition.usage.restoreHold(transaction, intent.mutations)
    partition.locks.acquire(intent.locked, transaction)
    const { coordinator } = intent
    const sinceMs = Number.NEGATIVE_INFINITY
    const promised = { partition, coordinator, batch: null, intent, sinceMs }
    this.#promised.set(promiseId(partition.id, transaction), promised)
  }

  /** Asks the coordinators of promises that have waited long. To be called every so often. */
  async askOutcomes(): Promise<void> {
    const oldMs = this.#env.clock.monotonicMs() - recoveryIntervalMs
    const asks: Promise<void>[] = []
    for (const [id, promised] of this.#promised) {
      if (promised.sinceMs > oldMs || this.#asked.has(promised)) continue
      this.#asked.add(promised)
      const asked = this.#askOutcome(transactionOf(id), promised)
      asks.push(asked.finally(() => this.#asked.delete(promised)))
    }
    await Promise.all(asks)
  }

  async #askOutcome(transaction: string, promised: Promised): Promise<void> {
    try {
      const { body } = await this.#peers.call('outcome', promised.coordinator, { transaction })
      if (body.outcome === 'undecided') return
      await this.decide(promised.partition, transaction, body.outcome === 'committed')
    } catch (error) {
      if (this.#logged.has(promised)) return
      this.#logged.add(promised)
      this.#log(`cannot learn the outcome of transaction ${transaction} yet`, error)
    }
  }
}

/** One transaction may have several partitions of one server among its participants. */
function promiseId(partition: number, transaction: string): string {
  return `${partition}:${transaction}`
}

function transactionOf(id: string): string {
  return id.slice(id.indexOf(':') + 1)
}

function conflictOf(error: unknown): unknown {
  if (!(error instanceof LockedKey)) return error
  return new ClusterError('CONFLICT', 'another transaction is under way here', { cause: error })
}
