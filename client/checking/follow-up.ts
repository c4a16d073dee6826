/**
 * Looks into what a pass suspected: each suspicion is examined by the servers concerned, with everything
 * locked that matters. What changes meanwhile is looked at again.
 */
import { decodeFacts, placePartitionOf, rowsIn } from '../../network/checking/facts.ts'
import type { FaultCode } from '../../network/checking/faults.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  maxCheckedPartitions,
  maxCheckLooks,
  maxCheckNamesInos,
  maxExaminations,
  recoveryIntervalMs,
  retryLongestDelayMs,
  stuckTransactionMs,
} from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { CheckInodeReply, ExamineReply, NamePlace } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import { inParallel } from '../cluster/parallel.ts'
import type { CheckOptions } from './contract.ts'
import type { Refuge } from './refuge.ts'
import { homeOf, type Suspect, type Suspects } from './suspects.ts'

/** What an earlier one restores the later ones count on. */
const order: readonly FaultCode[] = [
  'purge-record',
  'bad-inode',
  'bad-entry',
  'cut-record',
  'orphan-record',
  'directory-count',
  'dangling-entry',
  'lost-inode',
  'parent',
  'unreachable',
  'nameless',
  'link-count',
  'blocks-beyond-reach',
  'leaked-blocks',
]

const mayNeedName: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'parent',
  'unreachable',
  'nameless',
  'link-count',
])

/** All names have to be known, not only those that the pass happened to see. */
const byNames: ReadonlySet<FaultCode> = new Set<FaultCode>([...mayNeedName, 'orphan-record'])

export interface Examined {
  readonly suspect: Suspect
  readonly reply: ExamineReply
}

interface Seen {
  readonly state: CheckInodeReply
  readonly names: NamePlace[]
}

export class FollowUp {
  readonly #cluster: Cluster
  readonly #options: CheckOptions
  readonly #refuge: Refuge

  constructor(cluster: Cluster, options: CheckOptions, refuge: Refuge) {
    this.#cluster = cluster
    this.#options = options
    this.#refuge = refuge
  }

  /** Yields what is not sound. @throws PosixError EIO when a server does not answer. */
  async *run(suspects: Suspects): AsyncGenerator<Examined> {
    const byFault = Map.groupBy(suspects, ({ fault }) => fault)
    const faults = [...byFault.keys()].toSorted((a, b) => rankOf(a) - rankOf(b))
    const total = [...suspects].length
    let done = 0
    for (const fault of faults) {
      const group = byFault.get(fault)!
      for (let at = 0; at < group.length; at += maxCheckNamesInos) {
        const some = group.slice(at, at + maxCheckNamesInos)
        for await (const examined of this.#settle(fault, some)) yield examined
        done += some.length
        this.#options.onProgress?.('follow-up', done, total)
      }
    }
  }

  async *#settle(fault: FaultCode, suspects: readonly Suspect[]): AsyncGenerator<Examined> {
    let open = fault === 'stuck-transaction' ? await this.#outlasting(suspects) : suspects
    for (let look = 1; open.length > 0; look++) {
      const examined = byNames.has(fault) ? await this.#byNames(open) : await this.#all(open)
      for (const each of examined) {
        const { verdict } = each.reply
        const again = verdict === 'undecided' && look < maxCheckLooks
        if (verdict !== 'sound' && !again) yield each
      }
      if (look === maxCheckLooks) return
      if (examined.some(({ reply }) => reply.verdict === 'undecided')) await this.#pause(look)
      open = examined.filter(({ reply }) => reply.verdict === 'undecided').map(one => one.suspect)
    }
  }

  #all(suspects: readonly Suspect[]): Promise<Examined[]> {
    return inParallel(suspects.length, maxExaminations, async index => {
      const suspect = suspects[index]!
      const reply = await this.#examine(suspect, null, this.#options.repair)
      return { suspect, reply }
    })
  }

  /** What seems to be faulty is looked at a second time: a name may have moved while a shard was split. */
  async #byNames(suspects: readonly Suspect[]): Promise<Examined[]> {
    const first = await this.#lookByNames(suspects, false)
    const faulty = first.filter(({ reply }) => reply.verdict === 'faulty')
    if (faulty.length === 0) return first
    const again = faulty.map(({ suspect }) => suspect)
    const second = await this.#lookByNames(again, this.#options.repair)
    return [...first.filter(({ reply }) => reply.verdict !== 'faulty'), ...second]
  }

  /** First the state of each inode, then its names: with the state unchanged afterwards they are all there are. */
  async #lookByNames(suspects: readonly Suspect[], repair: boolean): Promise<Examined[]> {
    const seen = await this.#seen(suspects.map(({ subject }) => subject))
    return await inParallel(suspects.length, maxExaminations, async index => {
      const suspect = suspects[index]!
      const reply = await this.#examine(suspect, seen.get(suspect.subject)!, repair)
      return { suspect, reply }
    })
  }

  async #seen(inos: readonly Ino[]): Promise<Map<Ino, Seen>> {
    const seen = new Map<Ino, Seen>()
    await inParallel(inos.length, maxExaminations, async index => {
      const ino = inos[index]!
      const { body } = await this.#cluster.query('checkInode', partitionOfIno(ino), { ino })
      seen.set(ino, { state: body, names: [] })
    })
    for (const [ino, places] of await this.namesOf(inos)) seen.get(ino)?.names.push(...places)
    return seen
  }

  /** Names that lead to these inodes, wherever they are. */
  async namesOf(inos: readonly Ino[]): Promise<Map<Ino, NamePlace[]>> {
    const found = new Map<Ino, NamePlace[]>()
    const { partitionCount } = this.#cluster
    await inParallel(partitionCount, maxCheckedPartitions, async partition => {
      let after: Uint8Array = new Uint8Array(0)
      do {
        this.#options.signal?.throwIfAborted()
        const request = { inos, after }
        const { body, payload } = await this.#cluster.query('checkNames', partition, request)
        for (const fact of decodeFacts(rowsIn(payload))) {
          const place = { partition: placePartitionOf(fact.c), directory: fact.a, cookie: fact.b }
          found.set(fact.ino, [...(found.get(fact.ino) ?? []), place])
        }
        after = body.next
      } while (after.length > 0)
    })
    return found
  }

  async #examine(suspect: Suspect, seen: Seen | null, repair: boolean): Promise<ExamineReply> {
    this.#options.signal?.throwIfAborted()
    const ino = homeOf(suspect)
    const { fault, subject, key, remains } = suspect
    const request = {
      ino,
      fault,
      subject,
      key,
      names: seen?.names ?? suspect.names,
      change: seen?.state.change ?? 0,
      remains,
      repair,
      refuge: mayNeedName.has(fault) && repair ? await this.#refuge.ino() : 0,
    }
    try {
      return (await this.#cluster.mutate('examine', partitionOfIno(ino), request)).body
    } catch (error) {
      // The check goes on: one fault that nobody can look into says nothing of the others.
      const cause = error instanceof Error ? error.message : String(error)
      if (!(error instanceof PosixError || error instanceof ClusterError)) throw error
      return { verdict: 'faulty', detail: `it could not be looked into: ${cause}` }
    }
  }

  /** What changes all the while may come to rest. */
  async #pause(look: number): Promise<void> {
    await this.#cluster.env.timers.sleep(look * retryLongestDelayMs, this.#options.signal)
  }

  /** Transactions come and go: those that are left when they have had their time. */
  async #outlasting(transactions: readonly Suspect[]): Promise<readonly Suspect[]> {
    const { clock, timers } = this.#cluster.env
    // From now on: one that the pass has found may have begun a moment before.
    const endMs = clock.monotonicMs() + stuckTransactionMs
    for (let open = transactions; ; ) {
      const examined = await inParallel(open.length, maxExaminations, async index => {
        const suspect = open[index]!
        return { suspect, reply: await this.#examine(suspect, null, false) }
      })
      open = examined.filter(({ reply }) => reply.verdict !== 'sound').map(one => one.suspect)
      if (open.length === 0 || clock.monotonicMs() >= endMs) return open
      await timers.sleep(recoveryIntervalMs, this.#options.signal)
    }
  }
}

function rankOf(fault: FaultCode): number {
  const rank = order.indexOf(fault)
  return rank === -1 ? order.length : rank
}
