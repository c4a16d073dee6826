/**
 * Which clients may have files locked, on disk: so that after a restart it is known whose locks to wait for.
 * As NFSv4 servers do it (RFC 8881, 8.4.3).
 *
 * 1. A client's record is in a partition before it has its first lock there.
 * 2. The record is gone from the disk, synced, before what the client had locked is given to others without
 *    its having released it.
 * 3. A partition is frozen, that is, grants nothing new, while a client that has a record of before the restart
 *    has not come back, and `sessionTimeoutMs` have not passed. With no such record it never is.
 */
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxSessions, sessionTimeoutMs } from '../../network/limits.ts'
import { lockerKey } from '../metadata/keys.ts'
import type { Partition } from '../partition/partition.ts'

export interface LockRecordsInit {
  readonly env: Env
  readonly partitions: () => Iterable<Partition>
  /** What was frozen may be granted now. */
  readonly thawed: () => void
  readonly log: (message: string, error?: unknown) => void
}

const value = new Uint8Array(0)

export class LockRecords {
  readonly #init: LockRecordsInit
  /** Records that are there, or on their way, by partition. */
  readonly #present = new Map<number, Map<string, Promise<void> | null>>()
  /** Clients of before the restart that have not come back, by partition. */
  readonly #missing = new Map<number, Set<string>>()
  /** Clients that have told what they have locked, and the epoch of the view by which they did. */
  readonly #returned = new Map<string, number>()
  readonly #leaving = new Map<string, Promise<void>>()
  #grace: Timer
  #inGrace = true

  constructor(init: LockRecordsInit) {
    this.#init = init
    this.#grace = this.#startGrace()
  }

  /**
   * A record that was found in the store.
   * @param view epoch of the one that made the partition this server's.
   */
  restore(partition: number, client: string, view = 0): void {
    this.#recordsOf(partition).set(client, null)
    if ((this.#returned.get(client) ?? -1) >= view) return
    // A partition that is taken up later waits as long as one that is taken up at the start.
    if (!this.#inGrace || view > 0) {
      this.#grace.cancel()
      this.#grace = this.#startGrace()
    }
    const missing = this.#missing.get(partition) ?? new Set<string>()
    this.#missing.set(partition, missing.add(client))
  }

  isFrozen(partition: number): boolean {
    return this.#missing.size > 0 && this.#missing.has(partition)
  }

  mayReclaim(partition: number, client: string): boolean {
    return this.#missing.get(partition)?.has(client) === true
  }

  /** null when the client has a record in the partition; else resolves when it has. */
  add(partition: Partition, client: string): Promise<void> | null {
    const records = this.#recordsOf(partition.id)
    const known = records.get(client)
    if (known !== undefined) return known
    const put = partition.stageMutations([{ key: lockerKey(partition.id, client), value }])
    const adding = put.then(
      () => void records.set(client, null),
      error => {
        records.delete(client)
        throw error
      },
    )
    records.set(client, adding)
    return adding
  }

  /**
   * The client has told all that it has locked: nobody has to wait for it.
   * @param view epoch of the one that it went by.
   */
  returned(client: string, view = 0): void {
    this.#returned.delete(client)
    this.#returned.set(client, view)
    if (this.#returned.size > maxSessions) {
      const [oldest] = this.#returned.keys()
      this.#returned.delete(oldest!)
    }
    for (const [partition, missing] of this.#missing) {
      if (missing.delete(client) && missing.size === 0) this.#missing.delete(partition)
    }
    this.#init.thawed()
  }

  /** The partition is served elsewhere. */
  forget(partition: number): void {
    this.#present.delete(partition)
    this.#missing.delete(partition)
  }

  /** Whether the client has a record anywhere. */
  has(client: string): boolean {
    for (const records of this.#present.values()) if (records.has(client)) return true
    return false
  }

  /** Resolves when nothing of the client is left that a restart could find. */
  leave(client: string): Promise<void> {
    const leaving = this.#remove(name => name === client).finally(() => {
      this.#leaving.delete(client)
    })
    this.#leaving.set(client, leaving)
    return leaving
  }

  /** Of a client whose records are being removed; null when they are not. */
  leaving(client: string): Promise<void> | null {
    return this.#leaving.get(client)?.catch(failed) ?? null
  }

  close(): void {
    this.#grace.cancel()
  }

  #recordsOf(partition: number): Map<string, Promise<void> | null> {
    let records = this.#present.get(partition)
    if (records === undefined) {
      records = new Map()
      this.#present.set(partition, records)
    }
    return records
  }

  #startGrace(): Timer {
    this.#inGrace = true
    return this.#init.env.timers.after(sessionTimeoutMs, () => this.#endGrace())
  }

  #endGrace(): void {
    this.#inGrace = false
    const absent = new Set([...this.#missing.values()].flatMap(clients => [...clients]))
    if (absent.size === 0) return
    const frozen = [...this.#missing.keys()]
    // Nobody can come back any longer; nobody is granted anything before that is on the disk.
    for (const partition of frozen) this.#missing.set(partition, new Set())
    const text = `${absent.size} clients have not come back for their locks: others may have them now`
    this.#remove(client => absent.has(client)).then(
      () => {
        for (const partition of frozen) this.#missing.delete(partition)
        this.#init.log(text)
        this.#init.thawed()
      },
      error => this.#init.log('cannot end the grace for locks', error),
    )
  }

  async #remove(isGone: (client: string) => boolean): Promise<void> {
    const synced: Promise<void>[] = []
    for (const partition of this.#init.partitions()) {
      const records = this.#recordsOf(partition.id)
      const gone = [...records.keys()].filter(isGone)
      if (gone.length === 0) continue
      for (const client of gone) records.delete(client)
      const mutations = gone.map(client => ({ key: lockerKey(partition.id, client), value: null }))
      const removed = partition.stageMutations(mutations).then(() => partition.store.sync())
      // Who serves it by now has the records, and waits for these clients himself.
      synced.push(removed.catch(error => (partition.store.isClosed ? undefined : failed(error))))
    }
    await Promise.all(synced)
  }
}

function failed(cause: unknown): never {
  throw new ClusterError('NOT_READY', 'the locks of before cannot be given up', { cause })
}
