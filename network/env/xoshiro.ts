/**
 * xoshiro128** by Blackman and Vigna (prng.di.unimi.it), seeded by SplitMix32: small, fast, the same on
 * every machine. For simulation only, never for secrets.
 */
import { assertBelow, hexOf } from './digits.ts'
import type { Random } from './env.ts'

export class SeededRandom implements Random {
  readonly #state = new Uint32Array(4)

  constructor(seed: number) {
    let mixed = seed >>> 0
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0
      let z = mixed
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      this.#state[i] = z ^ (z >>> 15)
    }
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let i = 0; i < count; i++) bytes[i] = this.#next() >>> 24
    return bytes
  }

  integer(below: number): number {
    assertBelow(below)
    const limit = 2 ** 48 - (2 ** 48 % below)
    for (;;) {
      const drawn = (this.#next() >>> 16) * 2 ** 32 + this.#next()
      if (drawn < limit) return drawn % below
    }
  }

  id(): string {
    return hexOf(this.bytes(16))
  }

  #next(): number {
    const state = this.#state
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = state
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0
    const t2 = s2 ^ s0
    const t3 = s3 ^ s1
    state[1] = s1 ^ t2
    state[0] = s0 ^ t3
    state[2] = t2 ^ (s1 << 9)
    state[3] = rotateLeft(t3, 11)
    return result
  }
}

function rotateLeft(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}
