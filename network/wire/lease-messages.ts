/** Requests and replies about what clients may say without asking: see server/leases/read-leases.ts. */
import type { Ino, Partition } from './ids.ts'

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
  /** As in SessionReply. */
  readonly wallNs: bigint
}
/** What a reply to a change of a file's data says of who else may change it. */
export interface WriteLeased {
  /** The lease is one for writing, too: nobody reads or changes the inode before it is called back. */
  readonly behind?: true
  /** Nobody is leased the inode for writing for so long, milliseconds from when it was asked for. */
  readonly calmMs?: number
}
/**
 * Of a request that is to bring what its client has written behind to the servers: it is served also where a partition is
 * about to be, and nobody else is heard yet.
 */
export interface Flushing {
  /** `change` of the inode when the client was the only one to write it last; with another one the inode's server says STALE_WRITE. */
  readonly flushes?: number
}
/** Server to server: for how long the client goes on being the one that writes the inode behind, of which it knows this `change`. */
export interface WriterTermRequest {
  readonly ino: Ino
  readonly client: string
  readonly change: number
}
export interface WriterTermReply {
  /** Milliseconds from when it was asked for; 0: it is not. */
  readonly leftMs: number
}
/** An entry of a directory, by the hash of its name. */
export interface LeasedName {
  readonly parent: Ino
  readonly hash: number
}
/**
 * Server to client: these are about to change; or to be read, where they are leased for writing. Answered when nobody goes
 * by them any more, the kernel included, and what was written behind is on the servers.
 */
export interface RecallLeasesRequest {
  readonly inodes: readonly Ino[]
  readonly names: readonly LeasedName[]
  /** Where others are about to be served: what was changed behind there has to be done first. */
  readonly partitions?: readonly Partition[]
}
