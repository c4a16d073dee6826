/** The cluster as the rest of the client sees it: calls that find their server, and open files. */
import type { Env } from '../../network/env/env.ts'
import type { HeldRange, RangeChange } from '../../network/locks/ranges.ts'
import type { Log } from '../../network/log.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { Ino, Partition } from '../../network/wire/ids.ts'
import type {
  LockOwner,
  Mutation,
  OperationName,
  RequestOf,
} from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import type { LockRegister } from './lock-register.ts'
import type { ReadLeases } from './read-leases.ts'
import type { WriteLeases } from './write-leases.ts'

/** One boot of a server's machine. The object is filled in when a server that was not known yet tells. */
export interface Boot {
  /** Empty until it is known. */
  id: string
}

/** A mutation's reply, and what is known of how it came about. */
export interface Changed<N extends OperationName> extends Reply<N> {
  /** The boot under which it may first have had its effect. */
  readonly boot: Boot
  /** When the attempt that this is the reply to was sent (`Clock.uptimeMs`): its effect is no older. */
  readonly sentMs: number
}

/** A mutation that is answered before its reply is there. */
export interface ChangedBehind<N extends OperationName> {
  /** It gets to its server though this process ends, or is done: then it may be answered. false: not before it is done. */
  readonly handed: Promise<boolean>
  readonly done: Promise<Changed<N>>
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

/** Who is in the cluster: what the client needs of network/membership. */
export interface ViewSource {
  readonly partitionCount: number
  /** null until enough servers have joined. */
  readonly view: View | null
  /** Whether a manager is connected, which tells of newer views. */
  readonly connected: boolean
  onView(changed: (view: View) => void): void
  /** Takes a view that another member has, if it is newer. */
  adopt(view: View): void
  close(): Promise<void>
}

/** The files this client holds open, as its servers know them. */
export interface OpenRegister {
  /** What `open` or `create` opened was closed once: its server hears of it soon. */
  release(ino: Ino): void
}

export interface LockChange extends RangeChange {
  /** Programs of this client change the file in memory that they map. */
  readonly mapped?: boolean
}

/** Locks that this client's programs have, or wait for, on files of the cluster. */
export interface ClusterLocks {
  /** @returns a lock of another owner that is in the way; its pid is 0 when it is another client's. */
  test(owner: LockOwner, wanted: HeldRange): Promise<HeldRange | null>
  /**
   * Locks or unlocks.
   * @param signal ends the wait with EINTR, unless the lock was granted by then; null: do not wait.
   * @throws PosixError EAGAIN, EDEADLK, ENOLCK, EINTR; EIO also when the owner's locks were lost.
   */
  set(owner: LockOwner, change: LockChange, signal: AbortSignal | null): Promise<void>
  /** Unlocks all that the owner has. */
  release(owner: LockOwner): Promise<void>
  /** Resolves when the locks on this inode are known to be this client's still, or to be lost. */
  confirm(ino: Ino): Promise<void>
  readonly register: LockRegister
}

export interface Cluster {
  readonly env: Env
  /** For what no program can be told, or need not hear of. */
  readonly log: Log
  readonly partitionCount: number
  readonly view: View
  readonly opens: OpenRegister
  readonly locks: ClusterLocks
  readonly leases: ReadLeases
  readonly writing: WriteLeases
  /** Of partitions that serve this client alone. */
  readonly partitions: WriteLeases
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
   * @param notAfterMs of the clock of leases (`uptimeMs`): no attempt leaves later, but ends with STALE_WRITE.
   */
  mutate<N extends MutationName>(
    name: N,
    partition: Partition,
    request: MutationOf<N>,
    payload?: Payload,
    notAfterMs?: number,
  ): Promise<Changed<N>>
  /** Whether what is sent to the partition now gets there though this process ends, and that can be told. */
  handsOver(partition: Partition): boolean
  /** As `mutate`, sent in this tick. null where that cannot be: nothing was done. */
  mutateBehind<N extends MutationName>(
    name: N,
    partition: Partition,
    request: MutationOf<N>,
    payload?: Payload,
  ): ChangedBehind<N> | null
  /** Somebody waits for what was sent to the partition, and answered before. */
  hurry(partition: Partition): void
  /** The wall clock of a partition's server, as it is known here: nanoseconds since 1970; null where it is not. */
  wallNs(partition: Partition): bigint | null
  /** The boot of the machine in charge of a partition, as far as it is known now. */
  bootOf(partition: Partition): Boot
  /** The same, and earlier ones that are as good, as last told; null where that is not known. */
  knownBootsOf(partition: Partition): readonly string[] | null
  /** Primaries of any partition now: every server that has a part in the file system. */
  servers(): readonly MemberId[]
  /**
   * Asks one server, not a partition; retried like the others.
   * @param isWanted asked after each failure: when the server is not the one to ask any more, that is the end.
   * @throws ClusterError NOT_PRIMARY when `isWanted` says no; all else is as for `query`.
   */
  ask<N extends QueryName>(
    name: N,
    server: MemberId,
    request: RequestOf<N>,
    isWanted?: () => boolean,
  ): Promise<Reply<N>>
  close(): Promise<void>
}
