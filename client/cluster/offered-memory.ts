/**
 * Large writes to a server on this machine: their data stays where it is, and the server fetches it.
 *
 * 1. The server has shown that it can fetch from this process before anything is offered to it. What it could not fetch is sent at
 *    once, and so is all else from then on, on that connection.
 * 2. What is offered is kept until its call has ended. A server that comes later finds what does not match its checksums.
 * 3. What is offered ends with this process: so only what is answered after its server has done it (`Cluster.mutate`).
 */
import { ClusterError } from '../../network/errors.ts'
import { leastOfferedBytes, offerProofBytes } from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import { machineBootOf } from '../../network/membership/host.ts'
import { placesOf } from '../../network/memory/process-memory.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import { payloadLength } from '../../network/wire/framing.ts'
import type { SessionReply, WriteBlockRequest } from '../../network/wire/operations.ts'
import type { Payload } from './contract.ts'

const nothing: Payload = []

interface Sent {
  readonly request: WriteBlockRequest
  readonly payload: Payload
}

export class OfferedMemory {
  readonly #boot: string
  readonly #log: Log
  /** Who can fetch from here, or is being asked. */
  #peer: Peer | null = null
  #isFetched = false
  readonly #offered = new Set<Payload>()

  /** @param boot of this machine; empty where it does not tell. */
  constructor(boot: string, log: Log) {
    this.#boot = boot
    this.#log = log
  }

  /** A session was opened. */
  told(peer: Peer, { boot }: Pick<SessionReply, 'boot'>): void {
    if (machineBootOf(boot) !== this.#boot || boot === '' || this.#peer === peer) return
    this.#peer = peer
    this.#isFetched = false
    this.#prove(peer).catch((error: unknown) => {
      // An older server; one that is gone is told of elsewhere.
      if (hasCode(error, 'UNKNOWN_OPERATION') || hasCode(error, 'CLOSED')) return
      this.#log.warn({ server: peer.hello.id, error }, 'could not offer memory: all is sent')
    })
  }

  /** Calls the server, as the step makes it, with what is to be sent of the write of a block. */
  async offering<T>(
    peer: Peer,
    { request, payload }: Sent,
    step: (sent: Sent) => Promise<T>,
  ): Promise<T> {
    const isWanted = peer === this.#peer && this.#isFetched
    const bytes = isWanted ? payloadLength(payload) : 0
    if (bytes < leastOfferedBytes) return await step({ request, payload })
    try {
      return await this.#keeping(payload, places =>
        step({ request: { ...request, offered: { bytes, places } }, payload: nothing }),
      )
    } catch (error) {
      if (!hasCode(error, 'UNFETCHED')) throw error
      if (this.#peer === peer) this.#isFetched = false
      this.#log.warn({ server: peer.hello.id, error }, 'memory is offered no longer: all is sent')
      return await step({ request, payload })
    }
  }

  /** Shows the server where in which process the bytes lie that it has just said. */
  async #prove(peer: Peer): Promise<void> {
    const { proof } = (await peer.call('offerMemory', {})).body
    if (proof?.length !== offerProofBytes) return
    const { body } = await this.#keeping([Buffer.from(proof)], places =>
      peer.call('offerMemory', { source: { process: process.pid, places } }),
    )
    if (this.#peer !== peer) return
    this.#isFetched = body.isFetched === true
    if (this.#isFetched) return
    const text = 'the server cannot read the memory of this process: all is sent'
    this.#log.info({ server: peer.hello.id, errno: body.errno }, text)
  }

  async #keeping<T>(pieces: Payload, step: (places: Uint8Array) => Promise<T>): Promise<T> {
    this.#offered.add(pieces)
    try {
      return await step(placesOf(pieces))
    } finally {
      this.#offered.delete(pieces)
    }
  }
}

function hasCode(error: unknown, code: ClusterError['code']): boolean {
  return error instanceof ClusterError && error.code === code
}
