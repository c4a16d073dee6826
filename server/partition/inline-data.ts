/** The data of a file that is kept beside its inode: one record, checksum first, then the bytes. */
import { ClusterError } from '../../network/errors.ts'
import { checksumBytes, writeChecksum } from '../../network/wire/checksum.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { inlineKey } from '../metadata/keys.ts'
import type { Batch } from './batch.ts'

export interface InlineData {
  readonly checksum: Uint8Array
  /** May be shorter than the file: the rest is zeros. */
  readonly data: Uint8Array
}

const none: InlineData = { checksum: new Uint8Array(checksumBytes), data: new Uint8Array(0) }
writeChecksum(none.checksum, 0, [none.data])

export function readInlineData(batch: Batch, ino: Ino): InlineData {
  const record = batch.get(inlineKey(partitionOfIno(ino), ino))
  if (record === undefined) return none
  return { checksum: record.subarray(0, checksumBytes), data: record.subarray(checksumBytes) }
}

/** @throws ClusterError CHECKSUM when the store gave other bytes than were put there. */
export function readVerifiedInlineData(batch: Batch, ino: Ino): Uint8Array {
  const { checksum, data } = readInlineData(batch, ino)
  if (!isChecksumOf(checksum, [data])) {
    throw new ClusterError('CHECKSUM', `the inline data of inode ${ino} is damaged`)
  }
  return data
}

export function writeInlineData(batch: Batch, ino: Ino, data: Uint8Array): void {
  const key = inlineKey(partitionOfIno(ino), ino)
  if (data.length === 0) {
    if (batch.get(key) !== undefined) batch.delete(key)
    return
  }
  const record = new Uint8Array(checksumBytes + data.length)
  record.set(data, checksumBytes)
  writeChecksum(record, 0, [data])
  batch.put(key, record)
}

export function isChecksumOf(checksum: Uint8Array, pieces: readonly Uint8Array[]): boolean {
  const actual = new Uint8Array(checksumBytes)
  writeChecksum(actual, 0, pieces)
  return Buffer.compare(actual, checksum) === 0
}
