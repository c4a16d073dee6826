/**
 * Locks on files of this server's partitions, for the clients that have sessions with it.
 *
 * 1. What changes locks does so in the tick in which its request was admitted: of one connection in the order
 *    of the requests, and never for a request of a connection that its client has given up.
 * 2. A client's `reclaimLocks` replaces what is known of it. So a lock that was granted in vain (its reply was
 *    lost, its client gave up) is gone with the next one; the client sends it in each case of doubt.
 * 3. What a client had locked goes when it has released it, or when its session has ended and no restart can
 *    bring it back (lock-records.ts).
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { lockPollMs } from '../../network/limits.ts'
import { covers, type HeldRange, lockType } from '../../network/locks/ranges.ts'
import type { Incoming, Peer, Reply, Service } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { OperationName, SetLockReply } from '../../network/wire/operations.ts'
import { noPayload } from '../partition/operation.ts'
import type { Partition } from '../partition/partition.ts'
import { LockMailbox } from './lock-mailbox.ts'
import { LockRecords } from './lock-records.ts'
import { checkedOwner, checkedRange, rangesOf } from './lock-request.ts'
import { LockTable, type Owner } from './lock-table.ts'

export interface LockServiceInit {
  readonly env: Env
  readonly partitions: () => Iterable<Partition>
  /** A partition of ours in the caller's epoch, for a caller with a session. @throws ClusterError */
  readonly admit: (incoming: Incoming<OperationName>) => Partition
  /** The caller has a session, on this connection. @throws ClusterError */
  readonly heard: (peer: Peer) => void
  readonly log: (message: string, error?: unknown) => void
}

export class LockService {
  readonly records: LockRecords
  readonly table: LockTable
  readonly service: Service
  readonly #init: LockServiceInit
  readonly #mailboxes = new Map<string, LockMailbox>()

  constructor(init: LockServiceInit) {
    this.#init = init
    const { env, partitions, log } = init
    this.records = new LockRecords({ env, partitions, log, thawed: () => this.#thaw() })
    this.table = new LockTable({
      monotonicMs: () => env.clock.monotonicMs(),
      granted: ({ owner, id }) => this.#mailbox(owner.client).put(id),
      isFrozen: ino => this.records.isFrozen(partitionOfIno(ino)),
    })
    this.service = {
      testLock: incoming => this.#test(incoming),
      setLock: incoming => this.#set(incoming),
      cancelLock: incoming => this.#cancel(incoming),
      awaitLocks: incoming => this.#await(incoming),
      reclaimLocks: incoming => this.#reclaim(incoming),
    }
  }

  /** The client's session has ended. */
  expired(client: string): void {
    this.#closeMailbox(client)
    this.records.leave(client).then(
      () => {
        this.table.releaseClient(client)
        // What was granted to it meanwhile is in another one.
        this.#closeMailbox(client)
      },
      error => this.#init.log('cannot give up the locks of a client that is gone', error),
    )
  }

  /** The partition is served elsewhere. */
  forget(partition: number): void {
    this.records.forget(partition)
    this.table.forget(ino => partitionOfIno(ino) === partition)
  }

  /** Clients that something may have to be told. */
  get mailboxCount(): number {
    return this.#mailboxes.size
  }

  close(): void {
    this.records.close()
    for (const mailbox of this.#mailboxes.values()) mailbox.close()
  }

  #test(incoming: Incoming<'testLock'>): Reply<'testLock'> {
    const { ino, owner } = this.#admit(incoming)
    const { client } = owner
    const { type } = incoming.body
    const wanted = { ...checkedRange(incoming.body), exclusive: type === lockType.write }
    const found = this.table.test(ino, owner, wanted)
    if (found === null) {
      this.#assertThawed(ino)
      return { body: { conflict: null }, payload: noPayload }
    }
    const { start, end, exclusive } = found.range
    const pid = found.owner.client === client ? found.range.pid : 0
    return { body: { conflict: { start, end, exclusive, pid } }, payload: noPayload }
  }

  #set(incoming: Incoming<'setLock'>): Reply<'setLock'> | Promise<Reply<'setLock'>> {
    const { partition, owner } = this.#admit(incoming)
    const { client } = owner
    const left = this.records.leaving(client)
    if (left !== null) return left.then(() => this.#set(incoming))
    if (incoming.body.type === lockType.unlock) return this.#setNow(incoming)
    const added = this.records.add(partition, client)
    return added === null ? this.#setNow(incoming) : added.then(() => this.#setLater(incoming))
  }

  /** The world may have changed while the record was written. */
  #setLater(incoming: Incoming<'setLock'>): Reply<'setLock'> {
    const { partition, owner } = this.#admit(incoming)
    if (this.records.add(partition, owner.client) === null) return this.#setNow(incoming)
    throw new ClusterError('CONFLICT', 'the session has ended meanwhile')
  }

  #setNow(incoming: Incoming<'setLock'>): Reply<'setLock'> {
    const { ino, owner } = this.#admit(incoming)
    const { type, wait, mapped } = incoming.body
    if (!Number.isSafeInteger(wait) || wait < 0) throw malformed(`wait ${wait}`)
    const change = { ...checkedRange(incoming.body), type }
    const outcome = this.table.set(ino, owner, change, wait, mapped === true)
    if (outcome === 'refused') this.#assertThawed(ino)
    const body: SetLockReply = { outcome }
    return { body, payload: noPayload }
  }

  #cancel(incoming: Incoming<'cancelLock'>): Reply<'cancelLock'> {
    this.#init.admit(incoming)
    const waited = this.table.cancel(incoming.peer.hello.id, incoming.body.wait)
    return { body: { waited }, payload: noPayload }
  }

  async #await({ peer, body }: Incoming<'awaitLocks'>): Promise<Reply<'awaitLocks'>> {
    this.#init.heard(peer)
    const told = await this.#mailbox(peer.hello.id).take(body.told)
    return { body: told, payload: noPayload }
  }

  #reclaim(
    incoming: Incoming<'reclaimLocks'>,
  ): Reply<'reclaimLocks'> | Promise<Reply<'reclaimLocks'>> {
    const { peer, body } = incoming
    this.#init.heard(peer)
    const client = peer.hello.id
    const left = this.records.leaving(client)
    if (left !== null) return left.then(() => this.#reclaim(incoming))
    if (!Array.isArray(body.owners) || !Array.isArray(body.waits)) throw malformed('a reclaim')
    const claims = body.owners.map(claim => this.#claim(client, claim))
    const lost = this.#replace(client, claims)
    this.#mailbox(client).clear()
    const waits = new Set(body.waits)
    for (const id of this.table.waitsOf(client)) {
      if (!waits.has(id)) this.table.cancel(client, id)
    }
    this.records.returned(client, body.view ?? 0)
    if (claims.length === 0 && waits.size === 0) this.#forget(client)
    return { body: { lost }, payload: noPayload }
  }

  /** It has nothing here: no restart has to wait for it. */
  #forget(client: string): void {
    if (!this.records.has(client)) return
    const failed = (error: unknown) => this.#init.log('cannot forget a client of locks', error)
    this.records.leave(client).catch(failed)
  }

  #claim(client: string, claim: Incoming<'reclaimLocks'>['body']['owners'][number]): Claim {
    const { ino, flock, owner } = checkedOwner(claim)
    const id = partitionOfIno(ino)
    for (const partition of this.#init.partitions()) {
      if (partition.id === id) {
        const ranges = rangesOf(claim.ranges)
        return { ino, owner: { client, flock, owner }, ranges, mapped: claim.mapped === true }
      }
    }
    throw new ClusterError('NOT_READY', `partition ${id} is not served here now`)
  }

  /** @returns indices of what may have been somebody else's meanwhile. */
  #replace(client: string, claims: readonly Claim[]): number[] {
    const lost: number[] = []
    const kept = new Map<string, readonly HeldRange[]>()
    claims.forEach((claim, index) => {
      if (this.#keeps(claim)) kept.set(nameOf(claim.ino, claim.owner), claim.ranges)
      else lost.push(index)
    })
    for (const [ino, { owner }] of [...this.table.heldBy(client)]) {
      this.table.narrow(ino, owner, kept.get(nameOf(ino, owner)) ?? [])
    }
    for (const { ino, mapped } of claims) if (mapped) this.table.setMapped(ino)
    return lost
  }

  /** It never ended here, or ended with the server that had it, and nobody was granted anything since. */
  #keeps({ ino, owner, ranges }: Claim): boolean {
    const held = this.table.ranges(ino, owner)
    if (ranges.every(range => covers(held, range))) return true
    if (!this.records.mayReclaim(partitionOfIno(ino), owner.client)) return false
    return this.table.restore(ino, owner, ranges)
  }

  #admit(incoming: Incoming<'testLock'> | Incoming<'setLock'>): Admitted {
    const partition = this.#init.admit(incoming)
    const { ino, flock, owner } = checkedOwner(incoming.body)
    if (partitionOfIno(ino) !== partition.id) {
      throw malformed(`inode ${ino} is not in partition ${partition.id}`)
    }
    return { partition, ino, owner: { client: incoming.peer.hello.id, flock, owner } }
  }

  #assertThawed(ino: Ino): void {
    if (!this.records.isFrozen(partitionOfIno(ino))) return
    throw new ClusterError('NOT_READY', 'clients may still have locks of before the restart')
  }

  #mailbox(client: string): LockMailbox {
    let mailbox = this.#mailboxes.get(client)
    if (mailbox === undefined) {
      mailbox = new LockMailbox(this.#init.env.timers, lockPollMs)
      this.#mailboxes.set(client, mailbox)
    }
    return mailbox
  }

  #closeMailbox(client: string): void {
    this.#mailboxes.get(client)?.close()
    this.#mailboxes.delete(client)
  }

  #thaw(): void {
    this.table.thaw(ino => !this.records.isFrozen(partitionOfIno(ino)))
  }
}

interface Admitted {
  readonly partition: Partition
  readonly ino: Ino
  readonly owner: Owner
}

interface Claim {
  readonly ino: Ino
  readonly owner: Owner
  readonly ranges: readonly HeldRange[]
  readonly mapped: boolean
}

function nameOf(ino: Ino, { flock, owner }: Owner): string {
  return `${ino} ${flock} ${owner}`
}

function malformed(what: string): ClusterError {
  return new ClusterError('MALFORMED', `${what} makes no sense`)
}
