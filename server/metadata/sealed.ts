/**
 * Values as Level keeps them: the value, then the xxHash64 of its key and itself. Level does not verify the
 * checksums of its tables when it reads: a bit that flips there would give another size, or another name.
 */
import { checksum64, checksum64Of, checksumBytes } from '../../network/wire/checksum.ts'

/** Longer ones are hashed in two pieces, which takes more time than to join short ones. */
const scratchBytes = 16 * 1024
const scratch = new Uint8Array(scratchBytes)

export function sealed(key: Uint8Array, value: Uint8Array): Uint8Array {
  const record = Buffer.allocUnsafe(value.length + checksumBytes)
  record.set(value)
  record.writeBigUInt64LE(sealOf(key, value), value.length)
  return record
}

/** @returns null when it is not what was sealed under this key. */
export function unsealed(key: Uint8Array, record: Uint8Array): Uint8Array | null {
  const length = record.length - checksumBytes
  if (length < 0) return null
  const value = record.subarray(0, length)
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength)
  return bytes.readBigUInt64LE(length) === sealOf(key, value) ? value : null
}

function sealOf(key: Uint8Array, value: Uint8Array): bigint {
  const length = key.length + value.length
  if (length > scratchBytes) return checksum64Of([key, value])
  scratch.set(key)
  scratch.set(value, key.length)
  return checksum64(scratch.subarray(0, length))
}
