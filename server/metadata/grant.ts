/** What the metadata store keeps of an append grant: 16 bytes client, u16 slot, little-endian. */
import { ClusterError } from '../../network/errors.ts'

const clientBytes = 16
const recordBytes = clientBytes + 2

/** @param client 32 hexadecimal digits. */
export function encodeGrant(client: string, slot: number): Uint8Array {
  const record = Buffer.alloc(recordBytes)
  record.write(client, 0, clientBytes, 'hex')
  record.writeUInt16LE(slot, clientBytes)
  return record
}

/** @throws ClusterError MALFORMED */
export function clientOfGrant(record: Uint8Array): string {
  return bytesOf(record).toString('hex', 0, clientBytes)
}

/** @throws ClusterError MALFORMED */
export function slotOfGrant(record: Uint8Array): number {
  return bytesOf(record).readUInt16LE(clientBytes)
}

function bytesOf(record: Uint8Array): Buffer {
  if (record.length !== recordBytes) {
    throw new ClusterError('MALFORMED', `a record of an append grant has ${record.length} bytes`)
  }
  return Buffer.from(record.buffer, record.byteOffset, record.byteLength)
}
