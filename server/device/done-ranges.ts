/**
 * What was written to a file through the page cache, or read to be replaced, for a while.
 *
 * 1. Its size is bounded: what finds no room is forgotten.
 */
import { doneGenerations, maxDoneRanges } from '../../network/limits.ts'
import type { Ranges } from './file-range.ts'

export class DoneRanges {
  /** Positions and lengths in turn. */
  #latest: number[] = []
  /** The oldest first. */
  readonly #older: number[][] = []

  add(position: number, length: number): void {
    const latest = this.#latest
    const last = latest.length - 2
    if (last >= 0 && latest[last]! + latest[last + 1]! === position) latest[last + 1]! += length
    else if (latest.length < 2 * maxDoneRanges) latest.push(position, length)
  }

  /** What was added before `doneGenerations` calls of this. */
  takeOld(): Ranges {
    this.#older.push(this.#latest)
    this.#latest = []
    const old = this.#older.length > doneGenerations ? this.#older.shift()! : []
    return Float64Array.from(old)
  }
}
