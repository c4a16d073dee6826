/** What two copies of a partition are compared by: a signature for each row, and a digest of all. */
import { checksum64 } from '../../network/wire/checksum.ts'
import { shapeOf, signatureOf } from '../blocks/shape.ts'
import type { Key } from '../metadata/contract.ts'
import { unreadable } from './damaged-source.ts'
import { isBlockKey } from './rows.ts'

/** null for the record of a block that cannot be read. */
export function signatureOfRow(key: Key, value: Uint8Array): bigint | null {
  if (!isBlockKey(key)) return checksum64(value)
  const shape = shapeOf(value)
  return shape === null ? null : signatureOf(shape)
}

/** @throws DamagedSource when a record of a block cannot be read. */
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
