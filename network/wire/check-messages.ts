/** Requests and replies of a check of the whole cluster (`rookery fsck`). */
import type { FaultCode } from '../checking/faults.ts'
import type { Ino } from './ids.ts'
import type { Mutation } from './message.ts'

/** A record that does not fit what lies beside it in its partition, as one tick of its server saw it. */
export interface DamagedRecord {
  readonly fault: FaultCode
  /** The inode that it belongs to. */
  readonly subject: Ino
  /** The record's key; of a block also the number that follows from it. */
  readonly key: Uint8Array
  readonly detail: string
}

/** One page of everything that a partition has stored, in the order of its keys. */
export interface CheckScanRequest {
  /** The last key of the page before; empty to begin. */
  readonly after: Uint8Array
}
/** Payload: facts (network/checking/facts.ts). */
export interface CheckScanReply {
  readonly damaged: readonly DamagedRecord[]
  readonly records: number
  readonly inodes: number
  readonly blocks: number
  readonly blockBytes: number
  /** Where the next page begins; empty at the end. */
  readonly next: Uint8Array
}

/** Names of certain inodes among the entries that a partition has, a page at a time. */
export interface CheckNamesRequest {
  readonly inos: readonly Ino[]
  readonly after: Uint8Array
}
/** Payload: facts of names. */
export interface CheckNamesReply {
  readonly next: Uint8Array
}

/** What an inode says of itself, when no transaction holds it. */
export interface CheckInodeRequest {
  readonly ino: Ino
}
export interface CheckInodeReply {
  /** False also when its record cannot be read. */
  readonly present: boolean
  readonly mode: number
  readonly nlink: number
  readonly change: number
  readonly parent: Ino
}

/** Reads blocks whole and compares them with their checksums, a page at a time. */
export interface CheckDataRequest {
  readonly after: Uint8Array
}
export interface CheckDataReply {
  readonly damaged: readonly DamagedRecord[]
  readonly blocks: number
  readonly bytes: number
  readonly next: Uint8Array
}

export interface NamePlace {
  /** Where the entry is stored. */
  readonly partition: number
  readonly directory: Ino
  /** Of the entry in its directory. */
  readonly cookie: number
}

/** What is left of an inode whose record is gone. */
export interface Remains {
  /** Type bits that a name has for it; 0 without a name. */
  readonly type: number
  /** How many names it has. */
  readonly names: number
  /** It has entries of its own. */
  readonly entries: number
  /** The highest generation that blocks were found of, or are queued to be deleted of, or 0. */
  readonly generation: number
  /** Number of its last block and 1, and bytes in that block. */
  readonly endBlock: number
  readonly lastBytes: number
  /** Bytes in the largest of them. */
  readonly largestBytes: number
  readonly inline: boolean
  /** Partitions that have shards of it. */
  readonly holders: readonly number[]
}

/** Looks again at what seems to be a fault, with everything concerned locked, and repairs it if told to. */
export interface ExamineRequest extends Mutation {
  /** Any number in the partition that is to coordinate. */
  readonly ino: Ino
  readonly fault: FaultCode
  readonly subject: Ino
  /** The record in doubt, where it is one. */
  readonly key: Uint8Array
  /** All names of the subject that were found, and its change counter before they were. */
  readonly names: readonly NamePlace[]
  readonly change: number
  readonly remains: Remains
  readonly repair: boolean
  /** Directory for what has no name; 0 when there is none. */
  readonly refuge: Ino
}
export interface ExamineReply {
  /** `undecided`: it changed meanwhile. `lost`: a fault that nothing can repair. */
  readonly verdict: 'sound' | 'faulty' | 'repaired' | 'undecided' | 'lost'
  readonly detail: string
}
