/**
 * Serves the operations on metadata: finds the partition, runs the operation, and answers when what the
 * answer rests on is committed.
 */
import type { Env } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import type { Handler, Incoming, Reply } from '../../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Mutation, OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { Coordinator, Script } from '../transactions/coordinator.ts'
import type { Participant } from '../transactions/participant.ts'
import { ofAllShards } from '../transactions/wide.ts'
import type { Batch } from './batch.ts'
import { findInode } from './inodes.ts'
import { LockedKey } from './key-locks.ts'
import type { Operation, OperationContext } from './operation.ts'
import type { Partition } from './partition.ts'
import { hasPendingCut } from './resize.ts'
import type { Keep, Slots } from './slots.ts'
import type { Truncations } from './truncation.ts'

/** Names of operations whose requests carry a slot. */
export type MutationName = {
  [N in OperationName]: RequestOf<N> extends Mutation ? N : never
}[OperationName]

type Here<N extends MutationName> = (
  context: OperationContext,
  request: RequestOf<N>,
) => Reply<N> | null

export interface MetadataServiceInit {
  readonly env: Env
  /** Checks the partition's epoch and the caller's session. @throws ClusterError */
  readonly admit: (incoming: Incoming<OperationName>) => Partition
  readonly slots: Slots
  readonly coordinator: Coordinator
  readonly participant: Participant
  readonly truncations: Truncations
  /** Whether the metadata disk has no room for anything new. */
  readonly isFull: () => boolean
}

export class MetadataService {
  readonly #init: MetadataServiceInit

  constructor(init: MetadataServiceInit) {
    this.#init = init
  }

  get isFull(): boolean {
    return this.#init.isFull()
  }

  /** To be called before anything new is taken on. @throws PosixError ENOSPC when the metadata disk is full. */
  admitGrowth(): void {
    if (this.#init.isFull()) throw new PosixError('ENOSPC', 'the metadata disk of a server is full')
  }

  /** An operation that changes nothing: what others have not decided yet it sees as it was. */
  look<N extends OperationName>(
    operation: Operation<N>,
    ownerOf: (request: RequestOf<N>) => string | null = () => null,
  ): Handler<N> {
    return incoming => {
      const partition = this.#admit(incoming)
      const { body, peer } = incoming
      const begin = () => partition.contextOf(peer.hello.id, ownerOf(body), 'look')
      return this.#read(partition, incoming, begin, operation)
    }
  }

  /** As `look`, at what this partition holds of a directory of another one. */
  lookAtShard<N extends OperationName>(operation: Operation<N>): Handler<N> {
    return incoming => {
      const partition = this.#init.admit(incoming)
      const begin = () => partition.contextFor(incoming.peer.hello.id, null, 'look')
      return this.#read(partition, incoming, begin, operation)
    }
  }

  /** An operation that changes nothing but what is in memory. */
  read<N extends OperationName>(operation: Operation<N>): Handler<N> {
    return incoming => {
      const partition = this.#admit(incoming)
      const begin = () => partition.contextOf(incoming.peer.hello.id, null, 'read')
      return this.#read(partition, incoming, begin, operation)
    }
  }

  #read<N extends OperationName>(
    partition: Partition,
    { body, payload }: Incoming<N>,
    begin: () => OperationContext,
    operation: Operation<N>,
  ): Reply<N> | Promise<Reply<N>> {
    return this.#run(partition, begin, context => {
      const reply = operation(context, body, payload)
      return context.batch.sawStaged ? settled(partition, reply) : reply
    })
  }

  /**
   * An operation of its own store: not synchronous, but in the same order and under the same locks. Whether
   * what it is asked for is here is its own to check.
   */
  readAsync<N extends OperationName>(
    operation: (partition: Partition, request: RequestOf<N>, client: string) => Promise<Reply<N>>,
  ): Handler<N> {
    return async incoming => {
      const partition = this.#init.admit(incoming)
      try {
        const { body, peer } = incoming
        const client = peer.hello.id
        return await this.#unlocked(() => {
          partition.checkServed(client)
          return operation(partition, body, client)
        })
      } finally {
        await partition.store.settled()
      }
    }
  }

  /** An operation that may be done again without harm: its reply, data and all, is not kept. */
  repeatable<N extends OperationName>(operation: Operation<N>): Handler<N> {
    return incoming => {
      const partition = this.#admit(incoming)
      const { body, payload, peer } = incoming
      const begin = () => partition.contextOf(peer.hello.id)
      return this.#run(partition, begin, context =>
        this.#stage(partition, context, operation(context, body, payload), null),
      )
    }
  }

  /**
   * @param how.grows takes space on the metadata disk: refused with ENOSPC when that is full.
   * @param how.lazy nobody waits for it.
   */
  mutation<N extends MutationName>(
    operation: Operation<N>,
    { grows, lazy = false }: { readonly grows: boolean; readonly lazy?: boolean },
  ): Handler<N> {
    return incoming => {
      const partition = this.#admit(incoming)
      const { body, payload, peer } = incoming
      const client = peer.hello.id
      return this.#init.slots.once<N>(partition.id, client, body, async keep => {
        if (grows) this.admitGrowth()
        const begin = () => partition.contextOf(client)
        return this.#run(partition, begin, context =>
          this.#stage(partition, context, operation(context, body, payload), keep, lazy),
        )
      })
    }
  }

  /** A mutation of an inode's own, which takes all shards where that is a directory that is split. */
  mutationOfInode<N extends 'setxattr' | 'removexattr'>(
    operation: Operation<N>,
    { grows }: { readonly grows: boolean },
  ): Handler<N> {
    const ofSplit = ofAllShards(operation)
    return incoming => {
      const partition = this.#admit(incoming)
      const { body, payload, peer } = incoming
      const client = peer.hello.id
      return this.#init.slots.once<N>(partition.id, client, body, async keep => {
        if (grows) this.admitGrowth()
        const begin = () => partition.contextOf(client)
        return this.#run(partition, begin, context => {
          if (isSplit(context.batch, body.ino)) {
            return this.#execute(partition, client, ofSplit, body, keep)
          }
          return this.#stage(partition, context, operation(context, body, payload), keep)
        })
      })
    }
  }

  /**
   * setattr, which may leave blocks to be cut before it is done. The reply is kept with the size: a repeat
   * after a crash must not set it again, over what others have written since.
   */
  truncating(operation: Operation<'setattr'>): Handler<'setattr'> {
    const ofSplit = ofAllShards(operation)
    return incoming => {
      const partition = this.#admit(incoming)
      const { body, payload, peer } = incoming
      const client = peer.hello.id
      return this.#init.slots.once<'setattr'>(partition.id, client, body, async keep => {
        const pending = hasPendingCut(partition.contextFor(client).batch, body.ino)
        if (pending && body.size !== undefined && body.size > 0) {
          await this.#finishCut(partition, body.ino, client)
        }
        const begin = () => partition.contextOf(client)
        return this.#run(partition, begin, context => {
          if (isSplit(context.batch, body.ino)) {
            return this.#execute(partition, client, ofSplit, body, keep)
          }
          const reply = operation(context, body, payload)
          const cuts = body.size !== undefined && hasPendingCut(context.batch, body.ino)
          if (!cuts) return this.#stage(partition, context, reply, keep)
          const recorded = partition.stage(context.batch, [keep(reply)])
          const { truncations } = this.#init
          return truncations.carryOut(partition, body.ino, recorded).then(() => reply)
        })
      })
    }
  }

  /** Makes up for a truncation whose blocks could not be cut. @throws what it fails with again. */
  async #finishCut(partition: Partition, ino: Ino, client: string): Promise<void> {
    const begin = () => partition.contextFor(client)
    await this.#run(partition, begin, ({ batch }) => {
      if (findInode(batch, ino) === undefined || !hasPendingCut(batch, ino)) return
      return this.#init.truncations.takeUp(partition, ino, client)
    })
  }

  /**
   * An operation that may take several partitions.
   * @param how.grows as of `mutation`.
   * @param how.here does it in one batch, and locks nothing, where one partition is enough; null where it is not.
   */
  transaction<N extends MutationName>(
    script: Script<N>,
    { grows, here }: { readonly grows: boolean; readonly here?: Here<N> },
  ): Handler<N> {
    return incoming => {
      const partition = this.#admit(incoming)
      const { body, peer } = incoming
      const client = peer.hello.id
      return this.#init.slots.once<N>(partition.id, client, body, async keep => {
        if (grows) this.admitGrowth()
        const execute = () => this.#execute(partition, client, script, body, keep)
        if (here === undefined) return await execute()
        const begin = () => partition.contextOf(client)
        const reply = await this.#run(partition, begin, context => {
          const done = here(context, body)
          return done && this.#stage(partition, context, done, keep)
        })
        return reply ?? (await execute())
      })
    }
  }

  #execute<N extends MutationName>(
    partition: Partition,
    client: string,
    script: Script<N>,
    body: RequestOf<N>,
    keep: Keep<N>,
  ): Promise<Reply<N>> {
    const { coordinator } = this.#init
    const kept = (reply: Reply<N>) => [keep(reply)]
    return coordinator.execute(partition, client, script, body, kept, operationDeadlineMs / 2)
  }

  /**
   * @throws ClusterError MALFORMED for what lies in another partition, whose locks and epoch are its own.
   * Whether a name belongs here is found out with its shard.
   */
  #admit<N extends OperationName>(incoming: Incoming<N>): Partition {
    const partition = this.#init.admit(incoming)
    const { body } = incoming
    if ('parent' in body && 'name' in body) return partition
    if ('accesses' in body) {
      for (const { ino } of body.accesses) checkHome(partition, ino)
    } else checkHome(partition, homeOf(body))
    return partition
  }

  async #stage<N extends OperationName>(
    partition: Partition,
    context: OperationContext,
    reply: Reply<N>,
    keep: Keep<N> | null,
    lazy = false,
  ): Promise<Reply<N>> {
    const { batch } = context
    if (batch.changed) await partition.stage(batch, keep === null ? [] : [keep(reply)], lazy)
    else if (batch.sawStaged) await partition.store.settled()
    return reply
  }

  /** Runs the step, again each time it met a locked key that has been released. */
  #run<T>(
    partition: Partition,
    begin: () => OperationContext,
    step: (context: OperationContext) => T | Promise<T>,
  ): T | Promise<T> {
    try {
      return attempt(partition, begin(), step)
    } catch (error) {
      if (!(error instanceof LockedKey)) throw error
      return this.#unlocked(() => attempt(partition, begin(), step), error)
    }
  }

  async #unlocked<T>(step: () => T | Promise<T>, met?: LockedKey): Promise<T> {
    const { clock, timers } = this.#init.env
    const endMs = clock.monotonicMs() + operationDeadlineMs / 2
    for (let locked = met; ; ) {
      if (locked !== undefined) {
        this.#init.participant.assertDecidable(locked)
        const waitMs = endMs - clock.monotonicMs()
        if (waitMs <= 0) throw new ClusterError('CONFLICT', 'a transaction takes too long here')
        const late = new AbortController()
        const pause = timers.sleep(waitMs, late.signal).catch(() => undefined)
        await Promise.race([locked.released, pause])
        late.abort()
      }
      try {
        return await step()
      } catch (error) {
        if (!(error instanceof LockedKey)) throw error
        locked = error
      }
    }
  }
}

/** The inode that an operation is asked of. */
function homeOf(request: object): Ino {
  if ('parent' in request) return Number(request.parent)
  return 'ino' in request ? Number(request.ino) : Number.NaN
}

function isSplit(batch: Batch, ino: Ino): boolean {
  return (findInode(batch, ino)?.shards.length ?? 0) > 0
}

/** One run of the step. What it throws waits, too, until what it rests on is committed. */
function attempt<T>(
  partition: Partition,
  context: OperationContext,
  step: (context: OperationContext) => T | Promise<T>,
): T | Promise<T> {
  try {
    return step(context)
  } catch (error) {
    if (error instanceof LockedKey || !context.batch.sawStaged) throw error
    return partition.store.settled().then(() => {
      throw error
    })
  }
}

function settled<T>(partition: Partition, reply: T): Promise<T> {
  return partition.store.settled().then(() => reply)
}

function checkHome(partition: Partition, ino: Ino): void {
  if (partitionOfIno(ino) === partition.id) return
  throw new ClusterError('MALFORMED', `inode ${ino} is not in partition ${partition.id}`)
}
