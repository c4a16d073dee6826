/** Reading on where a record has decayed: what cannot be read is a finding here, and no reason to stop. */
import { ClusterError } from '../../network/errors.ts'
import type { Key, KeyReader, KeyValueStore } from '../metadata/contract.ts'

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

/**
 * The records of a range that can be read, in order. One that has decayed on the disk may still be in
 * memory: it is as `get` shows it to everybody, or names would be counted that others cannot see.
 */
export async function* readableRange(
  store: KeyReader & Pick<KeyValueStore, 'range'>,
  from: Key,
  to: Key,
): AsyncGenerator<readonly [Key, Uint8Array]> {
  const remembered: (readonly [Key, Uint8Array])[] = []
  const onDamaged = (key: Key) => {
    const value = getTolerantly(store, key)
    if (value !== undefined && value !== decayed) remembered.push([key, value])
  }
  for await (const pair of store.range(from, to, { onDamaged })) {
    while (remembered.length > 0 && remembered[0]![0] < pair[0]) yield remembered.shift()!
    yield pair
  }
  yield* remembered
}
