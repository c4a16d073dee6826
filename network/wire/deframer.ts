/**
 * Turns what arrives, in pieces of any size, into frames.
 *
 * 1. Payload bytes are never copied: the frame gets views of the pieces that arrived. For the rest of a large payload whoever
 *    reads gets memory that is nobody else's (`room`), so that it arrives in few pieces.
 * 2. Header and body are copied only when they straddle pieces.
 * 3. Lengths are checked before anything is allocated or waited for; header and body are verified before
 *    the payload is waited for.
 * 4. After an error nothing more is taken.
 */
import assert from 'node:assert/strict'
import { ClusterError } from '../errors.ts'
import {
  leastPayloadRoomBytes,
  maxFrameBodyBytes,
  maxFramePayloadBytes,
  payloadRoomBytes,
} from '../limits.ts'
import type { FrameHeader } from '../transport/contract.ts'
import { headerBytes, type ReadHeader, readHeader, verifyFrame } from './framing.ts'

export interface FrameSink {
  frame(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[]): void
  goodbye(): void
}

const empty = new Uint8Array(0)
const none: readonly Uint8Array[] = Object.freeze([])

export class Deframer {
  readonly #sink: FrameSink
  #bodyLimitBytes = maxFrameBodyBytes
  #payloadLimitBytes = maxFramePayloadBytes
  #broken = false
  /** Bytes of a header or body that began in an earlier piece, and how many of them are there. */
  #partial: Uint8Array | undefined
  #partialBytes = 0
  #headerBytes: Uint8Array = empty
  #header: ReadHeader | undefined
  #body: Uint8Array | undefined
  #payload: Uint8Array[] = []
  #payloadMissing = 0
  /** What `room` has said: the rest of it awaits bytes of the payload. */
  #room: Uint8Array = empty

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Holds for frames whose header is read from now on. */
  limit(bodyBytes: number, payloadBytes: number): void {
    this.#bodyLimitBytes = bodyBytes
    this.#payloadLimitBytes = payloadBytes
  }

  /** Whether the stream stands between two frames. */
  get idle(): boolean {
    return this.#header === undefined && this.#partialBytes === 0
  }

  /**
   * Takes the next bytes, which belong to the deframer from now on.
   * @throws ClusterError MALFORMED, OVERSIZE or CHECKSUM: the stream cannot be read any further.
   */
  push(piece: Uint8Array): void {
    assert(!this.#broken, 'a broken stream takes nothing more')
    this.#broken = true
    let offset = 0
    while (offset < piece.byteLength || this.#canGoOn()) offset = this.#step(piece, offset)
    this.#broken = false
  }

  /** Memory for nothing but what comes next, all of it payload; null when that is little, or not payload. */
  room(): Uint8Array | null {
    if (this.#broken || this.#body === undefined) return null
    if (this.#room.byteLength === 0) {
      if (this.#payloadMissing < leastPayloadRoomBytes) return null
      this.#room = Buffer.allocUnsafeSlow(Math.min(this.#payloadMissing, payloadRoomBytes))
    }
    return this.#room
  }

  /** So many bytes stand at the beginning of what `room` said last. */
  filled(bytes: number): void {
    const room = this.#room
    assert(bytes <= room.byteLength, 'no more than there is room for')
    this.#room = room.subarray(bytes)
    this.push(room.subarray(0, bytes))
  }

  /** An empty body is there without a further byte. */
  #canGoOn(): boolean {
    return this.#header?.bodyBytes === 0 && this.#body === undefined
  }

  #step(piece: Uint8Array, offset: number): number {
    const header = this.#header
    if (header === undefined) return this.#stepHeader(piece, offset)
    if (this.#body === undefined) return this.#stepBody(header, piece, offset)
    return this.#stepPayload(header, this.#body, piece, offset)
  }

  #stepHeader(piece: Uint8Array, offset: number): number {
    const end = this.#gather(piece, offset, headerBytes)
    const bytes = this.#gathered(piece, offset, headerBytes)
    if (bytes === undefined) return end
    this.#headerBytes = bytes
    const header = readHeader(bytes)
    if (header.bodyBytes > this.#bodyLimitBytes || header.payloadBytes > this.#payloadLimitBytes) {
      const size = header.bodyBytes + header.payloadBytes
      throw new ClusterError('OVERSIZE', `a frame of ${size} bytes before a key was proven`)
    }
    this.#header = header
    return end
  }

  #stepBody(header: ReadHeader, piece: Uint8Array, offset: number): number {
    const end = this.#gather(piece, offset, header.bodyBytes)
    const body = this.#gathered(piece, offset, header.bodyBytes)
    if (body === undefined) return end
    verifyFrame(this.#headerBytes, body)
    this.#body = body
    this.#payloadMissing = header.payloadBytes
    if (header.payloadBytes === 0) this.#finish(header, body)
    return end
  }

  #stepPayload(header: ReadHeader, body: Uint8Array, piece: Uint8Array, offset: number): number {
    const end = Math.min(piece.byteLength, offset + this.#payloadMissing)
    if (end > offset) this.#addPayload(piece.subarray(offset, end))
    this.#payloadMissing -= end - offset
    if (this.#payloadMissing === 0) this.#finish(header, body)
    return end
  }

  /** Pieces that lie side by side in one buffer are handed out as one. */
  #addPayload(piece: Uint8Array): void {
    const last = this.#payload.at(-1)
    if (last?.buffer === piece.buffer && last.byteOffset + last.byteLength === piece.byteOffset) {
      const length = last.byteLength + piece.byteLength
      this.#payload[this.#payload.length - 1] = new Uint8Array(last.buffer, last.byteOffset, length)
    } else {
      this.#payload.push(piece)
    }
  }

  #finish(header: ReadHeader, body: Uint8Array): void {
    const payload = header.payloadBytes === 0 ? none : this.#payload
    this.#header = undefined
    this.#body = undefined
    this.#room = empty
    // The receiver owns the list it was given.
    if (header.payloadBytes > 0) this.#payload = []
    if (header.goodbye) this.#sink.goodbye()
    else this.#sink.frame(header.frame, body, payload)
  }

  /** Keeps what a piece has of the `wanted` bytes unless all of them lie in it. @returns where it ends. */
  #gather(piece: Uint8Array, offset: number, wanted: number): number {
    const end = Math.min(piece.byteLength, offset + wanted - this.#partialBytes)
    const whole = end - offset === wanted
    if (whole) return end
    this.#partial ??= new Uint8Array(wanted)
    this.#partial.set(piece.subarray(offset, end), this.#partialBytes)
    this.#partialBytes += end - offset
    return end
  }

  #gathered(piece: Uint8Array, offset: number, wanted: number): Uint8Array | undefined {
    if (this.#partialBytes === 0) {
      return wanted === 0 ? empty : piece.subarray(offset, offset + wanted)
    }
    if (this.#partialBytes < wanted) return undefined
    const bytes = this.#partial
    this.#partial = undefined
    this.#partialBytes = 0
    return bytes
  }
}
