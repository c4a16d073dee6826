/**
 * Blocks fetched before a sequential reader asks for them.
 *
 * 1. What is here was read under one state of the file (`change`): another state drops it all.
 * 2. One file holds at most `readAheadFileBytes`, all files of a client at most `readAheadTotalBytes`.
 */
import { readAheadFileBytes, readAheadTotalBytes } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'

/** A whole block in pieces; null when there is none. */
export type BlockPieces = readonly Uint8Array[] | null

/** What the read-ahead of all open files takes up together. */
export class ReadAheadBudget {
  #leftBytes: number

  constructor(bytes: number = readAheadTotalBytes) {
    this.#leftBytes = bytes
  }

  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false
    this.#leftBytes -= bytes
    return true
  }

  give(bytes: number): void {
    this.#leftBytes += bytes
  }
}

/** Reads of a kernel's own read-ahead arrive slightly out of order. */
const toleranceBlocks = 1
/** Sequential reads before anything is fetched ahead. */
const firstStreak = 2

export class ReadAhead {
  readonly #budget: ReadAheadBudget
  readonly #blocks = new Map<number, Promise<BlockPieces>>()
  #blockBytes = 0
  #change = -1
  #frontier = 0
  #streak = 0
  #closed = false

  constructor(budget: ReadAheadBudget) {
    this.#budget = budget
  }

  /** The block, if it was fetched under this state of the file. */
  get(attributes: Attributes, block: number): Promise<BlockPieces> | undefined {
    if (attributes.change !== this.#change) this.drop()
    return this.#blocks.get(block)
  }

  /** A read was asked for: fetches what a sequential reader will want next. */
  advance(
    attributes: Attributes,
    offset: number,
    end: number,
    fetch: (block: number) => Promise<BlockPieces>,
  ): void {
    const { blockBytes } = attributes
    const tolerance = toleranceBlocks * blockBytes
    const sequential = offset <= this.#frontier + tolerance && end >= this.#frontier - tolerance
    if (!sequential) {
      this.drop()
      this.#streak = 0
      this.#frontier = end
      return
    }
    this.#streak++
    this.#frontier = Math.max(this.#frontier, end)
    if (attributes.change !== this.#change) this.drop()
    this.#change = attributes.change
    this.#blockBytes = blockBytes
    this.#dropBelow(Math.floor((this.#frontier - tolerance) / blockBytes))
    if (this.#streak >= firstStreak && !this.#closed) this.#fill(attributes, fetch)
  }

  drop(): void {
    this.#budget.give(this.#blocks.size * this.#blockBytes)
    this.#blocks.clear()
  }

  /** Drops all and fetches nothing more: a read may still be under way when its file is closed. */
  close(): void {
    this.#closed = true
    this.drop()
  }

  #fill(attributes: Attributes, fetch: (block: number) => Promise<BlockPieces>): void {
    const { blockBytes, size } = attributes
    const first = Math.floor(this.#frontier / blockBytes)
    const wanted = Math.max(1, Math.floor(readAheadFileBytes / blockBytes) - toleranceBlocks - 1)
    const last = Math.min(Math.ceil(size / blockBytes), first + Math.min(wanted, this.#streak)) - 1
    for (let block = first; block <= last; block++) {
      if (this.#blocks.has(block)) continue
      if (!this.#budget.take(blockBytes)) return
      const fetched = fetch(block)
      this.#blocks.set(block, fetched)
      // Nobody may ever ask for it; whoever does gets the same rejection and reads it again.
      fetched.catch(() => this.#forget(block, fetched))
    }
  }

  #dropBelow(first: number): void {
    for (const block of this.#blocks.keys()) if (block < first) this.#remove(block)
  }

  #forget(block: number, fetched: Promise<BlockPieces>): void {
    if (this.#blocks.get(block) === fetched) this.#remove(block)
  }

  #remove(block: number): void {
    this.#blocks.delete(block)
    this.#budget.give(this.#blockBytes)
  }
}
