/** Requests and replies about quotas of volumes. */
import type { Ino, Partition } from './ids.ts'

/** null: as much as there is. */
export interface QuotaLimits {
  readonly bytes: number | null
  readonly files: number | null
}
/** To the partition of the volume's root, `ino`. May be repeated. */
export interface SetQuotaRequest extends QuotaLimits {
  readonly ino: Ino
}
/** What is used is asked for where there is a quota only; otherwise 0. */
export interface QuotaReply extends QuotaLimits {
  readonly usedBytes: number
  readonly usedFiles: number
}
/** Server to server, to the partition of the volume's root: may this partition take so much in all? */
export interface AskQuotaRequest {
  readonly volume: Ino
  readonly partition: Partition
  readonly bytes: number
  readonly files: number
}
/** How much it may take in all: less than was asked for where there is no more. */
export interface AskQuotaReply {
  readonly limited: boolean
  readonly epoch: number
  readonly bytes: number
  readonly files: number
}
/** Server to server, from the partition of the volume's root: give back what you do not use (`lower`). */
export interface RecallQuotaRequest {
  readonly volume: Ino
  readonly epoch: number
  readonly limited: boolean
  readonly lower: boolean
}
export interface RecallQuotaReply {
  readonly grantBytes: number
  readonly grantFiles: number
  readonly usedBytes: number
  readonly usedFiles: number
}
