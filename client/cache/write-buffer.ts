/**
 * What was written to one file and is not on the servers yet, joined where it touches.
 *
 * 1. Pieces lie within one block each and do not touch: each byte is there once, as it was written last.
 * 2. What was lent makes whole blocks, so it neither grows nor is joined; what is written over it goes into it. It is given back when
 *    its piece has been sent.
 */
import { maxBehindPieces } from '../../network/limits.ts'

/** Bytes of one block that lie together. */
export interface Piece {
  /** In the file. */
  readonly offset: number
  readonly data: Uint8Array
  /** To be called when it was sent, or is not needed any more. */
  readonly giveBack?: (() => void) | undefined
}

/** A piece that may grow: `bytes` has room for more behind `length`. */
interface Run {
  readonly from: number
  length: number
  bytes: Uint8Array
  readonly giveBack?: (() => void) | undefined
}

const firstRoomBytes = 16 * 1024

export class WriteBuffer {
  readonly #blockBytes: number
  /** Of each block, by their place. */
  #blocks = new Map<number, Run[]>()
  #bytes = 0
  #heldBytes = 0
  #end = 0
  #pieces = 0
  #wholeBlocks = 0

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Memory that it takes: for a piece that grows, more than is in it. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Behind the last byte that was added since it was empty; 0 when it is. */
  get end(): number {
    return this.#end
  }

  /** Some of it makes whole blocks, or there are so many pieces that it had better be sent. */
  get isDue(): boolean {
    return this.#wholeBlocks > 0 || this.#pieces >= maxBehindPieces
  }

  /** Whether it has bytes of the range. */
  overlaps(offset: number, length: number): boolean {
    if (this.#bytes === 0) return false
    const [first, last] = [this.#blockOf(offset), this.#blockOf(offset + length - 1)]
    const isIn = (run: Run): boolean => run.from < offset + length && offset < endOf(run)
    for (const [block, runs] of this.#blocks) {
      if (block >= first && block <= last && runs.some(isIn)) return true
    }
    return false
  }

  /** Data that makes whole blocks is taken as it lies. @param giveBack is called once, when nothing of it is needed any more. */
  addLent(offset: number, data: Uint8Array, giveBack: () => void): void {
    this.#end = Math.max(this.#end, offset + data.length)
    let left = data.length / this.#blockBytes
    const part = () => {
      if (--left === 0) giveBack()
    }
    for (let at = 0; at < data.length; at += this.#blockBytes) {
      const bytes = data.subarray(at, at + this.#blockBytes)
      this.#put(this.#blockOf(offset + at), {
        from: offset + at,
        length: bytes.length,
        bytes,
        giveBack: part,
      })
    }
  }

  /** The data is copied. */
  add(offset: number, data: Uint8Array): void {
    this.#end = Math.max(this.#end, offset + data.length)
    for (let at = 0; at < data.length; ) {
      const block = this.#blockOf(offset + at)
      const left = (block + 1) * this.#blockBytes - (offset + at)
      const part = Math.min(left, data.length - at)
      this.#addTo(block, offset + at, data.subarray(at, at + part))
      at += part
    }
  }

  /** Takes out what makes whole blocks, or all of it, in the order of the file. */
  take(what: 'whole' | 'all'): Piece[] {
    const wholeOnly = what === 'whole' && this.#pieces < maxBehindPieces
    const taken: Piece[] = []
    for (const block of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const runs = this.#blocks.get(block)!
      if (wholeOnly && !this.#isWhole(runs)) continue
      this.#blocks.delete(block)
      for (const run of runs) {
        const { from, bytes, length, giveBack } = run
        taken.push({ offset: from, data: bytes.subarray(0, length), giveBack })
        this.#bytes -= run.length
        this.#heldBytes -= run.bytes.length
      }
      this.#pieces -= runs.length
      if (this.#isWhole(runs)) this.#wholeBlocks--
    }
    if (this.#bytes === 0) this.#end = 0
    return taken
  }

  #blockOf(offset: number): number {
    return Math.floor(offset / this.#blockBytes)
  }

  #isWhole(runs: readonly Run[]): boolean {
    return runs[0]?.length === this.#blockBytes
  }

  /** In place of all that the block has. */
  #put(block: number, whole: Run): void {
    const before = this.#blocks.get(block) ?? []
    if (!this.#isWhole(before)) this.#wholeBlocks++
    this.#pieces += 1 - before.length
    this.#bytes += whole.length
    this.#heldBytes += whole.length
    for (const { length, bytes, giveBack } of before) {
      this.#bytes -= length
      this.#heldBytes -= bytes.length
      giveBack?.()
    }
    this.#blocks.set(block, [whole])
  }

  #addTo(block: number, from: number, data: Uint8Array): void {
    const runs = this.#blocks.get(block) ?? []
    if (runs.length === 0) this.#blocks.set(block, runs)
    const wasWhole = this.#isWhole(runs)
    const to = from + data.length
    let first = 0
    while (first < runs.length && endOf(runs[first]!) < from) first++
    let last = first
    while (last < runs.length && runs[last]!.from <= to) last++
    const before = runs.slice(first, last)
    const run = before.length === 1 ? this.#grown(before[0]!, from, to) : joined(before, from, to)
    run.bytes.set(data, from - run.from)
    runs.splice(first, last - first, run)
    this.#pieces += 1 - before.length
    this.#bytes += run.length
    this.#heldBytes += run.bytes.length
    for (const { length, bytes } of before) {
      this.#bytes -= length
      this.#heldBytes -= bytes.length
    }
    if (!wasWhole && this.#isWhole(runs)) this.#wholeBlocks++
  }

  /** The run with room for what begins in it or right behind. */
  #grown(run: Run, from: number, to: number): Run {
    if (from < run.from) return joined([run], from, to)
    const length = Math.max(run.length, to - run.from)
    if (length <= run.bytes.length) return { ...run, length }
    const blockEnd = (this.#blockOf(run.from) + 1) * this.#blockBytes
    const room = Math.min(blockEnd - run.from, Math.max(firstRoomBytes, 4 * length))
    const bytes = Buffer.allocUnsafe(room)
    bytes.set(run.bytes.subarray(0, run.length))
    return { from: run.from, length, bytes }
  }
}

function endOf({ from, length }: Run): number {
  return from + length
}

/** One run of all of these and of the range from `from` to `to`, which touches each of them. */
function joined(runs: readonly Run[], from: number, to: number): Run {
  const start = Math.min(from, ...runs.map(run => run.from))
  const end = Math.max(to, ...runs.map(endOf))
  const bytes = Buffer.allocUnsafe(end - start)
  for (const run of runs) bytes.set(run.bytes.subarray(0, run.length), run.from - start)
  return { from: start, length: end - start, bytes }
}

export function endOfPieces(pieces: readonly Piece[]): number {
  let end = 0
  for (const { offset, data } of pieces) end = Math.max(end, offset + data.length)
  return end
}
