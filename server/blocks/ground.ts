/**
 * The disk below the device: how much room it has, and what it gets back. Others may use it too, so what is free in
 * the data file says little when it is full.
 *
 * 1. The room is measured again before the last sixteenth of it is taken: one at a time does that, and takes.
 * 2. Where room is short, what is free is given back before it is measured.
 */
import { maxDataDiskBytes } from '../../network/limits.ts'
import type { Device, DeviceSpace } from '../device/contract.ts'
import type { Allocator, Extent } from './allocator.ts'
import { unitBytes } from './record.ts'
import { Returns } from './returns.ts'
import type { Space } from './space.ts'

export interface GroundInit {
  readonly device: Device
  readonly allocator: Allocator
  readonly space: Space
  /** Some record could not be read. */
  readonly isDamaged: boolean
}

/** What a device has addresses for. */
export function unitsOf({ capacityBytes }: Pick<DeviceSpace, 'capacityBytes'>): number {
  return Math.floor(Math.min(capacityBytes, maxDataDiskBytes) / unitBytes)
}

export class Ground {
  readonly #device: Device
  readonly #space: Space
  readonly #returns: Returns
  #turn: Promise<unknown> = Promise.resolve()
  #isLookComing = false
  /** Taken, and not with the disk yet. */
  #unitsUnderway = 0

  constructor({ device, allocator, space, isDamaged }: GroundInit) {
    this.#device = device
    this.#space = space
    this.#returns = new Returns({ device, allocator, space, isDamaged })
  }

  /** @param replaces at least as many units become free in time. @throws PosixError ENOSPC. */
  async take(units: number, replaces: boolean): Promise<readonly Extent[]> {
    if (this.#space.isSure(units, replaces)) return await this.#taken(units, replaces)
    // Not what comes of it: that may wait for others, who want their turn.
    const { taking } = await this.#inTurn(async () => {
      await this.#look()
      return { taking: this.#taken(units, replaces) }
    })
    return await taking
  }

  /** What was taken has been written or held, or never will be. */
  landed(extents: readonly Extent[]): void {
    for (const { units } of extents) this.#unitsUnderway -= units
  }

  /** The extent has become free. */
  note(extent: Extent): void {
    this.#returns.note(extent)
  }

  /** @throws ClusterError DISK. */
  look(): Promise<void> {
    return this.#inTurn(() => this.#look())
  }

  /** Whoever waits for space is told then; a disk that fails is told of by the next who asks. */
  lookSoon(): void {
    if (this.#isLookComing) return
    this.#isLookComing = true
    this.#inTurn(() => {
      this.#isLookComing = false
      return this.#look()
    }).catch(() => undefined)
  }

  measured({ capacityBytes, heldBytes, roomBytes, reserveBytes }: DeviceSpace): void {
    const held = Math.floor(heldBytes / unitBytes)
    const room = Math.floor(roomBytes / unitBytes)
    const used = this.#space.usedUnits - this.#unitsUnderway
    const promised = Math.max(0, used - held) + this.#unitsUnderway
    const spare = Math.max(0, held - used)
    const canReturn = this.#returns.isPossible
    this.#space.measured(unitsOf({ capacityBytes }), {
      units: room - promised + (canReturn ? 0 : Math.max(0, spare - this.#space.retiredUnits)),
      reserve: Math.floor(reserveBytes / unitBytes),
      spare: canReturn ? spare : 0,
    })
  }

  async #taken(units: number, replaces: boolean): Promise<readonly Extent[]> {
    const taking = this.#space.take(units, replaces)
    const extents = taking instanceof Promise ? await taking : taking
    for (const extent of extents) this.#unitsUnderway += extent.units
    return extents
  }

  async #look(): Promise<void> {
    let space = await this.#device.space()
    if (space.isShort && this.#returns.isPending) {
      await this.#returns.run()
      space = await this.#device.space()
    }
    this.measured(space)
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}
