/**
 * The operation contract: a pure, synchronous function from the partition's state and a request to a
 * reply, with the changes it wants gathered in a batch. It validates, does and replies in one tick.
 */
import type { Reply } from '../../network/rpc/contract.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { AppendGrants } from '../leases/append-grants.ts'
import type { Sessions } from '../leases/sessions.ts'
import type { Batch } from './batch.ts'
import type { PartitionFacts } from './facts.ts'
import type { DirectoryTotals } from './totals.ts'
import type { PartitionUsage } from './usage.ts'

export interface OperationContext {
  readonly batch: Batch
  readonly facts: PartitionFacts
  readonly sessions: Sessions
  readonly grants: AppendGrants
  readonly totals: DirectoryTotals
  /** What the partition has of each volume, and may take. */
  readonly usage: PartitionUsage
  /** Who asks. */
  readonly client: string
  /** The server's wall clock, once for the whole operation: its time stamps agree. */
  readonly nowNs: bigint
  /** A shard of a directory has so many entries now, more than before, made by the client. */
  readonly grew: (directory: Ino, entries: number, client: string) => void
}

/** Throws PosixError or ClusterError; nothing is changed then. */
export type Operation<N extends OperationName> = (
  context: OperationContext,
  request: RequestOf<N>,
  payload: readonly Uint8Array[],
) => Reply<N>

export const noPayload: readonly Uint8Array[] = []
