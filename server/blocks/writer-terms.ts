/**
 * Whether a block that comes late may come: a client names a moment after which its lease, or its grant to append, may have ended
 * (`WriteBlockRequest.notAfterMs`), but a slow network is no reason to refuse what it goes on being leased.
 *
 * 1. What is let in is in order here before the lease can end: what the inode's server says is left of it counts from when
 *    it was asked.
 */
import type { Clock } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { WriteBlockRequest } from '../../network/wire/operations.ts'
import type { Peers } from '../peers.ts'

export class WriterTerms {
  readonly #clock: Pick<Clock, 'uptimeMs'>
  readonly #peers: Pick<Peers, 'call'>

  constructor(clock: Pick<Clock, 'uptimeMs'>, peers: Pick<Peers, 'call'>) {
    this.#clock = clock
    this.#peers = peers
  }

  /** null: it comes in time. @throws ClusterError STALE_WRITE when it does not, and its client is leased the inode no more. */
  check(request: WriteBlockRequest, client: string): Promise<void> | null {
    const { notAfterMs = Number.POSITIVE_INFINITY } = request
    return this.#clock.uptimeMs() <= notAfterMs ? null : this.#ask(request, client)
  }

  async #ask(request: WriteBlockRequest, client: string): Promise<void> {
    const { ino, block, flushes: change } = request
    const text = `block ${block} of inode ${ino} came when what its client was leased or granted may have ended`
    if (change === undefined) throw new ClusterError('STALE_WRITE', text)
    const askedMs = this.#clock.uptimeMs()
    let leftMs: number
    try {
      const asked = { ino, client, change }
      const { body } = await this.#peers.call('writerTerm', partitionOfIno(ino), asked)
      leftMs = body.leftMs
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      throw new ClusterError('STALE_WRITE', text, { cause: error })
    }
    if (!(this.#clock.uptimeMs() <= askedMs + leftMs)) throw new ClusterError('STALE_WRITE', text)
  }
}
