/** Typed face of xxhash64.c. Checksums are 8 bytes little-endian. */
import { loadAddon } from '../addon.ts'

export interface Xxhash64 {
  /**
   * Stores the checksums of the concatenated pieces in `target`, cut after `roomBytes` and from there on after
   * each `chunkBytes`. @returns how many.
   */
  checksums(
    pieces: readonly Uint8Array[],
    roomBytes: number,
    chunkBytes: number,
    target: Uint8Array,
  ): number
  /** Stores the checksum of the two, one behind the other. */
  checksum(first: Uint8Array, second: Uint8Array, target: Uint8Array): void
}

export const xxhash64 = loadAddon('network/wire/xxhash64') as Xxhash64
