/**
 * Free space of the device, given back to the disk below it: the metadata, other servers and other programs may lie
 * there, and what was deleted is to make room for them.
 *
 * 1. Only what is free is given back, and nobody can take it meanwhile: nothing that any index on the disk names is
 *    free (space.ts).
 * 2. Where a record of a block could not be read, nothing is: what lies in free space may be what it named.
 */
import { maxReturnsAtATime } from '../../network/limits.ts'
import type { Device } from '../device/contract.ts'
import { type Allocator, type Extent, unitsPerSegment } from './allocator.ts'
import { unitBytes } from './record.ts'
import type { Space } from './space.ts'

export interface ReturnsInit {
  readonly device: Pick<Device, 'giveBack'>
  readonly allocator: Allocator
  readonly space: Pick<Space, 'beginReturn' | 'returned'>
  /** Some record could not be read. */
  readonly isDamaged: boolean
}

export class Returns {
  readonly #init: ReturnsInit
  /** Segments in which something became free since it was given back; all of them at first. */
  readonly #segments: Set<number>
  #isPossible: boolean

  constructor(init: ReturnsInit) {
    this.#init = init
    this.#isPossible = !init.isDamaged
    const count = this.#isPossible ? Math.ceil(init.allocator.units / unitsPerSegment) : 0
    this.#segments = new Set(Array(count).keys())
  }

  /** Whether free space can be given back at all. */
  get isPossible(): boolean {
    return this.#isPossible
  }

  /** Whether `run` has anything to do. */
  get isPending(): boolean {
    return this.#isPossible && this.#segments.size > 0
  }

  /** The extent has become free. */
  note({ unit, units }: Extent): void {
    const last = Math.floor((unit + units - 1) / unitsPerSegment)
    for (let segment = Math.floor(unit / unitsPerSegment); segment <= last; segment++) {
      this.#segments.add(segment)
    }
  }

  /** Gives back what there is, some of it at a time. One run at a time. @throws ClusterError DISK. */
  async run(): Promise<void> {
    let count = 0
    for (const segment of this.#segments) {
      if (!this.#isPossible || count >= maxReturnsAtATime) return
      this.#segments.delete(segment)
      const runs = this.#init.allocator.freeRuns(segment)
      count += runs.length
      await this.#giveBack(runs)
    }
  }

  async #giveBack(runs: readonly Extent[]): Promise<void> {
    const { device, space } = this.#init
    space.beginReturn(runs)
    try {
      for (const { unit, units } of runs) {
        if (await device.giveBack(unit * unitBytes, units * unitBytes)) continue
        this.#isPossible = false
        return
      }
    } finally {
      space.returned(runs)
    }
  }
}
