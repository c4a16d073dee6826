/**
 * Requests and replies about changes that are made behind: a client that alone is served by a partition answers its program
 * when the request has left (client/fs/change-behind.ts).
 */
import type { Leased, LeasedEntry, SetattrRequest } from './file-messages.ts'
import type { Ino } from './ids.ts'
import type { Empty, Mutation, Name } from './message.ts'

/** Of a change of a name. */
export interface AsksBehind {
  /** The client wants to make the next ones behind, or wants more numbers for them. */
  readonly asksBehind?: true
}
/** Inode numbers from `first` on are the client's to give out. */
export interface Numbers {
  readonly first: Ino
  readonly count: number
}
export interface BehindShown {
  /** The client may make changes in the partition behind, for `leaseMs` from when it asked, as `Leased` has it. */
  readonly mayBehind?: {
    readonly leaseMs: number
    readonly numbers: Numbers
    /** As long as the lease holds, no inode's `change` moves on to less (server/partition/facts.ts). */
    readonly changeFloor: number
  }
  /** It may not any more: there is a quota now, or the disk is full. */
  readonly endsBehind?: true
}
interface Answered extends Mutation {
  readonly ino: Ino
  /** When it was answered, by the server's wall clock as the client knows it: nanoseconds since 1970. */
  readonly nowNs: bigint
}
/** A regular file, open for this client, by a number that it was given; its directory is not split. */
export interface MakeBehindRequest extends Answered, AsksBehind {
  readonly parent: Ino
  readonly name: Name
  /** Type and permission bits, as they are to be. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}
/** `change`: of the directory. */
export interface MakeBehindReply extends LeasedEntry, BehindShown {
  readonly change: number
}
/** The name is removed if it leads to that inode: else ENOENT. */
export interface RemoveBehindRequest extends Answered, AsksBehind {
  readonly parent: Ino
  readonly name: Name
}
export interface RemoveBehindReply extends BehindShown {
  readonly change: number
}
/** Of a small file, whose data lies beside its inode; the payload is what was written. */
export interface WriteBehindRequest extends Answered {
  readonly offset: number
  readonly checksum: Uint8Array
  /** Of the inode before; with another one it is refused with STALE_WRITE. */
  readonly change: number
}
/** Mode, owner and times of what is no directory: absent ones stay as they are. */
export interface SetBehindRequest
  extends Answered,
    Pick<SetattrRequest, 'mode' | 'uid' | 'gid' | 'ctimeNs'> {
  readonly atimeNs?: bigint
  readonly mtimeNs?: bigint
  /** As in WriteBehindRequest. */
  readonly change: number
}
/** Of what was written, or set. */
export interface ChangedBehindReply extends Leased, BehindShown {
  /** Of the inode since. */
  readonly change: number
}

/** A notice: somebody waits for what the client has answered already, and sent. */
export type HurryRequest = Empty

/** Of a request that was answered already: it is served also where a partition is about to be (`Flushing`). */
export function isAnswered(request: object): boolean {
  return 'nowNs' in request
}
