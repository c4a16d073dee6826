/** Requests and replies about what clients may say without asking: see server/leases/read-leases.ts. */
import type { Ino } from './ids.ts'

/** Begins a term of leases at one server (generation 0: the client relies on nothing from before), or renews it. */
export interface RenewLeasesRequest {
  readonly generation: number
}
export interface RenewLeasesReply {
  /** Of the term: with another one than was asked for, nothing holds of what was leased before. */
  readonly generation: number
  /** Milliseconds from when it was asked for; 0: it is not renewed, and ends when it would have. */
  readonly termMs: number
  /** No other client has a term at this server. */
  readonly alone: boolean
}
/** An entry of a directory, by the hash of its name. */
export interface LeasedName {
  readonly parent: Ino
  readonly hash: number
}
/** Server to client: these are about to change. Answered when nobody goes by them any more, the kernel included. */
export interface RecallLeasesRequest {
  readonly inodes: readonly Ino[]
  readonly names: readonly LeasedName[]
}
