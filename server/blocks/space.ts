/**
 * Space on the device as the block store hands it out: taken for new data, and given back only when
 * nothing can need what lies there any more.
 *
 * 1. Retired extents become free when every read that began before they were retired has ended and
 *    the index that no longer names them is on the disk: a power failure may bring the old one back.
 *    Until then they serve as fallbacks as well; the same sync tells that what replaced them is there.
 * 2. Reads are counted in epochs: retiring closes the epoch of the reads that may still look there.
 * 3. Retired extents are released in the order in which they were retired.
 * 4. Who waits for space is served in order, within a deadline, and only while a sync could free it.
 */
import assert from 'node:assert/strict'
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxRetiredChanges, maxSpaceWaiters, spaceDeadlineMs } from '../../network/limits.ts'
import type { Allocator, Extent } from './allocator.ts'

export interface ReadEpoch {
  number: number
  readers: number
}

interface Retired {
  readonly extents: readonly Extent[]
  readonly epoch: number
}

interface Waiter {
  readonly units: number
  readonly resolve: (extents: readonly Extent[]) => void
  readonly reject: (error: Error) => void
  readonly timer: Timer
}

export interface SpaceOptions {
  readonly env: Pick<Env, 'timers'>
  readonly allocator: Allocator
  /** For messages. */
  readonly name: string
  /** Space is short and a sync of the index would free some. */
  readonly onPressure: () => void
}

export class Space {
  readonly #options: SpaceOptions
  readonly #allocator: Allocator
  readonly #epochs: ReadEpoch[] = [{ number: 0, readers: 0 }]
  readonly #waiters: Waiter[] = []
  #retired: Retired[] = []
  #released = 0
  #retiredUnits = 0
  #retiredEver = 0
  #syncedMark = 0

  constructor(options: SpaceOptions) {
    this.#options = options
    this.#allocator = options.allocator
  }

  /** Free, or to be freed by a sync of the index. */
  get availableUnits(): number {
    return this.#allocator.freeUnits + this.#retiredUnits
  }

  get totalUnits(): number {
    return this.#allocator.units
  }

  /** @throws PosixError ENOSPC. */
  take(units: number): Promise<readonly Extent[]> | readonly Extent[] {
    const extents = this.#waiters.length === 0 ? this.#allocator.allocate(units) : null
    return extents ?? this.#wait(units)
  }

  /** Gives back what was taken and never named by the index. */
  giveBack(extents: readonly Extent[]): void {
    for (const extent of extents) this.#allocator.free(extent)
    this.#serveWaiters()
  }

  /** The index no longer names these, in memory: they are free in time. */
  retire(extents: readonly Extent[]): void {
    this.#retiredEver++
    const current = this.#epochs.at(-1)!
    this.#retired.push({ extents, epoch: current.number })
    for (const extent of extents) this.#retiredUnits += extent.units
    if (current.readers === 0) current.number++
    else this.#epochs.push({ number: current.number + 1, readers: 0 })
    if (this.#waiters.length > 0 || this.#retired.length - this.#released >= maxRetiredChanges) {
      this.#press()
    }
  }

  beginRead(): ReadEpoch {
    const current = this.#epochs.at(-1)!
    current.readers++
    return current
  }

  endRead(epoch: ReadEpoch): void {
    assert(epoch.readers > 0)
    epoch.readers--
    if (epoch.readers > 0 || epoch !== this.#epochs[0]) return
    while (this.#epochs.length > 1 && this.#epochs[0]!.readers === 0) this.#epochs.shift()
    this.#release()
  }

  /** Names everything that was retired so far, for `indexSynced`. */
  mark(): number {
    return this.#retiredEver
  }

  indexSynced(mark: number): void {
    assert(mark <= this.#retiredEver)
    this.#syncedMark = Math.max(this.#syncedMark, mark)
    this.#release()
    if (this.#waiters.length > 0) this.#press()
  }

  /** The device has grown. */
  grow(units: number): void {
    if (units <= this.#allocator.units) return
    this.#allocator.grow(units)
    this.#serveWaiters()
  }

  close(): void {
    this.#rejectWaiters(() => new ClusterError('CLOSED', `block store ${this.#options.name}`))
  }

  #release(): void {
    const firstKept = this.#retiredEver - (this.#retired.length - this.#released)
    const oldestReads = this.#epochs[0]!.number
    let synced = this.#syncedMark - firstKept
    while (synced-- > 0 && this.#retired[this.#released]!.epoch < oldestReads) {
      for (const extent of this.#retired[this.#released]!.extents) {
        this.#allocator.free(extent)
        this.#retiredUnits -= extent.units
      }
      this.#released++
    }
    if (this.#released * 2 > this.#retired.length) {
      this.#retired = this.#retired.slice(this.#released)
      this.#released = 0
    }
    this.#serveWaiters()
  }

  #wait(units: number): Promise<readonly Extent[]> {
    const error = this.#noSpace()
    const hopeless = units > this.availableUnits || this.#waiters.length >= maxSpaceWaiters
    if (hopeless) return Promise.reject(error)
    const { promise, resolve, reject } = Promise.withResolvers<readonly Extent[]>()
    const waiter: Waiter = {
      units,
      resolve,
      reject,
      timer: this.#options.env.timers.after(spaceDeadlineMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(error)
        this.#serveWaiters()
      }),
    }
    this.#waiters.push(waiter)
    this.#press()
    return promise
  }

  /** What is synced already only waits for reads to end: another sync would not help. */
  #press(): void {
    if (this.#syncedMark < this.#retiredEver) this.#options.onPressure()
  }

  #noSpace(): PosixError {
    return new PosixError('ENOSPC', `no space left in ${this.#options.name}`)
  }

  #serveWaiters(): void {
    for (;;) {
      const first = this.#waiters[0]
      if (!first) return
      const extents = this.#allocator.allocate(first.units)
      if (!extents) break
      this.#waiters.shift()
      first.timer.cancel()
      first.resolve(extents)
    }
    if (this.#retiredUnits === 0) this.#rejectWaiters(() => this.#noSpace())
  }

  #rejectWaiters(error: () => Error): void {
    for (const waiter of this.#waiters.splice(0)) {
      waiter.timer.cancel()
      waiter.reject(error())
    }
  }
}
