/**
 * What was written to one block and is not on the servers yet, joined where it touches.
 *
 * 1. Runs are in the order of the block and do not touch: each byte is there once, as it was written last.
 * 2. What is little has memory of its own. Once it is more than an eighth of the block there is memory for all of that, in which
 *    each further byte has its place: nothing is copied again to be joined, and the memory is eight times what is in it at most.
 * 3. What was lent is the whole block; what is written over it goes into it.
 */

/** Bytes of one block that lie together. */
export interface Piece {
  /** In the file. */
  readonly offset: number
  readonly data: Uint8Array
  /** To be called when it was sent, or is not needed any more. */
  readonly giveBack?: (() => void) | undefined
}

/** Bytes `from` to `from + length - 1` of the file; the first byte of `bytes` is `base` of the file. */
interface Run {
  readonly from: number
  readonly length: number
  readonly base: number
  readonly bytes: Uint8Array
}

/** What grows has so much room at first, and four times its length then. */
const firstRoomBytes = 16 * 1024
const wholeRoomFraction = 1 / 8

export class BlockPieces {
  /** Names the time in which it was begun: see `WriteBuffer.tick`. */
  readonly begun: number
  readonly #start: number
  readonly #blockBytes: number
  #runs: Run[] = []
  #bytes = 0
  /** Memory for all of the block. */
  #room: Uint8Array | null = null
  #giveBack: (() => void) | undefined

  /** @param start of the block in the file. */
  constructor(start: number, blockBytes: number, begun: number) {
    this.#start = start
    this.#blockBytes = blockBytes
    this.begun = begun
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Memory that it takes. */
  get heldBytes(): number {
    if (this.#room !== null) return this.#room.length
    return this.#runs.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  get count(): number {
    return this.#runs.length
  }

  get isWhole(): boolean {
    return this.#bytes === this.#blockBytes
  }

  overlaps(offset: number, length: number): boolean {
    return this.#runs.some(run => run.from < offset + length && offset < endOf(run))
  }

  /** The whole block, taken as it lies, in place of all there is. */
  put(bytes: Uint8Array, giveBack: () => void): void {
    const before = this.#giveBack
    this.#room = null
    this.#runs = [{ from: this.#start, length: bytes.length, base: this.#start, bytes }]
    this.#bytes = bytes.length
    this.#giveBack = giveBack
    before?.()
  }

  /** The data, which lies in the block, is copied. */
  write(from: number, data: Uint8Array): void {
    const to = from + data.length
    const above = this.#runs.find(run => run.from <= from && to <= endOf(run))
    if (above !== undefined) {
      above.bytes.set(data, from - above.base)
      return
    }
    const wanted = this.#bytes + data.length
    if (this.#room === null && wanted > this.#blockBytes * wholeRoomFraction) this.#makeRoom()
    const runs = this.#runs
    let first = 0
    while (first < runs.length && endOf(runs[first]!) < from) first++
    let last = first
    while (last < runs.length && runs[last]!.from <= to) last++
    const run = this.#joined(runs.slice(first, last), from, to)
    run.bytes.set(data, from - run.base)
    for (const { length } of runs.splice(first, last - first, run)) this.#bytes -= length
    this.#bytes += run.length
  }

  pieces(): Piece[] {
    return this.#runs.map(({ from, length, base, bytes }) => {
      const data = bytes.subarray(from - base, from - base + length)
      return { offset: from, data, giveBack: this.#giveBack }
    })
  }

  #makeRoom(): void {
    const room = Buffer.allocUnsafeSlow(this.#blockBytes)
    this.#room = room
    const base = this.#start
    this.#runs = this.#runs.map(run => {
      copyInto(room, base, run)
      return { from: run.from, length: run.length, base, bytes: room }
    })
  }

  /** One run of these and of the range, which touches each of them; that is yet to be filled. */
  #joined(runs: readonly Run[], from: number, to: number): Run {
    const start = Math.min(from, runs[0]?.from ?? from)
    const end = Math.max(to, ...runs.map(endOf))
    const length = end - start
    if (this.#room !== null) return { from: start, length, base: this.#start, bytes: this.#room }
    const [only] = runs
    const grows = runs.length === 1 && only!.base <= start
    if (grows && end <= only!.base + only!.bytes.length) return { ...only!, length }
    const left = this.#start + this.#blockBytes - start
    const room = grows ? Math.min(left, Math.max(firstRoomBytes, 4 * length)) : length
    const bytes = Buffer.allocUnsafe(room)
    for (const run of runs) copyInto(bytes, start, run)
    return { from: start, length, base: start, bytes }
  }
}

function endOf({ from, length }: Run): number {
  return from + length
}

function copyInto(target: Uint8Array, base: number, run: Run): void {
  const at = run.from - run.base
  target.set(run.bytes.subarray(at, at + run.length), run.from - base)
}
