/** What a partition keeps of a volume: what its inodes take, and how much they may. */
import { ClusterError } from '../../network/errors.ts'

export interface UsageRecord {
  readonly usedBytes: number
  readonly usedFiles: number
  /** Whether the grant is to be kept to. */
  readonly limited: boolean
  /** What may be used here, in all. */
  readonly grantBytes: number
  readonly grantFiles: number
  /** How often the volume's quota was set, as far as is known here. */
  readonly epoch: number
  /** How often something of the grant was recalled: what was granted before that does not count. */
  readonly recalls: number
}

const unused: UsageRecord = {
  usedBytes: 0,
  usedFiles: 0,
  limited: false,
  grantBytes: 0,
  grantFiles: 0,
  epoch: 0,
  recalls: 0,
}

/** Little-endian: u8 version, u8 limited, then f64 each in the order of the reader. */
const recordVersion = 1
const recordBytes = 50

export function encodeUsage(usage: UsageRecord): Uint8Array {
  const record = Buffer.allocUnsafe(recordBytes)
  record[0] = recordVersion
  record[1] = usage.limited ? 1 : 0
  record.writeDoubleLE(usage.usedBytes, 2)
  record.writeDoubleLE(usage.usedFiles, 10)
  record.writeDoubleLE(usage.grantBytes, 18)
  record.writeDoubleLE(usage.grantFiles, 26)
  record.writeDoubleLE(usage.epoch, 34)
  record.writeDoubleLE(usage.recalls, 42)
  return record
}

/** @throws ClusterError MALFORMED */
export function decodeUsage(bytes: Uint8Array | undefined): UsageRecord {
  if (bytes === undefined) return unused
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (record[0] !== recordVersion || record.length !== recordBytes) {
    throw new ClusterError('MALFORMED', `a record of a volume's usage of ${record.length} bytes`)
  }
  return {
    limited: record[1] === 1,
    usedBytes: record.readDoubleLE(2),
    usedFiles: record.readDoubleLE(10),
    grantBytes: record.readDoubleLE(18),
    grantFiles: record.readDoubleLE(26),
    epoch: record.readDoubleLE(34),
    recalls: record.readDoubleLE(42),
  }
}
