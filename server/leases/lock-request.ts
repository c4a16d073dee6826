/** What clients send about locks, checked: nothing else of it is relied on. */
import { ClusterError } from '../../network/errors.ts'
import { maxLocksOfClient } from '../../network/limits.ts'
import {
  type ByteRange,
  type HeldRange,
  lastLockByte,
  lockType,
} from '../../network/locks/ranges.ts'
import { fieldsOf } from '../../network/wire/codec.ts'
import type { LockOwner, ReclaimedOwner, TestLockRequest } from '../../network/wire/operations.ts'

const types: readonly unknown[] = Object.values(lockType)

/** @throws ClusterError MALFORMED */
export function checkedOwner(claimed: LockOwner): LockOwner {
  const { ino, flock, owner } = fieldsOf(claimed)
  const sound = typeof ino === 'number' && Number.isSafeInteger(ino) && ino > 0
  if (sound && typeof flock === 'boolean' && typeof owner === 'bigint') return { ino, flock, owner }
  throw new ClusterError('MALFORMED', 'a lock without an owner')
}

/** @throws ClusterError MALFORMED */
export function checkedRange({
  start,
  end,
  type,
  pid = 0,
}: Pick<TestLockRequest, 'start' | 'end' | 'type'> & { readonly pid?: number }): ByteRange & {
  readonly pid: number
} {
  const sound = types.includes(type) && Number.isSafeInteger(pid)
  if (sound && isByte(start) && isByte(end) && start <= end) return { start, end, pid }
  throw new ClusterError('MALFORMED', `a lock from ${start} to ${end}`)
}

/** @throws ClusterError MALFORMED */
export function rangesOf(ranges: ReclaimedOwner['ranges']): readonly HeldRange[] {
  if (!Array.isArray(ranges) || ranges.length > maxLocksOfClient) {
    throw new ClusterError('MALFORMED', 'locks without ranges')
  }
  return ranges.map(range => {
    const [start, end, exclusive, pid] = Array.isArray(range) ? range : []
    const type = exclusive === 1 ? lockType.write : lockType.read
    return { ...checkedRange({ start, end, type, pid }), exclusive: exclusive === 1 }
  })
}

function isByte(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value <= lastLockByte
}
