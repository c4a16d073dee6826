/**
 * Frames on their way out, gathered until the tick ends: headers, bodies and small payloads side by side
 * in slabs, large ones by reference.
 *
 * 1. A slab's bytes are written once and never again: they stay as they are while the socket has them.
 */

import { type goodbyeKind, headerBytes, type Writable, writeHeader } from '../wire/framing.ts'
import type { FrameHeader, FrameKind } from './contract.ts'

/** An idle connection holds little; a busy one soon has slabs that last. */
const firstSlabBytes = 8 * 1024
const largestSlabBytes = 64 * 1024
/** Up to here a copy costs less than one more entry in the vector of writev(2). */
const copyLimitBytes = 4 * 1024

export class Outgoing {
  #slab = makeSlab(0)
  #used = 0
  /** Where the bytes begin that are not in `#pieces` yet. */
  #begin = 0
  #pieces: Uint8Array[] = []

  add(
    header: Omit<FrameHeader, 'kind'> & { readonly kind: FrameKind | typeof goodbyeKind },
    body: Uint8Array,
    payload: readonly Uint8Array[],
    payloadBytes: number,
  ): void {
    this.#reserve(headerBytes)
    writeHeader(this.#slab, this.#used, header, body, payloadBytes)
    this.#used += headerBytes
    this.#addPiece(body)
    for (const piece of payload) this.#addPiece(piece)
  }

  /** What is to be written, in order; the next frame begins a new batch. */
  take(): Uint8Array[] {
    this.#endRun()
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  #addPiece(piece: Uint8Array): void {
    if (piece.byteLength > copyLimitBytes) {
      this.#endRun()
      this.#pieces.push(piece)
    } else if (piece.byteLength > 0) {
      this.#reserve(piece.byteLength)
      this.#slab.bytes.set(piece, this.#used)
      this.#used += piece.byteLength
    }
  }

  #reserve(bytes: number): void {
    const { byteLength } = this.#slab.bytes
    if (this.#used + bytes <= byteLength) return
    this.#endRun()
    this.#slab = makeSlab(Math.min(Math.max(byteLength * 2, firstSlabBytes), largestSlabBytes))
    this.#used = 0
    this.#begin = 0
  }

  #endRun(): void {
    if (this.#used === this.#begin) return
    this.#pieces.push(this.#slab.bytes.subarray(this.#begin, this.#used))
    this.#begin = this.#used
  }
}

/** A Buffer, which node:net takes as it is. */
function makeSlab(size: number): Writable {
  const bytes = Buffer.allocUnsafeSlow(size)
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
}
