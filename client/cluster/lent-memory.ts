/**
 * Large writes to a server on this machine: their data stays where it is, and the server fetches it.
 *
 * 1. The server has shown that it can fetch from this process before anything is lent to it. What it says it could not fetch is
 *    sent, and nothing is lent to it any more on that connection.
 * 2. What is lent is kept until its call has ended. A server that comes later finds what does not match its checksums.
 * 3. Only writes are lent that nobody was told to be safe with the servers: what is lent ends with this process.
 */
import { ClusterError } from '../../network/errors.ts'
import { leastLentBytes, lendingProofBytes } from '../../network/limits.ts'
import { placesOf } from '../../network/memory/process-memory.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { OperationName, RequestOf, SessionReply } from '../../network/wire/operations.ts'
import type { Payload } from './contract.ts'

const nothing: Payload = []

interface Sent<N extends OperationName> {
  readonly request: RequestOf<N>
  readonly payload: Payload
}

export class LentMemory {
  readonly #boot: string
  /** Who can fetch from here, or is being asked. */
  #peer: Peer | null = null
  #isFetched = false
  readonly #lent = new Set<Payload>()

  /** @param boot of this machine; empty where it does not tell. */
  constructor(boot: string) {
    this.#boot = boot
  }

  /** A session was opened. */
  told(peer: Peer, { boot }: Pick<SessionReply, 'boot'>): void {
    if (boot !== this.#boot || boot === '' || this.#peer === peer) return
    this.#peer = peer
    this.#isFetched = false
    // An older server, or one that may not: then all is sent.
    this.#prove(peer).catch(() => undefined)
  }

  /** Calls the server, as the step makes it, with what is to be sent of the request. */
  async lending<N extends OperationName, T>(
    peer: Peer,
    name: N,
    { request, payload }: Sent<N>,
    step: (sent: Sent<N>) => Promise<T>,
  ): Promise<T> {
    if (name !== 'writeBlock' || peer !== this.#peer || !this.#isFetched) {
      return await step({ request, payload })
    }
    const bytes = bytesIn(payload)
    if (bytes < leastLentBytes) return await step({ request, payload })
    return await this.#keeping(payload, async places => {
      try {
        return await step({ request: { ...request, lent: { bytes, places } }, payload: nothing })
      } catch (error) {
        if (isUnfetched(error) && this.#peer === peer) this.#isFetched = false
        throw error
      }
    })
  }

  /** Shows the server where in which process the bytes lie that it has just said. */
  async #prove(peer: Peer): Promise<void> {
    const { proof } = (await peer.call('lendMemory', {})).body
    if (proof?.length !== lendingProofBytes) return
    const { body } = await this.#keeping([Buffer.from(proof)], places =>
      peer.call('lendMemory', { lender: { process: process.pid, places } }),
    )
    if (this.#peer === peer) this.#isFetched = body.isFetched === true
  }

  async #keeping<T>(pieces: Payload, step: (places: Uint8Array) => Promise<T>): Promise<T> {
    this.#lent.add(pieces)
    try {
      return await step(placesOf(pieces))
    } finally {
      this.#lent.delete(pieces)
    }
  }
}

function bytesIn(payload: Payload): number {
  return payload.reduce((sum, { length }) => sum + length, 0)
}

/** What it fetched, if it could, was not what it should have been. */
function isUnfetched(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'CHECKSUM'
}
