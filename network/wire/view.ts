/** Who is in the cluster and who serves what: the view, as the manager publishes it. */
import type { RemovedMember } from '../admission/contract.ts'

import type { CopyReport } from './replica-messages.ts'

export type MemberId = string
export type MemberRole = 'server' | 'client'

/** One disk (or directory) of a server, as its heartbeat reports it. */
export interface DiskReport {
  readonly kind: 'meta' | 'data'
  readonly path: string
  readonly totalBytes: number
  readonly freeBytes: number
  /** Bytes that this member's own data takes up on it. */
  readonly usedBytes: number
  readonly state: 'ok' | 'full' | 'failed'
}

/** What a server tells of itself with each heartbeat. */
export interface MemberReport {
  readonly disks: readonly DiskReport[]
  /** Inodes in the partitions that it is primary of. */
  readonly inodes: number
  /** Blocks of file data it holds. */
  readonly blocks: number
  /** Bytes of file data it has sent and taken since it was started. */
  readonly readBytes?: number
  readonly writtenBytes?: number
  /** Copies that it is feeding as a primary, or would if it could; at most `maxCopiesReported`. */
  readonly copies?: readonly CopyReport[]
}

/** File data that a server sends and takes, in bytes per second. */
export interface Throughput {
  readonly readBytes: number
  readonly writtenBytes: number
}

export interface Member {
  readonly id: MemberId
  readonly role: MemberRole
  /** For people: the host's name, or what `--name` gave. */
  readonly name: string
  /** Where it listens, best first; empty for clients. */
  readonly addresses: readonly string[]
  /** Identity of the machine: members with the same one may use each other's Unix sockets. */
  readonly host: string
  /** Failure domain: replicas of a partition go to different ones where they can. */
  readonly domain: string
  /** Share of the partitions that it should get, relative to the others; of its data disk by default. */
  readonly weight: number
}

export interface PartitionState {
  /** Who holds a copy, or is being given one, best first. */
  readonly replicas: readonly MemberId[]
  /** Holders that have every acknowledged operation. */
  readonly inSync: readonly MemberId[]
  /** null while no in-sync replica is up. */
  readonly primary: MemberId | null
  /** Rises with every change of this partition's holders. */
  readonly epoch: number
}

/** Immutable. `partitions[p]` is the state of partition p. */
export interface View {
  readonly cluster: string
  readonly epoch: number
  readonly members: readonly Member[]
  readonly partitions: readonly PartitionState[]
  /** Replicas that each partition should have. */
  readonly replicaCount: number
  /** Members that were removed for good, and may not talk any longer; none where it is absent. */
  readonly removed?: readonly RemovedMember[]
}

/** A member as the manager sees it now: the view's part plus what its heartbeats said. */
export interface MemberStatus extends Member {
  /** Whose key it has; null where the manager has let in no such key itself. */
  readonly peerId: string | null
  readonly alive: boolean
  /** Milliseconds since its last heartbeat, on the manager's clock. */
  readonly silentMs: number
  readonly report: MemberReport | null
  /** Between its last two reports; null when they do not tell. */
  readonly throughput: Throughput | null
}
