/**
 * Slots for mutations: the server keeps the last reply of each, so that a repeat has its effect once.
 *
 * 1. A slot is in use by one mutation at a time, from before it is first sent until its outcome is
 *    known or given up.
 * 2. `sequence` of a slot rises with every use and never falls, whichever partition it is sent to: no two
 *    mutations of this client ever share slot and sequence.
 * 3. The lowest free slot goes first, so that servers keep few replies for a client that does little
 *    at a time.
 */
import assert from 'node:assert/strict'
import { PosixError } from '../../network/errors.ts'
import { maxSlots, maxSlotWaiters } from '../../network/limits.ts'

export class Slots {
  readonly #sequences: number[]
  readonly #taken: boolean[]
  readonly #waiting: PromiseWithResolvers<number>[] = []
  readonly #waitersLimit: number
  #lowestFree = 0

  constructor(count: number = maxSlots, waitersLimit: number = maxSlotWaiters) {
    this.#sequences = new Array<number>(count).fill(0)
    this.#taken = new Array<boolean>(count).fill(false)
    this.#waitersLimit = waitersLimit
  }

  /**
   * A slot whose sequence has just risen; a promise only when all are taken.
   * @throws PosixError EAGAIN when too many wait already.
   */
  take(): number | Promise<number> {
    const slot = this.#lowestFree
    if (slot < this.#taken.length) {
      this.#taken[slot] = true
      this.#lowestFree = this.#nextFree(slot + 1)
      this.#raise(slot)
      return slot
    }
    if (this.#waiting.length >= this.#waitersLimit) {
      throw new PosixError('EAGAIN', `${this.#waitersLimit} changes wait for a slot already`)
    }
    const turn = Promise.withResolvers<number>()
    this.#waiting.push(turn)
    return turn.promise
  }

  get isAnyFree(): boolean {
    return this.#lowestFree < this.#taken.length
  }

  sequenceOf(slot: number): number {
    return this.#sequences[slot]!
  }

  give(slot: number): void {
    assert(this.#taken[slot], `slot ${slot} was not taken`)
    const next = this.#waiting.shift()
    if (next !== undefined) {
      this.#raise(slot)
      next.resolve(slot)
      return
    }
    this.#taken[slot] = false
    if (slot < this.#lowestFree) this.#lowestFree = slot
  }

  #raise(slot: number): void {
    this.#sequences[slot] = this.#sequences[slot]! + 1
  }

  #nextFree(from: number): number {
    let slot = from
    while (slot < this.#taken.length && this.#taken[slot]) slot++
    return slot
  }
}
