/**
 * What a server keeps of each of its copies, beside the rows that all copies share: how far the copy is, and
 * what it is good for. Written in the batch that makes it true.
 */
import { ClusterError } from '../../network/errors.ts'
import { checksum64 } from '../../network/wire/checksum.ts'
import type { Position } from '../../network/wire/operations.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'

export const copyState = {
  /** All there is; changes are not numbered. */
  solo: 1,
  /** All there is up to the position, as its primary. */
  leads: 2,
  /** All there is up to the position, as fed by its primary. */
  follows: 3,
  /** It is being fed: good for nothing yet. */
  partial: 4,
  /** It is being deleted. */
  dropping: 5,
} as const
export type CopyState = (typeof copyState)[keyof typeof copyState]

export interface CopyRecord extends Position {
  readonly state: CopyState
  /** Hash of the boot of the machine under which it was written last. */
  readonly boot: bigint
}

const recordBytes = 1 + 8 + 8 + 8

/** Behind the keys of all partitions. */
function copyKey(partition: number): Key {
  return `\xff\xff\xfec${String.fromCharCode(partition >>> 8, partition & 255)}`
}

export function hashOfBoot(boot: string): bigint {
  return checksum64(Buffer.from(boot))
}

export function copyMutation(partition: number, record: CopyRecord): KeyMutation {
  const bytes = Buffer.allocUnsafeSlow(recordBytes)
  bytes[0] = record.state
  bytes.writeDoubleLE(record.epoch, 1)
  bytes.writeDoubleLE(record.sequence, 9)
  bytes.writeBigUInt64LE(record.boot, 17)
  return { key: copyKey(partition), value: bytes }
}

export function forgetCopy(partition: number): KeyMutation {
  return { key: copyKey(partition), value: null }
}

/** null where the server never knew of another copy, or has none. @throws ClusterError MALFORMED. */
export function readCopyRecord(
  store: { get(key: Key): Uint8Array | undefined },
  partition: number,
): CopyRecord | null {
  const value = store.get(copyKey(partition))
  if (value === undefined) return null
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const state = bytes[0] as CopyState
  if (bytes.length !== recordBytes || !Object.values(copyState).includes(state)) {
    throw new ClusterError('MALFORMED', `the record of the copy of partition ${partition}`)
  }
  const [epoch, sequence] = [bytes.readDoubleLE(1), bytes.readDoubleLE(9)]
  return { state, epoch, sequence, boot: bytes.readBigUInt64LE(17) }
}

export function samePosition(one: Position, other: Position): boolean {
  return one.epoch === other.epoch && one.sequence === other.sequence
}
