/**
 * Who may append blocks to a file now. An appender writes where nobody else may commit meanwhile, so a
 * grant is exclusive: it ends with the holder's commit, its session, or after `appendGrantMs`.
 *
 * 1. A grant is in the store before its holder hears of it, and goes with the commit that ends it. After a
 *    restart nobody knows how old those found are: each is held for its full time once more.
 * 2. A loss of power may take grants from the store. Until all that were made before the machine was started
 *    have ended, nothing is granted, and nobody makes a file longer.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { appendGrantMs } from '../../network/limits.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { clientOfGrant, encodeGrant, slotOfGrant } from '../metadata/grant.ts'
import { grantKey } from '../metadata/keys.ts'

interface Grant {
  readonly client: string
  readonly slot: number
  readonly endMs: number
}

/** Where an operation gathers its changes. */
interface Changes {
  put(key: string, value: Uint8Array): void
  delete(key: string): void
}

export class AppendGrants {
  readonly #env: Env
  readonly #quietEndMs: number
  readonly #grants = new Map<Ino, Grant>()

  /** @param upMs for how long the machine has been up. */
  constructor(env: Env, upMs = Number.POSITIVE_INFINITY) {
    this.#env = env
    this.#quietEndMs = env.clock.monotonicMs() + Math.max(0, appendGrantMs - upMs)
  }

  /**
   * @throws ClusterError CONFLICT while another appender holds it, NOT_READY while one of before a loss of
   * power may: try again.
   */
  grant(changes: Changes, ino: Ino, client: string, slot: number): void {
    this.assertAllKnown()
    if (this.#heldByOther(ino, client, slot)) {
      throw appendUnderWay()
    }
    changes.put(grantKey(partitionOfIno(ino), ino), encodeGrant(client, slot))
    this.#hold(ino, client, slot)
  }

  /** One that was found in the store. */
  restore(ino: Ino, record: Uint8Array): void {
    this.#hold(ino, clientOfGrant(record), slotOfGrant(record))
  }

  /** @throws ClusterError NOT_READY until no grant can be left that a loss of power took. */
  assertAllKnown(): void {
    if (this.#env.clock.monotonicMs() >= this.#quietEndMs) return
    const text = 'appends of before the loss of power may still be under way'
    throw new ClusterError('NOT_READY', text)
  }

  /** Whether somebody else is appending, so that this client must not raise the size. */
  excludes(ino: Ino, client: string): boolean {
    return this.#grants.size > 0 && this.#heldByOther(ino, client, null)
  }

  /**
   * An append that found another size when it has written its blocks would write them again, at another
   * place, and leave those behind. Emptied, the file has no blocks any more.
   * @throws ClusterError CONFLICT, NOT_READY: try again.
   */
  assertMayResize(
    { ino, size }: { readonly ino: Ino; readonly size: number },
    client: string,
    to: number,
  ): void {
    if (to > size) this.assertAllKnown()
    if (this.excludes(ino, client)) throw appendUnderWay()
  }

  holds(ino: Ino, client: string): boolean {
    return this.#grants.get(ino)?.client === client && !this.#ended(ino)
  }

  release(changes: Changes, ino: Ino, client: string): void {
    if (this.#grants.get(ino)?.client !== client) return
    this.#grants.delete(ino)
    changes.delete(grantKey(partitionOfIno(ino), ino))
  }

  /** The partition is served elsewhere. */
  forget(partition: number): void {
    for (const ino of this.#grants.keys()) {
      if (partitionOfIno(ino) === partition) this.#grants.delete(ino)
    }
  }

  /** What is in the store of them goes when it is swept. */
  releaseAll(client: string): void {
    for (const [ino, grant] of this.#grants) if (grant.client === client) this.#grants.delete(ino)
  }

  /** Of these records of grants, those that nobody holds: they can go. */
  *ended(records: Iterable<readonly [string, Ino]>): Generator<KeyMutation> {
    for (const [key, ino] of records) {
      if (!this.#grants.has(ino) || this.#ended(ino)) yield { key, value: null }
    }
  }

  #hold(ino: Ino, client: string, slot: number): void {
    const endMs = this.#env.clock.monotonicMs() + appendGrantMs
    this.#grants.set(ino, { client, slot, endMs })
  }

  #heldByOther(ino: Ino, client: string, slot: number | null): boolean {
    const grant = this.#grants.get(ino)
    if (grant === undefined || this.#ended(ino)) return false
    return grant.client !== client || (slot !== null && grant.slot !== slot)
  }

  #ended(ino: Ino): boolean {
    const grant = this.#grants.get(ino)
    if (grant === undefined || grant.endMs > this.#env.clock.monotonicMs())
      return grant === undefined
    this.#grants.delete(ino)
    return true
  }
}

function appendUnderWay(): ClusterError {
  return new ClusterError('CONFLICT', 'another append to this file is under way')
}
