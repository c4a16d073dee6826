/**
 * Blocks fetched before a sequential reader asks for them. Readers of one file that follow one another closely, as the
 * processes that share its records do, get the same ones.
 *
 * 1. What is here was read under one state of the file (`change`): another state drops it all.
 * 2. One open file holds at most `readAheadFileBytes`, all of a client at most `readAheadTotalBytes`; what several
 *    hold is counted once.
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

interface Fetched {
  readonly block: number
  readonly change: number
  readonly pieces: Promise<BlockPieces>
  /** Of the budget; none once it has failed. */
  bytes: number
  /** Open files that hold it. */
  holders: number
}

/** The blocks that open files of one inode have fetched. */
export class FetchedBlocks {
  readonly #blocks = new Map<number, Fetched>()

  find(block: number, change: number): Fetched | undefined {
    const fetched = this.#blocks.get(block)
    return fetched?.change === change ? fetched : undefined
  }

  add(fetched: Fetched): void {
    this.#blocks.set(fetched.block, fetched)
  }

  forget(fetched: Fetched): void {
    if (this.#blocks.get(fetched.block) === fetched) this.#blocks.delete(fetched.block)
  }
}

export class ReadAhead {
  readonly #budget: ReadAheadBudget
  readonly #ofInode: FetchedBlocks
  readonly #held = new Map<number, Fetched>()
  #change = -1
  #frontier = 0
  #streak = 0
  #closed = false

  constructor(budget: ReadAheadBudget, ofInode: FetchedBlocks) {
    this.#budget = budget
    this.#ofInode = ofInode
  }

  /** The block, if it was fetched under this state of the file. */
  get(attributes: Attributes, block: number): Promise<BlockPieces> | undefined {
    if (attributes.change !== this.#change) this.drop()
    return this.#ofInode.find(block, attributes.change)?.pieces
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
    this.#dropBelow(Math.floor((this.#frontier - tolerance) / blockBytes))
    if (this.#streak >= firstStreak && !this.#closed) this.#fill(attributes, fetch)
  }

  drop(): void {
    for (const fetched of this.#held.values()) this.#letGo(fetched)
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
      if (this.#held.has(block)) continue
      const known = this.#ofInode.find(block, this.#change)
      if (known !== undefined) this.#hold(known)
      else if (this.#budget.take(blockBytes)) this.#hold(this.#fetch(block, blockBytes, fetch))
      else return
    }
  }

  #fetch(block: number, bytes: number, fetch: (block: number) => Promise<BlockPieces>): Fetched {
    const pieces = fetch(block)
    const fetched = { block, change: this.#change, bytes, pieces, holders: 0 }
    this.#ofInode.add(fetched)
    // Nobody may ever ask for it; whoever does gets the same rejection and reads it again.
    pieces.catch(() => this.#giveBack(fetched))
    return fetched
  }

  #hold(fetched: Fetched): void {
    fetched.holders++
    this.#held.set(fetched.block, fetched)
  }

  #dropBelow(first: number): void {
    for (const [block, fetched] of this.#held) if (block < first) this.#letGo(fetched)
  }

  #letGo(fetched: Fetched): void {
    this.#held.delete(fetched.block)
    if (--fetched.holders === 0) this.#giveBack(fetched)
  }

  #giveBack(fetched: Fetched): void {
    this.#ofInode.forget(fetched)
    this.#budget.give(fetched.bytes)
    fetched.bytes = 0
  }
}
