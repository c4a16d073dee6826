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
 * 6. No more is given out than the disk below has room for, though more be free here: others may have filled it. What
 *    is free and held by the disk counts as room only once it was given back to it, as new data may go elsewhere.
 */
import assert from 'node:assert/strict'
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  maxRetiredChanges,
  maxSpaceWaiters,
  replacingReserveBytes,
  replacingReserveFraction,
  roomStepFraction,
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
  /** What lies there is nobody's any more. */
  readonly onFree: (extent: Extent) => void
  /** Space is short and a sync of the index would free some. */
  readonly onPressure: () => void
  /** Space is free, and the disk below may have no room for it: have a look, and call `measured`. */
  readonly onShortRoom: () => void
}

/** What the disk below takes, in units. */
export interface Room {
  /** For new data. */
  readonly units: number
  /** Beyond that, for changes that give back as much. */
  readonly reserve: number
  /** Free here or retired, and held by the disk: it makes room when it is given back. */
  readonly spare: number
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
  #room: Room = { units: 0, reserve: 0, spare: 0 }
  /** Retired since the room was measured. */
  #retiredSince = 0
  #roomUnits = Number.POSITIVE_INFINITY
  /** What may be taken before the room is measured again. */
  #step = Number.POSITIVE_INFINITY

  constructor(options: SpaceOptions) {
    this.#options = options
    this.#allocator = options.allocator
  }

  /** Free for new data, or to be freed by a sync of the index. */
  get availableUnits(): number {
    return this.unitsFor(false)
  }

  /** Of these, what the data file holds already: nobody else who shares the disk could have it. */
  get ownUnits(): number {
    return Math.min(this.availableUnits, this.#room.spare + this.#retiredSince)
  }

  /** The same as `availableUnits`, for a change that `replaces` as much as it takes, or for one that does not. */
  unitsFor(replaces: boolean): number {
    const { reserve, spare } = this.#room
    const room = this.#roomUnits + spare + this.#retiredSince + (replaces ? reserve : 0)
    const free = Math.min(this.#allocator.freeUnits + this.#retiredUnits, room)
    return Math.max(0, replaces ? free : free - this.#reserve)
  }

  /** Named by the index, or about to be. */
  get usedUnits(): number {
    return this.#allocator.units - this.#allocator.freeUnits - this.#retiredUnits
  }

  /** Whether so much can be taken at once, without a look at the disk. */
  isSure(units: number, replaces: boolean): boolean {
    return units <= this.#step && units <= this.#unitsNow(replaces)
  }

  /** To be free when the index is on the disk and reads have ended. */
  get retiredUnits(): number {
    return this.#retiredUnits
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
    if (units > this.#unitsNow(replaces)) return null
    const extents = this.#allocator.allocate(units)
    if (extents === null) return null
    this.#roomUnits -= units
    this.#step -= units
    return extents
  }

  /** Without what a sync or the disk would have to free first. */
  #unitsNow(replaces: boolean): number {
    const free = this.#allocator.freeUnits
    if (replaces) return Math.min(free, this.#roomUnits + this.#room.reserve)
    return Math.min(free, this.#roomUnits) - this.#reserve
  }

  /** Gives back what was taken and never named by the index. */
  giveBack(extents: readonly Extent[]): void {
    for (const extent of extents) {
      this.#allocator.free(extent)
      this.#options.onFree(extent)
    }
    this.#serveWaiters()
  }

  /** The index no longer names these, in memory: they are free in time. */
  retire(extents: readonly Extent[]): void {
    this.#retiredEver++
    const current = this.#epochs.at(-1)!
    this.#retired.push({ extents, epoch: current.number })
    for (const extent of extents) {
      this.#retiredUnits += extent.units
      this.#retiredSince += extent.units
    }
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

  /** The device has grown, and the disk below it room as told. */
  measured(units: number, room: Room): void {
    if (units > this.#allocator.units) this.#allocator.grow(units)
    this.#room = room
    this.#roomUnits = room.units
    this.#retiredSince = 0
    this.#step = Math.floor(Math.max(0, room.units) * roomStepFraction)
    this.#serveWaiters(true)
  }

  /** Takes these free runs out of use while they are given back to the disk: `returned` ends that. */
  beginReturn(extents: readonly Extent[]): void {
    for (const extent of extents) {
      const claimed = this.#allocator.claim(extent)
      assert(claimed === extent.units, 'what is given back is free')
      this.#retiredUnits += extent.units
    }
  }

  returned(extents: readonly Extent[]): void {
    for (const extent of extents) {
      this.#allocator.free(extent)
      this.#retiredUnits -= extent.units
    }
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
        this.#options.onFree(extent)
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
    if (units <= this.#allocator.freeUnits) this.#options.onShortRoom()
    return promise
  }

  /** What is synced already only waits for reads to end: another sync would not help. */
  #press(): void {
    if (this.#syncedMark < this.#retiredEver) this.#options.onPressure()
  }

  #noSpace(): PosixError {
    return new PosixError('ENOSPC', `no space left in ${this.#options.name}`)
  }

  /** @param isMeasured the disk below was looked at just now. */
  #serveWaiters(isMeasured = false): void {
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
    const first = this.#waiters[0]
    if (first === undefined) return
    const mayFit = !isMeasured && first.units <= this.#allocator.freeUnits
    if (mayFit) this.#options.onShortRoom()
    else if (this.#retiredUnits === 0) this.#rejectWaiters(() => this.#noSpace())
  }

  #rejectWaiters(error: () => Error): void {
    for (const waiter of this.#waiters.splice(0)) {
      waiter.timer.cancel()
      waiter.reject(error())
    }
  }
}
