/**
 * A device in memory that fails as disks do, on a seeded chance: for tests and the simulator.
 *
 * 1. `#undo` holds, oldest first, what each write since the last true sync replaced: so a crash can
 *    take any of it back, sector by sector.
 * 2. What a failed sync was to write is lost with a crash, or when it is uncached, and no later sync tells.
 * 3. An operation that was on its way when the machine crashed never ends well.
 */
import assert from 'node:assert/strict'
import type { Env } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import type { Device, DeviceSpace } from './contract.ts'
import { SparseBytes } from './sparse-bytes.ts'

/** What a disk writes as a whole, or not at all, when the power fails. */
const sectorBytes = 512
const chanceSteps = 2 ** 32
/** What a thin disk holds or does not. */
const heldUnitBytes = 4096

/** Chances from 0, never, to 1, always. */
export interface DeviceFaults {
  /** EIO. A failed write may have changed any of its sectors. */
  readonly readError: number
  readonly writeError: number
  readonly syncError: number
  /** A write is refused with ENOSPC although there is room. */
  readonly noSpace: number
  /** A sync that says it is done and did nothing. */
  readonly lostSync: number
  /** One bit of what is read is wrong, this once. */
  readonly readFlip: number
}

export const noFaults: DeviceFaults = {
  readError: 0,
  writeError: 0,
  syncError: 0,
  noSpace: 0,
  lostSync: 0,
  readFlip: 0,
}

export interface MemoryDeviceOptions {
  readonly env: Pick<Env, 'random' | 'timers'>
  readonly capacityBytes: number
  readonly name?: string
  /** The disk below holds only what was written, and no more than this; without it, all from the start. */
  readonly thinBytes?: number
  /** Each operation takes a random time below this; 0, the default, for at once. */
  readonly slowestMs?: number
}

/** `lose`: nothing that was not synced is left. `tear`: of each such write a random part is. */
export type CrashKind = 'lose' | 'tear'

interface Replaced {
  readonly position: number
  readonly bytes: Uint8Array
}

export class MemoryDevice implements Device {
  readonly name: string
  faults: DeviceFaults = noFaults
  readonly #options: MemoryDeviceOptions
  readonly #content = new SparseBytes()
  /** Of a thin disk, the units that it holds. */
  readonly #held = new Set<number>()
  #undo: Replaced[] = []
  /** What a sync could not write, which is read all the same until it is uncached. */
  #unwritten: Replaced[] = []
  /** Writes that are no longer in `#undo`. */
  #synced = 0
  #capacityBytes: number
  #closed = false
  #crashes = 0

  constructor(options: MemoryDeviceOptions) {
    this.#options = options
    this.#capacityBytes = options.capacityBytes
    this.name = options.name ?? 'memory'
  }

  async space(): Promise<DeviceSpace> {
    await this.#turn()
    const capacityBytes = this.#capacityBytes
    const { thinBytes } = this.#options
    if (thinBytes === undefined) {
      const roomBytes = Number.POSITIVE_INFINITY
      return { capacityBytes, heldBytes: capacityBytes, roomBytes, reserveBytes: 0, isShort: false }
    }
    const heldBytes = this.#held.size * heldUnitBytes
    const roomBytes = thinBytes - heldBytes
    const isShort = roomBytes < thinBytes / 4
    return { capacityBytes, heldBytes, roomBytes, reserveBytes: 0, isShort }
  }

  async hold(position: number, length: number): Promise<void> {
    await this.#turn()
    this.#hold(position, length)
  }

  /** What it read before may come back with a crash, as with any write. */
  async giveBack(position: number, length: number): Promise<boolean> {
    await this.#turn()
    this.#undo.push({ position, bytes: this.#content.slice(position, length) })
    this.#content.write(position, new Uint8Array(length))
    for (let at = position; at < position + length; at += heldUnitBytes) {
      this.#held.delete(at / heldUnitBytes)
    }
    return true
  }

  async read(position: number, target: Uint8Array): Promise<void> {
    await this.#turn()
    if (this.#happens(this.faults.readError)) throw this.#failed('read', position)
    this.#content.read(position, target)
    if (target.length > 0 && this.#happens(this.faults.readFlip)) {
      const at = this.#options.env.random.integer(target.length)
      target[at]! ^= 1 << this.#options.env.random.integer(8)
    }
  }

  async write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#turn()
    const bytes = Buffer.concat(pieces)
    if (position + bytes.length > this.#capacityBytes || this.#happens(this.faults.noSpace)) {
      throw new PosixError('ENOSPC', `write of ${this.name}`)
    }
    this.#hold(position, bytes.length)
    const failed = this.#happens(this.faults.writeError)
    this.#undo.push({ position, bytes: this.#content.slice(position, bytes.length) })
    this.#content.write(position, bytes)
    if (!failed) return
    this.#tear(this.#undo.at(-1)!)
    throw this.#failed('write', position)
  }

  async sync(): Promise<void> {
    const covered = this.#synced + this.#undo.length
    await this.#turn()
    if (this.#happens(this.faults.syncError)) {
      this.#unwritten.push(...this.#undo)
      this.#synced += this.#undo.length
      this.#undo = []
      throw this.#failed('sync', 0)
    }
    if (this.#happens(this.faults.lostSync) || covered <= this.#synced) return
    this.#undo.splice(0, covered - this.#synced)
    this.#synced = covered
  }

  async uncache(): Promise<void> {
    await this.#turn()
    for (const { position, bytes } of this.#unwritten.reverse())
      this.#content.write(position, bytes)
    this.#unwritten = []
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** The process ended and begins again; the machine went on, so nothing is lost. */
  reopen(): void {
    this.#closed = false
  }

  /** Power is lost and comes back: the device is open again, without what the disk had not kept. */
  crash(kind: CrashKind): void {
    this.#crashes++
    this.#closed = false
    for (const replaced of [...this.#unwritten, ...this.#undo].reverse()) {
      if (kind === 'tear') this.#tear(replaced)
      else this.#content.write(replaced.position, replaced.bytes)
    }
    this.#synced += this.#undo.length
    this.#undo = []
    this.#unwritten = []
  }

  /** Decay on the disk: one bit at `position` is the other one from now on. */
  flipBit(position: number, bit = this.#options.env.random.integer(8)): void {
    const byte = this.#content.slice(position, 1)
    byte[0]! ^= 1 << bit
    this.#content.write(position, byte)
  }

  resize(capacityBytes: number): void {
    this.#capacityBytes = capacityBytes
  }

  #hold(position: number, length: number): void {
    const { thinBytes } = this.#options
    if (thinBytes === undefined) return
    const first = Math.floor(position / heldUnitBytes)
    const end = Math.ceil((position + length) / heldUnitBytes)
    const added: number[] = []
    for (let unit = first; unit < end; unit++) if (!this.#held.has(unit)) added.push(unit)
    if ((this.#held.size + added.length) * heldUnitBytes > thinBytes) {
      throw new PosixError('ENOSPC', `write of ${this.name}`)
    }
    for (const unit of added) this.#held.add(unit)
  }

  /** Takes a random part of a write back. */
  #tear({ position, bytes }: Replaced): void {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + sectorBytes - ((position + at) % sectorBytes))
      if (this.#options.env.random.integer(2) === 0) {
        this.#content.write(position + at, bytes.subarray(at, end))
      }
      at = end
    }
  }

  async #turn(): Promise<void> {
    const crashes = this.#crashes
    this.#assertOpen()
    const slowestMs = this.#options.slowestMs ?? 0
    if (slowestMs > 0) {
      const { random, timers } = this.#options.env
      await timers.sleep(random.integer(slowestMs * 1000) / 1000)
    }
    if (crashes !== this.#crashes) throw new ClusterError('CLOSED', `${this.name} lost power`)
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClusterError('CLOSED', this.name)
  }

  #happens(chance: number): boolean {
    assert(chance >= 0 && chance <= 1)
    if (chance === 0) return false
    return this.#options.env.random.integer(chanceSteps) < chance * chanceSteps
  }

  #failed(what: string, position: number): ClusterError {
    return new ClusterError('DISK', `${what} of ${this.name} at ${position} failed (EIO)`)
  }
}
