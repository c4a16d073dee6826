/** Why somebody was refused, for whoever counts. */
import { type ClusterCode, ClusterError } from '../errors.ts'

export const refusalReasons = [
  /** Closed or went on to something else before it had proven a key. */
  'no_proof',
  'bad_signature',
  'wrong_cluster',
  /** Asked for what its role may not, or claimed to be somebody else. */
  'wrong_role',
  'removed',
  'replayed',
  'malformed',
  'timeout',
  /** Had to make room for others at the door. */
  'crowd',
  /** Asked with a partition's epoch that has never been. */
  'forged_epoch',
  'other_version',
  /** Came with a token that lets nobody in: none of this cluster's, used, expired or revoked. */
  'bad_token',
  /** Proven, but not wanted now: a server that is starting, too many members. */
  'not_now',
] as const

export type RefusalReason = (typeof refusalReasons)[number]

export interface RefusalOptions extends ErrorOptions {
  /** Where the other side is to know more than the reason tells. */
  readonly code?: ClusterCode
}

/** An error that says under which reason it counts. */
export class Refusal extends ClusterError {
  readonly reason: RefusalReason

  constructor(reason: RefusalReason, message: string, options?: RefusalOptions) {
    super(options?.code ?? codeByReason[reason] ?? 'NOT_ADMITTED', message, options)
    this.reason = reason
  }
}

const codeByReason: { readonly [R in RefusalReason]?: ClusterCode } = {
  wrong_cluster: 'WRONG_CLUSTER',
  malformed: 'MALFORMED',
  timeout: 'TIMEOUT',
  crowd: 'OVERLOADED',
  forged_epoch: 'STALE_EPOCH',
  other_version: 'VERSION_MISMATCH',
}

const reasonByCode: { readonly [C in ClusterCode]?: RefusalReason } = {
  WRONG_CLUSTER: 'wrong_cluster',
  VERSION_MISMATCH: 'other_version',
  MALFORMED: 'malformed',
  OVERSIZE: 'malformed',
  CHECKSUM: 'malformed',
  TIMEOUT: 'timeout',
  CLOSED: 'no_proof',
  BAD_TOKEN: 'bad_token',
}

/** The reason that any error counts under. */
export function reasonOf(error: unknown): RefusalReason {
  if (error instanceof Refusal) return error.reason
  return (error instanceof ClusterError ? reasonByCode[error.code] : undefined) ?? 'not_now'
}
