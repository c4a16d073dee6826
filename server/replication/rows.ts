/** Rows of a partition as they travel: key and value one behind the other, `null` for one that is deleted. */
import { ClusterError } from '../../network/errors.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'

const blockKind = 'b'

/** Whether it is the record of a block, which travels with its data. */
export function isBlockKey(key: Key): boolean {
  return key[2] === blockKind
}

const headBytes = 2 + 4
const deleted = 0xffff_ffff

export function encodeRows(rows: readonly KeyMutation[]): Uint8Array {
  let size = 0
  for (const { key, value } of rows) size += headBytes + key.length + (value?.length ?? 0)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const { key, value } of rows) {
    at = bytes.writeUInt16LE(key.length, at)
    at = bytes.writeUInt32LE(value === null ? deleted : value.length, at)
    at += bytes.write(key, at, 'latin1')
    if (value === null) continue
    bytes.set(value, at)
    at += value.length
  }
  return bytes
}

/** @throws ClusterError MALFORMED when it is not what `encodeRows` made. */
export function decodeRows(encoded: Uint8Array): KeyMutation[] {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  const rows: KeyMutation[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + headBytes > bytes.length) throw malformed()
    const keyBytes = bytes.readUInt16LE(at)
    const valueBytes = bytes.readUInt32LE(at + 2)
    const keyEnd = at + headBytes + keyBytes
    const end = keyEnd + (valueBytes === deleted ? 0 : valueBytes)
    if (end > bytes.length) throw malformed()
    const key = bytes.toString('latin1', at + headBytes, keyEnd)
    // A copy: what is stored must not keep a whole frame in memory.
    rows.push({
      key,
      value: valueBytes === deleted ? null : Uint8Array.from(bytes.subarray(keyEnd, end)),
    })
    at = end
  }
  return rows
}

function malformed(): ClusterError {
  return new ClusterError('MALFORMED', 'rows of a partition that do not end where they should')
}
