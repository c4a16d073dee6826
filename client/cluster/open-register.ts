/**
 * The files this client holds open, so that its servers keep them alive though they be unlinked.
 *
 * 1. A count rises with the reply to an open, and falls when the release is sent. A session request leaves
 *    when no open is on its way (server-link.ts): it says what the server has at that point of the stream.
 * 2. Releases travel in batches, at most `releaseDelayMs` late.
 * 3. There are never more than a session request has room for: with one too many, no session could be opened.
 */
import { Counts } from '../../network/counts.ts'
import type { Timers } from '../../network/env/env.ts'
import { PosixError } from '../../network/errors.ts'
import { maxOpenInodes, maxReleaseBatch, releaseDelayMs } from '../../network/limits.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { CreateRequest, OperationName, SessionRequest } from '../../network/wire/operations.ts'
import type { OpenRegister } from './contract.ts'

/** Tells the servers concerned, as far as they are connected, that these were closed. */
export type SendRelease = (inos: readonly Ino[]) => void

export class OpenFileRegister implements OpenRegister {
  readonly #counts = new Counts<Ino>()
  readonly #timers: Timers
  readonly #send: SendRelease
  #closed: Ino[] = []
  #flushing = false
  /** Opens on their way: each may add one. */
  #coming = 0

  constructor(timers: Timers, send: SendRelease) {
    this.#timers = timers
    this.#send = send
  }

  /** An open is about to be sent. @throws PosixError ENFILE when there is no room for what it opens. */
  openStarted(): void {
    if (this.#counts.size + this.#coming >= maxOpenInodes) {
      throw new PosixError('ENFILE', `this client has ${this.#counts.size} files open`)
    }
    this.#coming++
  }

  openEnded(): void {
    this.#coming--
  }

  /** A reply says that the file was opened once more. */
  add(ino: Ino): void {
    this.#counts.add(ino)
  }

  release(ino: Ino): void {
    this.#closed.push(ino)
    if (this.#closed.length >= maxReleaseBatch) this.flush()
    else if (!this.#flushing) {
      this.#flushing = true
      this.#timers.after(releaseDelayMs, () => this.flush())
    }
  }

  /** Sends what was released so far. */
  flush(): void {
    this.#flushing = false
    if (this.#closed.length === 0) return
    const closed = this.#closed
    this.#closed = []
    for (const ino of closed) this.#counts.subtract(ino)
    this.#send(closed)
  }

  /** All that is open anywhere. */
  inos(): Iterable<Ino> {
    return this.#counts.keys()
  }

  /** What a session with the server of these partitions has to say. */
  opensIn(holds: (partition: Partition) => boolean): SessionRequest['opens'] {
    const opens: { ino: Ino; count: number }[] = []
    for (const [ino, count] of this.#counts) {
      if (holds(partitionOfIno(ino))) opens.push({ ino, count })
    }
    return opens
  }
}

export function opensFile(name: OperationName, request: object): boolean {
  if (name === 'open' || name === 'createTemporary' || name === 'makeBehind') return true
  return name === 'create' && (request as CreateRequest).open
}
