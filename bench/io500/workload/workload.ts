/** What the phases have in common. */
import type { Target } from '../target.ts'

export interface Rank {
  /** From 0. */
  readonly rank: number
  readonly ranks: number
  readonly target: Target
}

/**
 * One worker's part of a phase. A write phase calls `step(index)` from 0 on until the stonewall, and then until
 * everybody has done as many as the fastest; other phases until the count of their write phase.
 */
export interface Work {
  /** Outside the time that counts. */
  prepare?(): Promise<void>
  step(index: number): void | Promise<void>
  /** Within the time that counts: what IO500 does before it stops the clock. */
  finish?(): void | Promise<void>
}

/** Who reads what this rank did not write itself, so that no cache of its own answers. */
export function neighbour({ rank, ranks }: Rank, distance: number): number {
  return (rank + distance) % ranks
}

/** Bytes that tell where they belong: a repeating pattern whose first 16 bytes are its owner and its index. */
export class Pattern {
  readonly #bytes: Buffer
  readonly #view: DataView

  constructor(length: number) {
    this.#bytes = Buffer.alloc(length)
    for (let i = 0; i < length; i++) this.#bytes[i] = (i * 167 + (i >> 8) * 13) & 0xff
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, length)
  }

  /** The same memory each time. */
  of(owner: number, index: number): Buffer {
    this.#view.setBigUint64(0, BigInt(owner), true)
    this.#view.setBigUint64(8, BigInt(index), true)
    return this.#bytes
  }

  /** @throws when it is not what `of` gave. */
  verify(found: Uint8Array, owner: number, index: number): void {
    if (this.of(owner, index).equals(found)) return
    throw new Error(`wrong data: item ${index} of rank ${owner} is not what was written`)
  }
}
