/**
 * The block store's keys in the metadata store: one for each block, and one for how far the data disk
 * is synced.
 */
import { ClusterError } from '../../network/errors.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Key } from '../metadata/contract.ts'
import type { BlockKey } from './contract.ts'

/** The letter 'b'. */
const kind = 0x62
const blockDigits = 5

const partitionLimit = 2 ** 16
const generationLimit = 2 ** 32
const blockLimit = 2 ** (8 * blockDigits)

/**
 * 2 bytes partition, 'b', 7 bytes ino, 4 bytes generation, 5 bytes block, all big-endian.
 * @throws ClusterError MALFORMED when a number, which may come from the wire, has no place in them.
 */
export function blockKeyOf({ partition, ino, generation, block }: BlockKey): Key {
  const sound =
    isBelow(partition, partitionLimit) &&
    isBelow(ino, Number.MAX_SAFE_INTEGER) &&
    isBelow(generation, generationLimit) &&
    isBelow(block, blockLimit)
  if (!sound) throw new ClusterError('MALFORMED', `no block: ${ino}.${generation} ${block}`)
  const low = block % 2 ** 32
  return (
    prefixOf(partition, ino, generation) +
    String.fromCharCode(
      Math.floor(block / 2 ** 32),
      low >>> 24,
      (low >>> 16) & 255,
      (low >>> 8) & 255,
      low & 255,
    )
  )
}

function isBelow(value: number, limit: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < limit
}

function prefixOf(partition: number, ino: Ino, generation: number): string {
  const high = Math.floor(ino / 2 ** 32)
  const low = ino % 2 ** 32
  return String.fromCharCode(
    partition >>> 8,
    partition & 255,
    kind,
    high >>> 16,
    (high >>> 8) & 255,
    high & 255,
    low >>> 24,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
    generation >>> 24,
    (generation >>> 16) & 255,
    (generation >>> 8) & 255,
    generation & 255,
  )
}

/**
 * The blocks of one generation of a file that live in the partition, from this one up to below `reach`:
 * `from <= key < to`. This one itself is among them, whatever `reach` is.
 * @throws ClusterError MALFORMED when it is no block.
 */
export function blocksBetween(from: BlockKey, reach: number): readonly [Key, Key] {
  const end = Math.max(from.block, Math.min(reach, blockLimit) - 1)
  return [blockKeyOf(from), `${blockKeyOf({ ...from, block: end })}\0`]
}

/** All blocks of the partition: `from <= key < to`. */
export function partitionBlockRange(partition: number): readonly [Key, Key] {
  const from = String.fromCharCode(partition >>> 8, partition & 255, kind)
  const to = String.fromCharCode(partition >>> 8, partition & 255, kind + 1)
  return [from, to]
}

/** What `blockKeyOf` wrote. */
export function parseBlockKey(key: Key): BlockKey {
  const number = (from: number, to: number): number => {
    let value = 0
    for (let at = from; at < to; at++) value = value * 256 + key.charCodeAt(at)
    return value
  }
  return {
    partition: number(0, 2),
    ino: number(3, 10),
    generation: number(10, 14),
    block: number(14, 19),
  }
}

/** Behind every partition's keys: the number of the last change whose data is surely on the disk. */
export const syncedChangeKey: Key = '\xff\xff\xffblocks'
const syncedChangeBytes = 6

export function encodeSyncedChange(change: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(syncedChangeBytes)
  bytes.writeUIntLE(change, 0, syncedChangeBytes)
  return bytes
}

/** @throws ClusterError DISK when it is not what `encodeSyncedChange` made. */
export function decodeSyncedChange(value: Uint8Array): number {
  if (value.length !== syncedChangeBytes) {
    throw new ClusterError('DISK', 'the number of the last synced change cannot be read')
  }
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return bytes.readUIntLE(0, syncedChangeBytes)
}
