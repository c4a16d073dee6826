/**
 * The locks that this client holds, as its servers know them: what it tells a server again with each session.
 *
 * 1. A lock is here from the moment in which the reply that grants it is taken off the connection. A session
 *    leaves when no request about locks is on its way (server-link.ts): it says what the server has then.
 * 2. A lock that may have been somebody else's meanwhile is lost: its owner is told so at each call that has to
 *    do with it, until it closes the file.
 */
import { PosixError } from '../../network/errors.ts'
import {
  changed,
  type HeldRange,
  lastLockByte,
  lockType,
  type RangeChange,
} from '../../network/locks/ranges.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { LockOwner, ReclaimedOwner } from '../../network/wire/operations.ts'

/** What one owner has locked of one inode. */
export interface OwnLocks extends LockOwner {
  ranges: readonly HeldRange[]
  lost: boolean
}

const everything = { start: 0n, end: lastLockByte, type: lockType.unlock, pid: 0 } as const

export class LockRegister {
  readonly #inodes = new Map<Ino, Map<string, OwnLocks>>()
  /** Of these, the ones that programs here change in memory. */
  readonly #mapped = new Set<Ino>()

  get size(): number {
    return this.#inodes.size
  }

  inos(): Iterable<Ino> {
    return this.#inodes.keys()
  }

  of(owner: LockOwner): OwnLocks | undefined {
    return this.#inodes.get(owner.ino)?.get(keyOf(owner))
  }

  /** @returns what the owner has now. */
  apply(
    owner: LockOwner,
    change: RangeChange & { readonly mapped?: boolean },
  ): OwnLocks | undefined {
    const own = this.#apply(owner, change)
    if (change.mapped === true && this.#inodes.has(owner.ino)) this.#mapped.add(owner.ino)
    return own
  }

  /** The owner has none left, whatever the server thinks. */
  clear(owner: LockOwner): void {
    this.apply(owner, everything)
  }

  clearAll(): void {
    this.#inodes.clear()
    this.#mapped.clear()
  }

  isMapped(ino: Ino): boolean {
    return this.#mapped.has(ino)
  }

  forget(own: LockOwner): void {
    const owners = this.#inodes.get(own.ino)
    owners?.delete(keyOf(own))
    if (owners === undefined || owners.size > 0) return
    this.#inodes.delete(own.ino)
    this.#mapped.delete(own.ino)
  }

  /** @throws PosixError EIO when the owner's locks were lost. */
  assertKept(owner: LockOwner): void {
    if (this.of(owner)?.lost !== true) return
    const text = `locks on file ${owner.ino} were lost: its server had not heard of this client for too long`
    throw new PosixError('EIO', text)
  }

  /** What a session with the server of these partitions has to say; the same owners in the same order. */
  heldIn(holds: (partition: Partition) => boolean): readonly OwnLocks[] {
    const found: OwnLocks[] = []
    for (const [ino, owners] of this.#inodes) {
      if (!holds(partitionOfIno(ino))) continue
      for (const own of owners.values()) if (own.ranges.length > 0) found.push(own)
    }
    return found
  }

  #apply(owner: LockOwner, change: RangeChange): OwnLocks | undefined {
    const known = this.of(owner)
    const ranges = changed(known?.ranges ?? [], change)
    if (known !== undefined) {
      known.ranges = ranges
      if (ranges.length === 0 && !known.lost) this.forget(known)
      return known
    }
    if (ranges.length === 0) return undefined
    const { ino, flock, owner: number } = owner
    const own: OwnLocks = { ino, flock, owner: number, ranges, lost: false }
    const owners = this.#inodes.get(ino) ?? new Map<string, OwnLocks>()
    this.#inodes.set(ino, owners.set(keyOf(owner), own))
    return own
  }
}

export function reclaimed(
  { ino, flock, owner, ranges }: OwnLocks,
  mapped: boolean,
): ReclaimedOwner {
  return {
    ino,
    flock,
    owner,
    ...(mapped && { mapped }),
    ranges: ranges.map(({ start, end, exclusive, pid }) => [start, end, exclusive ? 1 : 0, pid]),
  }
}

function keyOf({ flock, owner }: LockOwner): string {
  return `${flock ? 'f' : 'p'}${owner}`
}
