/** A check of a whole cluster while it is in use: what it is asked for, and what it tells. */
import type { FaultCode } from '../../network/checking/faults.ts'
import type { Ino } from '../../network/wire/ids.ts'

export type Phase = 'records' | 'data' | 'follow-up'

export interface CheckOptions {
  /** Repairs what can be repaired. */
  readonly repair: boolean
  /** Reads all data and compares it with its checksums. */
  readonly data: boolean
  /** An empty directory for facts that do not fit into memory. */
  readonly scratch: string
  readonly signal?: AbortSignal
  /** Part of a phase is done. */
  readonly onProgress?: (phase: Phase, done: number, total: number) => void
}

export type Outcome = 'repaired' | 'faulty' | 'lost'

export interface Finding {
  readonly fault: FaultCode
  /** `faulty` was found but not repaired; `lost` cannot be repaired. */
  readonly outcome: Outcome
  /** The inode concerned; 0 where none is, of `partition-count` the partition. */
  readonly subject: Ino
  /** `volume:/path`; null where no name leads to it. */
  readonly path: string | null
  readonly detail: string
}

export interface CheckReport {
  /** How often the cluster was gone through: after repairs it is looked at again. */
  readonly passes: number
  readonly partitions: number
  readonly records: number
  readonly directories: number
  /** Everything else that has an inode. */
  readonly files: number
  readonly blocks: number
  readonly dataBytes: number
  /** Of `data`: bytes read and compared. */
  readonly verifiedBytes: number
  readonly findings: readonly Finding[]
  /** Findings beyond those told one by one. */
  readonly untold: number
  /** What kept changing while it was looked at. */
  readonly undecided: number
}
