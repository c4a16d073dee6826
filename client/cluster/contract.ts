/** The cluster as the rest of the client sees it: calls that find their server, and open files. */
import type { Env } from '../../network/env/env.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { Ino, Partition } from '../../network/wire/ids.ts'
import type { Mutation, OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'

/** One boot of a server's machine. The object is filled in when a server that was not known yet tells. */
export interface Boot {
  /** Empty until it is known. */
  id: string
}

/** A mutation's reply, and what is known of how it came about. */
export interface Changed<N extends OperationName> extends Reply<N> {
  /** The boot under which it may first have had its effect. */
  readonly boot: Boot
  /** When the attempt that this is the reply to was sent (monotonic clock): its effect is no older. */
  readonly sentMs: number
}

/** Operations whose requests carry a slot: their effect happens once, however often they are sent. */
export type MutationName = {
  [N in OperationName]: RequestOf<N> extends Mutation ? N : never
}[OperationName]

/** Operations that may be repeated without harm. */
export type QueryName = Exclude<OperationName, MutationName>

/** A mutation's request as its author writes it: the cluster adds slot and sequence. */
export type MutationOf<N extends MutationName> = Omit<RequestOf<N>, keyof Mutation>

export type Payload = readonly Uint8Array[]

/** The files this client holds open, as its servers know them. */
export interface OpenRegister {
  /** What `open` or `create` opened was closed once: its server hears of it soon. */
  release(ino: Ino): void
}

export interface Cluster {
  readonly env: Env
  readonly partitionCount: number
  readonly view: View
  readonly opens: OpenRegister
  /**
   * Asks the primary of `partition`, again and again until `operationDeadlineMs`.
   * @throws PosixError, or ClusterError STALE_WRITE or MISPLACED; all else has become EIO.
   */
  query<N extends QueryName>(
    name: N,
    partition: Partition,
    request: RequestOf<N>,
  ): Promise<Reply<N>>
  /**
   * As `query`, for an operation that changes something: its effect happens at most once.
   * @param notAfterMs of the monotonic clock: no attempt leaves later, but ends with STALE_WRITE.
   */
  mutate<N extends MutationName>(
    name: N,
    partition: Partition,
    request: MutationOf<N>,
    payload?: Payload,
    notAfterMs?: number,
  ): Promise<Changed<N>>
  /** The boot of the machine in charge of a partition, as far as it is known now. */
  bootOf(partition: Partition): Boot
  /** Primaries of any partition now: every server that has a part in the file system. */
  servers(): readonly MemberId[]
  /** Asks one server, not a partition; retried like the others while it is a member. */
  ask<N extends QueryName>(name: N, server: MemberId, request: RequestOf<N>): Promise<Reply<N>>
  close(): Promise<void>
}
