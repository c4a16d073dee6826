/** Requests and replies about locks on files: flock(2) and fcntl(2). */
import type { LockType } from '../locks/ranges.ts'
import type { Ino } from './ids.ts'

/** Whose lock: an open file (flock, F_OFD_SETLK) or a process (F_SETLK), as its client numbers them. */
export interface LockOwner {
  readonly ino: Ino
  /** flock(2) and fcntl(2) know nothing of each other, as on a local disk. */
  readonly flock: boolean
  readonly owner: bigint
}

export interface TestLockRequest extends LockOwner {
  readonly type: LockType
  /** Both ends belong to the range; up to 2^63 - 1. */
  readonly start: bigint
  readonly end: bigint
}
export interface TestLockReply {
  /** A lock that is in the way; `pid` is 0 unless the client that asks has it. */
  readonly conflict: {
    readonly start: bigint
    readonly end: bigint
    readonly exclusive: boolean
    readonly pid: number
  } | null
}
export interface SetLockRequest extends TestLockRequest {
  readonly pid: number
  /** Number of the wait, never used again by its client; 0 to be refused rather than wait. */
  readonly wait: number
  /**
   * The file's bytes are changed in the memory of programs here: an exclusive lock of one client keeps new
   * locks of the others out, whichever bytes they are for.
   */
  readonly mapped?: boolean
}
/** `waits`: how it ends is told by `awaitLocks`. */
export interface SetLockReply {
  readonly outcome: 'done' | 'waits' | 'refused'
}
/** No longer waits. */
export interface CancelLockRequest {
  readonly ino: Ino
  readonly wait: number
}
export interface CancelLockReply {
  /** It waited until now. If not, `awaitLocks` tells or has told how it ended. */
  readonly waited: boolean
}
/** Answered when a wait of this client has ended, or after `lockPollMs`. */
export interface AwaitLocksRequest {
  /** `upTo` of the last reply since the session was opened: what it told is not told again. */
  readonly told: number
}
export interface AwaitLocksReply {
  /** Waits whose lock was granted. */
  readonly granted: readonly number[]
  readonly upTo: number
}
/**
 * All that the client has locked and waits for at this server: replaces what the server knew of it. Sent with
 * each session that is opened or renewed.
 */
export interface ReclaimLocksRequest {
  readonly owners: readonly ReclaimedOwner[]
  readonly waits: readonly number[]
  /** Epoch of the view that the client goes by: what the server got later it has not been told of. */
  readonly view?: number
}
/** `ranges`: start, end, whether exclusive (1 or 0) and pid of each. */
export interface ReclaimedOwner extends LockOwner {
  readonly ranges: readonly (readonly [bigint, bigint, number, number])[]
  /** As in `SetLockRequest`. */
  readonly mapped?: boolean
}
export interface ReclaimLocksReply {
  /** Indices of owners whose locks may have been given to others meanwhile: they have none here now. */
  readonly lost: readonly number[]
}
