/** What two copies of a partition are compared by: a signature for each row, and a digest of all. */
import { ClusterError } from '../../network/errors.ts'
import { checksum64 } from '../../network/wire/checksum.ts'
import { shapeOf, signatureOf } from '../blocks/shape.ts'
import type { Key } from '../metadata/contract.ts'

const blockKind = 'b'

export function isBlockKey(key: Key): boolean {
  return key[2] === blockKind
}

/** null for the record of a block that cannot be read. */
export function signatureOfRow(key: Key, value: Uint8Array): bigint | null {
  if (!isBlockKey(key)) return checksum64(value)
  const shape = shapeOf(value)
  return shape === null ? null : signatureOf(shape)
}

/** @throws ClusterError CHECKSUM, when a record of it cannot be read. */
export async function digestOf(
  rows: AsyncIterable<readonly [Key, Uint8Array]>,
): Promise<Uint8Array> {
  const digest = Buffer.alloc(16)
  for await (const [key, value] of rows) {
    const signature = signatureOfRow(key, value)
    if (signature === null) throw unreadable(key)
    digest.writeBigUInt64LE(signature, 8)
    digest.writeBigUInt64LE(checksum64(Buffer.concat([digest, Buffer.from(key, 'latin1')])), 0)
  }
  return Uint8Array.from(digest.subarray(0, 8))
}

export function unreadable(key: Key): ClusterError {
  const name = Buffer.from(key, 'latin1').toString('hex')
  return new ClusterError('CHECKSUM', `the record of a block, ${name}, cannot be read`)
}
