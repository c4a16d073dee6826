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
 * 5. A reserve is left to changes that give back in time what they take: so on a full disk what is there
 *    can still be written over and punched, and what was allocated can be written.
 */
import assert from 'node:assert/strict'
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  maxRetiredChanges,
  maxSpaceWaiters,
  replacingReserveBytes,
  replacingReserveFraction,
  spaceDeadlineMs,
} from '../../network/limits.ts'
import type { Allocator, Extent } from './allocator.ts'
import { unitBytes } from './record.ts'

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
  readonly replaces: boolean
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

  /** Free for new data, or to be freed by a sync of the index. */
  get availableUnits(): number {
    return this.unitsFor(false)
  }

  /** The same, for a change that `replaces` as much as it takes, or for one that does not. */
  unitsFor(replaces: boolean): number {
    const units = this.#allocator.freeUnits + this.#retiredUnits
    return replaces ? units : Math.max(0, units - this.#reserve)
  }

  get totalUnits(): number {
    return this.#allocator.units
  }

  /**
   * @param replaces at least as many units are retired when the change that this is for is made.
   * @throws PosixError ENOSPC.
   */
  take(units: number, replaces: boolean): Promise<readonly Extent[]> | readonly Extent[] {
    const extents = this.#waiters.length === 0 ? this.#allocate(units, replaces) : null
    return extents ?? this.#wait(units, replaces)
  }

  get #reserve(): number {
    const bytes = this.#allocator.units * unitBytes * replacingReserveFraction
    return Math.floor(Math.min(bytes, replacingReserveBytes) / unitBytes)
  }

  #allocate(units: number, replaces: boolean): Extent[] | null {
    if (!replaces && units > this.#allocator.freeUnits - this.#reserve) return null
    return this.#allocator.allocate(units)
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

  #wait(units: number, replaces: boolean): Promise<readonly Extent[]> {
    const error = this.#noSpace()
    const hopeless = units > this.unitsFor(replaces) || this.#waiters.length >= maxSpaceWaiters
    if (hopeless) return Promise.reject(error)
    const { promise, resolve, reject } = Promise.withResolvers<readonly Extent[]>()
    const waiter: Waiter = {
      units,
      replaces,
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
    // Those who replace come before those who would take what is kept for them.
    for (let index = 0; index < this.#waiters.length; ) {
      const waiter = this.#waiters[index]!
      const extents = this.#allocate(waiter.units, waiter.replaces)
      if (extents) {
        this.#waiters.splice(index, 1)
        waiter.timer.cancel()
        waiter.resolve(extents)
      } else if (waiter.replaces) break
      else index++
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
