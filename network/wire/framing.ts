/**
 * Frames as bytes: a fixed header of 32 bytes little-endian, the body, the payload.
 *
 *   0 u32 body length    8 u32 call id     15 u8 zero     22 u16 magic
 *   4 u32 payload length 12 u16 operation  16 u32 epoch   24 u64 xxHash64 of bytes 0 to 23 and the body
 *                        14 u8 kind        20 u16 partition
 */
import { ClusterError } from '../errors.ts'
import { maxFrameBodyBytes, maxFramePayloadBytes } from '../limits.ts'
import { type FrameHeader, type FrameKind, frameKind } from '../transport/contract.ts'
import { xxhash64 } from './xxhash64.ts'

export const headerBytes = 32
const checkedBytes = 24
const magic = 0x6b52

/** The last frame of an orderly close. A stream that ends without it was cut off. */
export const goodbyeKind = 0x7f

const highestKind = Math.max(...Object.values(frameKind))

const checksumBytes = 8
/** What a frame's checksum should be. */
const expected = new Uint8Array(checksumBytes)

export function payloadLength(payload: readonly Uint8Array[]): number {
  let length = 0
  for (const piece of payload) length += piece.byteLength
  return length
}

/** @throws ClusterError OVERSIZE */
export function checkLengths(bodyBytes: number, payloadBytes: number): void {
  if (bodyBytes > maxFrameBodyBytes) {
    throw new ClusterError('OVERSIZE', `a body of ${bodyBytes} bytes, at most ${maxFrameBodyBytes}`)
  }
  if (payloadBytes > maxFramePayloadBytes) {
    throw new ClusterError(
      'OVERSIZE',
      `a payload of ${payloadBytes} bytes, at most ${maxFramePayloadBytes}`,
    )
  }
}

/** Bytes and a view of the same bytes, made once for many headers. */
export interface Writable {
  readonly bytes: Uint8Array
  readonly view: DataView
}

export function writeHeader(
  target: Writable,
  offset: number,
  header: Omit<FrameHeader, 'kind'> & { readonly kind: FrameKind | typeof goodbyeKind },
  body: Uint8Array,
  payloadBytes: number,
): void {
  const { bytes, view } = target
  view.setUint32(offset, body.byteLength, true)
  view.setUint32(offset + 4, payloadBytes, true)
  view.setUint32(offset + 8, header.callId, true)
  view.setUint16(offset + 12, header.operation, true)
  view.setUint8(offset + 14, header.kind)
  view.setUint8(offset + 15, 0)
  view.setUint32(offset + 16, header.epoch, true)
  view.setUint16(offset + 20, header.partition, true)
  view.setUint16(offset + 22, magic, true)
  const checked = offset + checkedBytes
  const checksum = bytes.subarray(checked, checked + checksumBytes)
  xxhash64.checksum(bytes.subarray(offset, checked), body, checksum)
}

/** What a header says; `kind` may be `goodbyeKind`. */
export interface ReadHeader {
  readonly bodyBytes: number
  readonly payloadBytes: number
  readonly goodbye: boolean
  readonly frame: FrameHeader
}

/**
 * @param bytes exactly `headerBytes`.
 * @throws ClusterError MALFORMED or OVERSIZE, before anything is waited for or allocated.
 */
export function readHeader(bytes: Uint8Array): ReadHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
  const kind = view.getUint8(14)
  const goodbye = kind === goodbyeKind
  if (view.getUint16(22, true) !== magic || view.getUint8(15) !== 0) {
    throw new ClusterError('MALFORMED', 'what arrived is not a frame')
  }
  if (!goodbye && (kind === 0 || kind > highestKind)) {
    throw new ClusterError('MALFORMED', `there is no frame of kind ${kind}`)
  }
  const bodyBytes = view.getUint32(0, true)
  const payloadBytes = view.getUint32(4, true)
  checkLengths(bodyBytes, payloadBytes)
  const frame = {
    callId: view.getUint32(8, true),
    kind: kind as FrameKind,
    operation: view.getUint16(12, true),
    partition: view.getUint16(20, true),
    epoch: view.getUint32(16, true),
  }
  return { bodyBytes, payloadBytes, goodbye, frame }
}

/** @throws ClusterError CHECKSUM */
export function verifyFrame(header: Uint8Array, body: Uint8Array): void {
  xxhash64.checksum(header.subarray(0, checkedBytes), body, expected)
  for (let i = 0; i < checksumBytes; i++) {
    if (header[checkedBytes + i] === expected[i]) continue
    throw new ClusterError('CHECKSUM', 'header and body of a frame do not match their checksum')
  }
}
