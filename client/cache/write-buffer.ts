/**
 * What was written to one file and is not on the servers yet: block by block, joined where it touches.
 *
 * 1. Pieces lie within one block each and do not touch: each byte is there once, as it was written last.
 * 2. What was lent makes whole blocks, so it neither grows nor is joined; what is written over it goes into it. It is given back when
 *    its piece has been sent.
 */
import { maxBehindPieces } from '../../network/limits.ts'
import { BlockPieces, type Piece } from './block-pieces.ts'

export type { Piece }

/** Blocks that are whole; these and those that were begun some time ago; or all of them. */
export type Taken = 'whole' | 'old' | 'all'

export class WriteBuffer {
  readonly #blockBytes: number
  /** By their place. */
  #blocks = new Map<number, BlockPieces>()
  #bytes = 0
  #heldBytes = 0
  #end = 0
  #pieces = 0
  #wholeBlocks = 0
  #ticks = 0

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Memory that it takes: for a piece that may grow, more than is in it. */
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

  get hasOld(): boolean {
    for (const block of this.#blocks.values()) if (this.#isOld(block)) return true
    return false
  }

  /** Time has passed: a block that was begun before the last time but one is old. */
  tick(): void {
    this.#ticks++
  }

  /** Whether it has bytes of the range. */
  overlaps(offset: number, length: number): boolean {
    if (this.#bytes === 0) return false
    const [first, last] = [this.#blockOf(offset), this.#blockOf(offset + length - 1)]
    for (const [block, pieces] of this.#blocks) {
      if (block >= first && block <= last && pieces.overlaps(offset, length)) return true
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
      this.#change(this.#blockOf(offset + at), pieces => pieces.put(bytes, part))
    }
  }

  /** The data is copied. */
  add(offset: number, data: Uint8Array): void {
    this.#end = Math.max(this.#end, offset + data.length)
    for (let at = 0; at < data.length; ) {
      const block = this.#blockOf(offset + at)
      const left = (block + 1) * this.#blockBytes - (offset + at)
      const part = data.subarray(at, at + left)
      const from = offset + at
      this.#change(block, pieces => pieces.write(from, part))
      at += part.length
    }
  }

  /** Takes blocks out, in the order of the file. */
  take(what: Taken): Piece[] {
    const all = what === 'all' || this.#pieces >= maxBehindPieces
    const taken: Piece[] = []
    for (const block of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const pieces = this.#blocks.get(block)!
      if (!all && !pieces.isWhole && !(what === 'old' && this.#isOld(pieces))) continue
      this.#blocks.delete(block)
      this.#count(pieces, -1)
      taken.push(...pieces.pieces())
    }
    if (this.#bytes === 0) this.#end = 0
    return taken
  }

  #blockOf(offset: number): number {
    return Math.floor(offset / this.#blockBytes)
  }

  #isOld({ begun }: BlockPieces): boolean {
    return begun <= this.#ticks - 2
  }

  #change(block: number, change: (pieces: BlockPieces) => void): void {
    let pieces = this.#blocks.get(block)
    if (pieces === undefined) {
      pieces = new BlockPieces(block * this.#blockBytes, this.#blockBytes, this.#ticks)
      this.#blocks.set(block, pieces)
    } else this.#count(pieces, -1)
    change(pieces)
    this.#count(pieces, 1)
  }

  #count({ bytes, heldBytes, count, isWhole }: BlockPieces, sign: 1 | -1): void {
    this.#bytes += sign * bytes
    this.#heldBytes += sign * heldBytes
    this.#pieces += sign * count
    if (isWhole) this.#wholeBlocks += sign
  }
}

export function endOfPieces(pieces: readonly Piece[]): number {
  let end = 0
  for (const { offset, data } of pieces) end = Math.max(end, offset + data.length)
  return end
}
