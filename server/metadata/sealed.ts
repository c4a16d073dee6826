/**
 * Values as Level keeps them: the value, then the xxHash64 of its key and itself. Level does not verify the
 * checksums of its tables when it reads: a bit that flips there would give another size, or another name.
 */
import { checksumBytes, sameChecksums } from '../../network/wire/checksum.ts'
import { xxhash64 } from '../../network/wire/xxhash64.ts'

/** The seal that a record should have. */
const expected = new Uint8Array(checksumBytes)

export function sealed(key: Uint8Array, value: Uint8Array): Uint8Array {
  const record = Buffer.allocUnsafe(value.length + checksumBytes)
  record.set(value)
  xxhash64.checksum(key, value, record.subarray(value.length))
  return record
}

/** @returns null when it is not what was sealed under this key. */
export function unsealed(key: Uint8Array, record: Uint8Array): Uint8Array | null {
  const length = record.length - checksumBytes
  if (length < 0) return null
  const value = record.subarray(0, length)
  xxhash64.checksum(key, value, expected)
  return sameChecksums(record.subarray(length), expected) ? value : null
}
