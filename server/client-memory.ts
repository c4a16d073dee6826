/**
 * Data of large writes by clients on this machine, fetched from their memory: it is copied once, to where it is written to the
 * disk from, in place of into a socket, out of it and there.
 *
 * 1. A client first shows that a process is its own: it puts what it was told where the server is to find it. That is asked
 *    once on a connection, and of none but those on a Unix socket, which nobody opens but the server's user and root: another user
 *    could perhaps have a process that is not its own hold what it was told, and have the server read there.
 * 2. What was fetched is the server's own from then on, and is verified as any other data is.
 * 3. No more than `maxFetchedBytes` are in hand at a time: what is offered takes no room on its way, so nothing else holds it up.
 * 4. Memory is used again when what was fetched to it is on its way no longer: to use it for the first time costs as much as the copy.
 * 5. The server waits while data is copied. Its client has just made the checksums of it: so none has to be brought into memory first.
 */
import { directAlignmentBytes } from '../network/disk/direct-io.ts'
import type { Random } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import {
  fetchRoomBytes,
  maxFetchedBytes,
  maxFetchRooms,
  maxFramePayloadBytes,
  offerProofBytes,
} from '../network/limits.ts'
import { alignedMemory, fetchFrom } from '../network/memory/process-memory.ts'
import type { Handler, Peer } from '../network/rpc/contract.ts'
import type { MemorySource, OfferedData, OfferMemoryReply } from '../network/wire/operations.ts'
import { noPayload } from './partition/operation.ts'

interface Waiting {
  readonly bytes: number
  readonly begin: () => void
}

export class ClientMemory {
  /** Since the start. */
  fetchedBytes = 0
  readonly #random: Random
  /** null: it was looked for. */
  readonly #proofs = new WeakMap<Peer, Uint8Array | null>()
  /** Those that were found to be theirs. */
  readonly #processes = new WeakMap<Peer, number>()
  #bytesInHand = 0
  readonly #waiting: Waiting[] = []
  /** Those that were used last are the last. */
  readonly #rooms: Uint8Array[] = []

  constructor(random: Random) {
    this.#random = random
  }

  readonly offer: Handler<'offerMemory'> = ({ peer, body: { source } }) => {
    const body = source ? this.#look(peer, source) : this.#ask(peer)
    return { body, payload: noPayload }
  }

  /**
   * Runs the step with what is offered, when it is its turn.
   * @param isKept whether somebody may need the data when the step has ended well.
   * @throws ClusterError UNFETCHED when it cannot be had, MALFORMED when nothing like it can have been offered.
   */
  async fetching<T>(
    peer: Peer,
    { bytes, places }: OfferedData,
    step: (data: Uint8Array) => Promise<T>,
    isKept: () => boolean,
  ): Promise<T> {
    const process = this.#processes.get(peer)
    const isPossible = Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= maxFramePayloadBytes
    if (process === undefined || !isPossible || !(places instanceof Uint8Array)) {
      throw new ClusterError('MALFORMED', `no ${bytes} bytes can be fetched from ${peer.remote}`)
    }
    const turn = this.#enter(bytes)
    if (turn !== null) await turn
    try {
      const room = this.#roomFor(bytes)
      const data = room.subarray(0, bytes)
      const errno = fetchFrom(process, places, data)
      if (errno !== 0) {
        throw new ClusterError('UNFETCHED', `cannot read the memory of ${peer.remote} (${errno})`)
      }
      this.fetchedBytes += bytes
      const result = await step(data)
      // What a step that failed may have left on its way nobody knows.
      if (!isKept()) this.#useAgain(room)
      return result
    } finally {
      this.#leave(bytes)
    }
  }

  #ask(peer: Peer): OfferMemoryReply {
    if (!peer.remote.startsWith('unix:') || this.#proofs.has(peer)) return {}
    const proof = this.#random.bytes(offerProofBytes)
    this.#proofs.set(peer, proof)
    return { proof }
  }

  #look(peer: Peer, { process, places }: MemorySource): OfferMemoryReply {
    const proof = this.#proofs.get(peer)
    this.#proofs.set(peer, null)
    const isMeant = Number.isInteger(process) && places instanceof Uint8Array
    if (!proof || !isMeant) return { isFetched: false }
    const found = Buffer.alloc(offerProofBytes)
    const errno = fetchFrom(process, places, found)
    const isFetched = errno === 0 && found.equals(proof)
    if (isFetched) this.#processes.set(peer, process)
    return { isFetched, errno }
  }

  #roomFor(bytes: number): Uint8Array {
    if (bytes > fetchRoomBytes || bytes <= fetchRoomBytes / 2)
      return alignedMemory(bytes, directAlignmentBytes)
    return this.#rooms.pop() ?? alignedMemory(fetchRoomBytes, directAlignmentBytes)
  }

  #useAgain(room: Uint8Array): void {
    if (room.length === fetchRoomBytes && this.#rooms.length < maxFetchRooms) this.#rooms.push(room)
  }

  /** Nothing to await when there is room. */
  #enter(bytes: number): Promise<void> | null {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#bytesInHand += bytes
      return null
    }
    return new Promise<void>(resolve => this.#waiting.push({ bytes, begin: resolve }))
  }

  #leave(bytes: number): void {
    this.#bytesInHand -= bytes
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#bytesInHand += next.bytes
      next.begin()
    }
  }

  #fits(bytes: number): boolean {
    return this.#bytesInHand + bytes <= maxFetchedBytes
  }
}
