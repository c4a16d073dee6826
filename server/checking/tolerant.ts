/** Reading on where a record has decayed: what cannot be read is a finding here, and no reason to stop. */
import { ClusterError } from '../../network/errors.ts'
import type { Key, KeyReader } from '../metadata/contract.ts'

/** What a reader gives for a record that is not what was written: no kind of record can be read from it. */
export const decayed: Uint8Array = new Uint8Array(0)

export function tolerant(reader: KeyReader): KeyReader {
  return { get: key => getTolerantly(reader, key) }
}

export function getTolerantly(reader: KeyReader, key: Key): Uint8Array | undefined {
  try {
    return reader.get(key)
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'CHECKSUM') return decayed
    throw error
  }
}
