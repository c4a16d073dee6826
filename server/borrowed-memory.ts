/**
 * Data of large writes by clients on this machine, fetched from their memory: it is copied once, to where it is written to the
 * disk from, in place of into a socket, out of it and there.
 *
 * 1. A client first shows that a process is its own: it puts what it alone was told where the server is to find it. That is asked of
 *    none but those on a Unix socket, which nobody opens but the server's user and root: another user could perhaps have a process
 *    that is not its own hold what it was told, and have the server read there.
 * 2. What was fetched is the server's own from then on, and is verified as any other data is.
 */

import { directAlignmentBytes } from '../network/disk/direct-io.ts'
import type { Random } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { lendingProofBytes, maxFramePayloadBytes } from '../network/limits.ts'
import { alignedMemory, fetchFrom } from '../network/memory/process-memory.ts'
import type { Handler, Peer } from '../network/rpc/contract.ts'
import type { Lender, LendMemoryReply, LentData } from '../network/wire/operations.ts'
import { noPayload } from './partition/operation.ts'

export class BorrowedMemory {
  readonly #random: Random
  readonly #proofs = new WeakMap<Peer, Uint8Array>()
  /** Those that were found to be theirs. */
  readonly #processes = new WeakMap<Peer, number>()

  constructor(random: Random) {
    this.#random = random
  }

  readonly lend: Handler<'lendMemory'> = ({ peer, body: { lender } }) => {
    const body = lender === undefined ? this.#ask(peer) : this.#look(peer, lender)
    return { body, payload: noPayload }
  }

  /** @throws ClusterError CHECKSUM when it cannot be had. */
  fetch(peer: Peer, { bytes, places }: LentData): Uint8Array {
    const process = this.#processes.get(peer)
    const isPossible = Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= maxFramePayloadBytes
    if (process === undefined || !isPossible || !(places instanceof Uint8Array)) {
      throw new ClusterError('MALFORMED', `no ${bytes} bytes are lent by ${peer.remote}`)
    }
    const data = alignedMemory(bytes, directAlignmentBytes)
    const errno = fetchFrom(process, places, data)
    if (errno === 0) return data
    throw new ClusterError('CHECKSUM', `what ${peer.remote} lends cannot be fetched (${errno})`)
  }

  #ask(peer: Peer): LendMemoryReply {
    if (!peer.remote.startsWith('unix:')) return {}
    const proof = this.#random.bytes(lendingProofBytes)
    this.#proofs.set(peer, proof)
    return { proof }
  }

  /** A proof is good for one look. */
  #look(peer: Peer, { process, places }: Lender): LendMemoryReply {
    const proof = this.#proofs.get(peer)
    this.#proofs.delete(peer)
    const isMeant = Number.isInteger(process) && places instanceof Uint8Array
    if (proof === undefined || !isMeant) return { isFetched: false }
    const found = Buffer.alloc(lendingProofBytes)
    const isFetched = fetchFrom(process, places, found) === 0 && found.equals(proof)
    if (isFetched) this.#processes.set(peer, process)
    return { isFetched }
  }
}
