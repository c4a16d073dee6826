/**
 * Files that have something to be sent which was written to them (fs/write-behind.ts says when that may be): joined to whole
 * blocks, and sent a moment later.
 *
 * 1. Of one file one flush is on its way at a time: so what was written later to a block comes later.
 * 2. A block that is whole is sent, and one that is not when it had its time, which begins with its first byte; but for what is on its
 *    way already.
 * 3. There is a bound for what is to be sent of each file, and for the memory that all of them take: at most two blocks more.
 */
import type { Timers } from '../../network/env/env.ts'
import {
  behindFileBytes,
  behindMs,
  behindTotalBytes,
  maxBehindWriteBytes,
} from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { endOfPieces, type Piece, type Taken, WriteBuffer } from './write-buffer.ts'

/** Of a file with something to be sent: on whose behalf, and how. Never throws. */
export interface Sender {
  /** Of the surface that it was written through. */
  readonly surface: object
  readonly blockBytes: number
  send(pieces: readonly Piece[]): Promise<void>
}

/** null when nothing is left to be sent; else resolves when what there is now is on the servers, or lost. */
export type Left = Promise<void> | null

const none: ReadonlySet<Ino> = new Set()

export class WritesBehind {
  readonly #timers: Timers
  readonly #files = new Map<Ino, FileBehind>()
  #heldBytes = 0

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get isEmpty(): boolean {
    return this.#files.size === 0
  }

  /** Those that have something to be sent. */
  inos(): ReadonlySet<Ino> {
    return this.#files.size === 0 ? none : new Set(this.#files.keys())
  }

  /** Behind the last byte of the inode that is to be sent; 0 for none. */
  endOf(ino: Ino): number {
    return this.#files.get(ino)?.end ?? 0
  }

  /**
   * null when there is room for so many bytes; else resolves when there may be. `false`: never.
   * @param isLent they need not be copied.
   */
  room(ino: Ino, bytes: number, surface: object, isLent = false): Left | false {
    const file = this.#files.get(ino)
    if (bytes > maxBehindWriteBytes && !isLent) return false
    // What a surface keeps is true only of what went through it.
    if (file !== undefined && file.surface !== surface) return file.settled()
    const fits = (file?.bytes ?? 0) + bytes <= behindFileBytes
    if (fits && this.#heldBytes + bytes <= behindTotalBytes) return null
    return file === undefined ? false : file.next()
  }

  /**
   * The data is copied, unless it was lent.
   * @param senderOf is asked for a file that has nothing to be sent yet.
   * @param giveBack of whole blocks that were lent.
   */
  add(
    ino: Ino,
    offset: number,
    data: Uint8Array,
    senderOf: () => Sender,
    giveBack: (() => void) | null = null,
  ): void {
    const file = this.#files.get(ino) ?? this.#begin(ino, senderOf())
    const before = file.heldBytes
    file.add(offset, data, giveBack)
    this.#heldBytes += file.heldBytes - before
  }

  settled(ino: Ino): Left {
    return this.#files.get(ino)?.settled() ?? null
  }

  /** As `settled`, where servers that are asked for this range, of a file of that size, would miss something. */
  settledFor(ino: Ino, size: number, offset: number, length: number): Left {
    const file = this.#files.get(ino)
    if (file === undefined) return null
    return offset + length > size || file.overlaps(offset, length) ? file.settled() : null
  }

  async settledAll(): Promise<void> {
    await Promise.all([...this.#files.values()].map(file => file.settled()))
  }

  #begin(ino: Ino, sender: Sender): FileBehind {
    const file: FileBehind = new FileBehind(this.#timers, sender, heldBytes => {
      this.#heldBytes -= heldBytes
      if (file.isEmpty) this.#files.delete(ino)
    })
    this.#files.set(ino, file)
    return file
  }
}

class FileBehind {
  readonly #timers: Timers
  readonly #sender: Sender
  readonly #sent: (heldBytes: number) => void
  readonly #buffer: WriteBuffer
  #sending: readonly Piece[] = []
  #sendingBytes = 0
  #sendingHeldBytes = 0
  #flush: Promise<void> | null = null
  /** Who waits for all that is there. */
  #waiting = 0
  /** How often something was added; and how much of that had been when the last flush of all that was done began. */
  #added = 0
  #flushed = 0
  #isScheduled = false

  /** @param sent so much memory is given back. */
  constructor(timers: Timers, sender: Sender, sent: (heldBytes: number) => void) {
    this.#timers = timers
    this.#sender = sender
    this.#sent = sent
    this.#buffer = new WriteBuffer(sender.blockBytes)
  }

  get surface(): object {
    return this.#sender.surface
  }

  get isEmpty(): boolean {
    return this.#buffer.bytes === 0 && this.#flush === null
  }

  get bytes(): number {
    return this.#buffer.bytes + this.#sendingBytes
  }

  get heldBytes(): number {
    return this.#buffer.heldBytes + this.#sendingHeldBytes
  }

  get end(): number {
    return Math.max(this.#buffer.end, endOfPieces(this.#sending))
  }

  overlaps(offset: number, length: number): boolean {
    const isIn = (piece: Piece): boolean =>
      piece.offset < offset + length && offset < piece.offset + piece.data.length
    return this.#buffer.overlaps(offset, length) || this.#sending.some(isIn)
  }

  add(offset: number, data: Uint8Array, giveBack: (() => void) | null): void {
    if (giveBack === null) this.#buffer.add(offset, data)
    else this.#buffer.addLent(offset, data, giveBack)
    this.#added++
    if (this.#buffer.isDue) void this.#begin('whole')
    else this.#schedule()
  }

  /** Resolves when some of it has been sent. */
  next(): Promise<void> {
    return this.#begin('all')
  }

  async settled(): Promise<void> {
    const added = this.#added
    this.#waiting++
    while (this.#flushed < added) await this.#begin('all')
    this.#waiting--
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // What is begun in one half of the time is sent at the end of the next: others join it, and none waits for longer than that.
    this.#timers.after(behindMs / 2, () => {
      this.#isScheduled = false
      this.#buffer.tick()
      this.#goOn()
    })
  }

  #goOn(): void {
    if (this.#waiting > 0 && this.#flushed < this.#added) void this.#begin('all')
    else if (this.#buffer.hasOld) void this.#begin('old')
    else if (this.#buffer.isDue) void this.#begin('whole')
    if (this.#buffer.bytes > 0) this.#schedule()
  }

  #begin(what: Taken): Promise<void> {
    this.#flush ??= this.#run(what)
    return this.#flush
  }

  async #run(what: Taken): Promise<void> {
    const added = this.#added
    const { bytes, heldBytes } = this.#buffer
    this.#sending = this.#buffer.take(what)
    this.#sendingBytes = bytes - this.#buffer.bytes
    this.#sendingHeldBytes = heldBytes - this.#buffer.heldBytes
    const isAll = this.#buffer.bytes === 0
    await this.#sender.send(this.#sending)
    for (const { giveBack } of this.#sending) giveBack?.()
    if (isAll) this.#flushed = added
    const sentBytes = this.#sendingHeldBytes
    this.#sending = []
    this.#sendingBytes = 0
    this.#sendingHeldBytes = 0
    this.#flush = null
    this.#goOn()
    this.#sent(sentBytes)
  }
}
