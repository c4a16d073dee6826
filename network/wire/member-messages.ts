/** Requests and replies between members: hellos, sessions, transactions, membership. */
import type { Ino } from './ids.ts'
import type { MemberId, MemberReport, MemberRole, MemberStatus, View } from './view.ts'
import type { WireView } from './wire-view.ts'

/** A leg of a transaction, sent by the coordinator to a participant; see server/transactions. */
export interface PrepareRequest {
  readonly transaction: string
  /** Partition of the coordinator: whom recovery asks. */
  readonly coordinator: number
  /** Name of the leg in server/transactions/legs.ts, and its argument. */
  readonly leg: string
  readonly argument: unknown
  /** For whom it is done; empty for the servers' own. */
  readonly client: string
}
export interface PrepareReply {
  readonly result: unknown
}
export interface DecideRequest {
  readonly transaction: string
  readonly commit: boolean
}
export interface DecideReply {
  /** Of the machine that has carried it out, and may lose that again with its power. As in SessionReply. */
  readonly boot: string
}
export interface OutcomeRequest {
  readonly transaction: string
}
export interface OutcomeReply {
  readonly outcome: 'committed' | 'aborted' | 'undecided'
}

/** First on every connection, both ways. */
export interface HelloRequest {
  readonly version: number
  /** Cluster id; empty from one who asks a manager for it. */
  readonly cluster: string
  readonly role: MemberRole | 'manager' | 'admin'
  /** Member or client id; empty for an administrator. */
  readonly id: string
}
/** Follows the hellos where keys are asked for; see network/admission. */
export interface ProveRequest {
  readonly proof: Uint8Array
}
/** Opens or renews a client's session with one server; `opens` are the files it holds open there. */
export interface SessionRequest {
  readonly opens: readonly { readonly ino: Ino; readonly count: number }[]
}
/** Boots under which a partition was served before, elsewhere too, of which nothing was lost. */
export interface Lineage {
  readonly partition: number
  readonly boots: readonly string[]
}
/** Where a server's blocks lie on its machine. */
export interface DataFile {
  /** Absolute. */
  readonly path: string
  /** `st_dev` and `st_ino` of it, stat(2). */
  readonly device: bigint
  readonly inode: bigint
}
export interface SessionReply {
  readonly timeoutMs: number
  /** Of the view that the server goes by: a client that no manager tells anything fetches it. */
  readonly epoch?: number
  /** Of the server's machine: with another one, whatever was not synced before may be gone. */
  readonly boot: string
  /** What its clock says (`Clock.uptimeMs`). */
  readonly uptimeMs: number
  /** What its wall clock says, nanoseconds since 1970. */
  readonly wallNs: bigint
  /** Of partitions that came from other machines, or other boots: for these, those count as the boot as well. */
  readonly lineages?: readonly Lineage[]
  /** For clients on the server's machine that may read it: see `ReadBlockRequest.local`. */
  readonly dataFile?: DataFile
}
/** `partitions` that the caller means: refused with NOT_READY while one of them is only about to be served. */
export interface SyncRequest {
  readonly partitions?: readonly number[]
}
export interface SyncReply {
  /** As in SessionReply. */
  readonly boot: string
  readonly lineages?: readonly Lineage[]
}
/** Server status for people: counts by partition. */
export interface PartitionReport {
  readonly partition: number
  readonly epoch: number
  readonly inodes: number
  readonly blocks: number
  readonly blockBytes: number
}
export interface ServerStatusReply {
  readonly member: string
  readonly partitions: readonly PartitionReport[]
  readonly report: MemberReport
  readonly purgeQueue: number
  readonly transactions: number
}

export interface JoinRequest {
  readonly role: MemberRole
  /** Empty for a newcomer: the manager hands one out. */
  readonly id: string
  readonly name: string
  readonly addresses: readonly string[]
  readonly host: string
  readonly domain: string
  readonly weight: number
  /** Of a server: what tells the store of its metadata from any other. */
  readonly store?: string
  /** Of a server: epoch of the view that it has. A manager whose own is older asks for that. */
  readonly epoch?: number
}
export interface JoinReply {
  readonly id: string
  readonly cluster: string
  readonly partitionCount: number
  readonly heartbeatIntervalMs: number
  /** Where the managers can be dialled, for when they are looked for again. */
  readonly managers: readonly string[]
}
export interface HeartbeatRequest {
  /** Epoch of the view that the member has; the manager pushes a newer one. */
  readonly epoch: number
  readonly report: MemberReport | null
}
/** A server is to hold nothing any more, or is to hold its share again. */
export interface DrainMemberRequest {
  readonly member: MemberId
  readonly cancel: boolean
}
/** A server is no member any more; refused while it holds something, but with `force` when others have all of it. */
export interface RemoveMemberRequest {
  readonly member: MemberId
  readonly force: boolean
}
/** What holds of a server from now on, whatever it says of itself. What is absent stays. */
export interface LabelMemberRequest {
  readonly member: MemberId
  readonly name?: string
  readonly domain?: string
  readonly weight?: number
}
export interface ViewReply {
  /** null until enough servers have joined. */
  readonly view: WireView | null
}
/** A partition on its way from one server to another, or catching up. */
export interface MoveStatus {
  readonly partition: number
  /** null when it is not known. */
  readonly source: MemberId | null
  readonly target: MemberId
  readonly phase: 'copying' | 'handing over'
  /** 0 of 0 until the source has said. */
  readonly doneBytes: number
  readonly totalBytes: number
  /** Why it does not go on until somebody repairs its source; absent while nothing holds it up. */
  readonly held?: string
}
export interface ManagerStatusReply {
  readonly cluster: string
  readonly view: View | null
  readonly members: readonly MemberStatus[]
  readonly serversWanted: number
  /** Servers that are to hold nothing any more. */
  readonly draining: readonly MemberId[]
  /** Under way, then those that are held up; a bounded number of them. */
  readonly moves: readonly MoveStatus[]
  /** Partitions that are not where they should be, and not on their way. */
  readonly movesWaiting: number
  /** Why nothing is changed although servers fail; null when nothing is held up. */
  readonly frozen: string | null
  /** Where the manager has a page of all this for people; null when it has none. */
  readonly page: string | null
}
/** The same as it travels (wire-view.ts). */
export interface WireManagerStatus extends Omit<ManagerStatusReply, 'view'> {
  readonly view: WireView | null
}
