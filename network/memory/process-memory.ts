/** Typed face of process-memory.c, which copies data out of another process of this machine. */
import { loadAddon } from '../addon.ts'

interface ProcessMemory {
  placesOf(pieces: readonly Uint8Array[], target: Uint8Array): void
  fetch(process: number, places: Uint8Array, target: Uint8Array): number
}

/** Address and length, each of 8 bytes as this machine has them. */
const placeBytes = 16

const addon = loadAddon('network/memory/process-memory') as ProcessMemory

/**
 * Where the pieces lie in this process. They are to be kept, and not to be changed, while somebody may fetch them: nobody else
 * keeps them from being collected.
 */
export function placesOf(pieces: readonly Uint8Array[]): Uint8Array {
  const places = new Uint8Array(pieces.length * placeBytes)
  addon.placesOf(pieces, places)
  return places
}

/**
 * Fills the target with what lies at those places of the process, one behind the other. What that has done with its memory
 * meanwhile nobody knows: the data is to be verified.
 * @param process its number, as this process sees it. @param places as `placesOf` said there.
 * @returns 0 or an errno: EPERM where the kernel does not let this process, ESRCH where there is none such, EFAULT where nothing
 * lies there, EINVAL where places and target differ in length, ENOSYS or EPERM where the call itself is shut off.
 */
export function fetchFrom(process: number, places: Uint8Array, target: Uint8Array): number {
  return addon.fetch(process, places, target)
}

/** Memory that begins at a multiple of the alignment. @param alignment bytes, a power of two. */
export function alignedMemory(bytes: number, alignment: number): Uint8Array {
  const room = Buffer.allocUnsafeSlow(bytes + alignment)
  const { buffer } = placesOf([room])
  const address = new BigUint64Array(buffer, 0, 1)[0]!
  const start = Number(-address & BigInt(alignment - 1))
  return room.subarray(start, start + bytes)
}
