/**
 * The hashes that decide where everything lives: xxHash64 (Collet) with seed 0, cut to its low 48 bits
 * so that it fits a number. Results are on disk and in every client: they never change.
 */
import { checksum64 } from '../wire/checksum.ts'

const encoder = new TextEncoder()

/** 0 to 2^48 - 1. */
export function hash48(data: Uint8Array): number {
  return Number(BigInt.asUintN(48, checksum64(data)))
}

/**
 * Hashes of one text with many numbers behind it: the text is encoded once.
 * @returns a function from a 32-bit number to its hash, 32 bits.
 */
export function numbered(text: string): (index: number) => number {
  const encoded = encoder.encode(text)
  const input = new Uint8Array(encoded.length + 4)
  input.set(encoded)
  const words = new DataView(input.buffer)
  return index => {
    words.setUint32(encoded.length, index, true)
    return Math.floor(hash48(input) / 2 ** 16)
  }
}
