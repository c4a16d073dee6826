/**
 * Reads of disks of this machine that a client makes itself. Each takes one of libuv's four threads, for as long as the disk
 * wants.
 *
 * 1. No more than `maxLocalReads` at a time: there is a thread for all else, though a disk hangs.
 * 2. Nobody waits for longer than `localReadMs`, for a turn and for the disk together.
 * 3. While there is one that somebody gave up, no further ones are to be begun (`isHeldUp`).
 */
import { directRoom } from '../../network/disk/direct-io.ts'
import type { Env } from '../../network/env/env.ts'
import { localReadMs, maxLocalReads } from '../../network/limits.ts'

export class LocalReads {
  readonly #timers: Pick<Env['timers'], 'after'>
  readonly #waiting: ((room: Uint8Array) => void)[] = []
  /** One for each that may begin now. */
  readonly #rooms = Array.from({ length: maxLocalReads }, directRoom)
  #late = 0

  constructor(timers: Pick<Env['timers'], 'after'>) {
    this.#timers = timers
  }

  get isHeldUp(): boolean {
    return this.#late > 0
  }

  /**
   * @param step is given memory for the time that it takes.
   * @returns null when it did not end in time. @throws what the step throws.
   */
  async inTime<T>(step: (room: Uint8Array) => Promise<T>): Promise<T | null> {
    const ended = Promise.withResolvers<null>()
    let isLate = false
    const timer = this.#timers.after(localReadMs, () => {
      isLate = true
      this.#late++
      ended.resolve(null)
    })
    const reading = this.#inTurn(async room => (isLate ? null : await step(room))).finally(() => {
      timer.cancel()
      if (isLate) this.#late--
    })
    // Of what is given up nobody hears how it ends.
    reading.catch(() => undefined)
    return await Promise.race([reading, ended.promise])
  }

  async #inTurn<T>(step: (room: Uint8Array) => Promise<T>): Promise<T> {
    const room =
      this.#rooms.pop() ?? (await new Promise<Uint8Array>(resolve => this.#waiting.push(resolve)))
    try {
      return await step(room)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#rooms.push(room)
      else next(room)
    }
  }
}
