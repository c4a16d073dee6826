/**
 * Memory that a socket is read into: one allocation serves many reads, and what was read is handed out as
 * views of it.
 *
 * 1. No byte is ever given out twice: whoever gets a view owns it.
 * 2. A slab is small while reads are small, so that one kept view of a few bytes holds little memory, and
 *    large while data streams, so that a block arrives in few pieces.
 */

const smallSlabBytes = 64 * 1024
const largeSlabBytes = 1024 * 1024
/** A read gets at least this much room, else many small reads would be made of one large one. */
const leastRoomBytes = 16 * 1024

export class ReadSlab {
  #slab = new Uint8Array(0)
  #used = 0
  #streaming = false

  /** Where to read to next. */
  room(): Uint8Array {
    if (this.#slab.byteLength - this.#used < leastRoomBytes) {
      const size = this.#streaming ? largeSlabBytes : smallSlabBytes
      const { buffer } = Buffer.allocUnsafeSlow(size)
      this.#slab = new Uint8Array(buffer)
      this.#used = 0
    }
    return this.#slab.subarray(this.#used)
  }

  /** The first `length` bytes of the room were filled. */
  take(length: number): Uint8Array {
    const piece = this.#slab.subarray(this.#used, this.#used + length)
    this.#used += length
    this.#streaming = length >= leastRoomBytes
    return piece
  }
}
