/** What a server answers to: every operation with the room that does it. */
import type { Clock } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { sessionTimeoutMs } from '../network/limits.ts'
import type { Handler, Incoming, Peer, Reply, Service } from '../network/rpc/contract.ts'
import { type Ino, partitionOfIno } from '../network/wire/ids.ts'
import type { OperationName, ServerStatusReply } from '../network/wire/operations.ts'
import type { View } from '../network/wire/view.ts'
import { viewToWire } from '../network/wire/wire-view.ts'
import type { BlockService } from './blocks/block-service.ts'
import type { WriterTerms } from './blocks/writer-terms.ts'
import type { Checking } from './checking/checking.ts'
import { countShards } from './checking/shard-counts.ts'
import type { ClientMemory } from './client-memory.ts'
import type { LockService } from './leases/lock-service.ts'
import type { ReadLeases } from './leases/read-leases.ts'
import type { Sessions } from './leases/sessions.ts'
import { decodeInode } from './metadata/inode.ts'
import { inodeKey } from './metadata/keys.ts'
import {
  type ChangesBehind,
  type ChangesNames,
  endingBehind,
  leasingPartition,
} from './partition/changes-behind.ts'
import type { MetadataService } from './partition/metadata-service.ts'
import { noPayload } from './partition/operation.ts'
import { accessed, noteAccess } from './partition/operations/access.ts'
import { getattr, setattr } from './partition/operations/attributes.ts'
import { makeBehind, removeBehind, setBehind, writeBehind } from './partition/operations/behind.ts'
import {
  commitWrite,
  open,
  punchInline,
  readInline,
  reserve,
  writeInline,
} from './partition/operations/data.ts'
import { parent, readdir } from './partition/operations/directory.ts'
import { readdirplus } from './partition/operations/directory-plus.ts'
import { create, lookup, readlink } from './partition/operations/names.ts'
import { checkShardChanged, shards, shardTotals } from './partition/operations/shards.ts'
import { createTemporary } from './partition/operations/temporary.ts'
import { getxattr, listxattr, removexattr, setxattr } from './partition/operations/xattrs.ts'
import type { Partition } from './partition/partition.ts'
import type { Partitions } from './partition/partitions.ts'
import type { ShardReports } from './partition/shard-reports.ts'
import {
  type ChangesName,
  doubtTotals,
  learnTotals,
  showingParent,
} from './partition/shown-parents.ts'
import type { Slots } from './partition/slots.ts'
import type { DirectoryTotals } from './partition/totals.ts'
import type { QuotaHome } from './quotas/home.ts'
import type { Replication } from './replication/replication.ts'
import type { ServerStatus } from './status.ts'
import type { SyncPoint } from './sync-point.ts'
import type { Coordinator } from './transactions/coordinator.ts'
import type { LegName } from './transactions/legs.ts'
import type { Participant } from './transactions/participant.ts'
import { rename } from './transactions/rename.ts'
import { link, mkdir, rmdir, unlink, unlinkHere } from './transactions/scripts.ts'
import { guardVolumes } from './volume-guard.ts'

export interface ServiceInit {
  readonly copies: Replication
  readonly partitions: Pick<Partitions, 'lineages' | 'assertTaken'>
  readonly view: () => View | null
  readonly sessions: Sessions
  readonly metadata: MetadataService
  readonly totals: DirectoryTotals
  readonly partitionCount: number
  readonly reports: ShardReports
  readonly quotas: QuotaHome
  readonly blocks: BlockService
  readonly clientMemory: ClientMemory
  readonly writers: WriterTerms
  readonly leases: ReadLeases
  /** The client has a session on this connection. @throws ClusterError */
  readonly heard: (peer: Peer) => void
  readonly locks: LockService
  readonly slots: Slots
  readonly coordinator: Coordinator
  readonly participant: Participant
  readonly syncPoint: SyncPoint
  readonly status: ServerStatus
  readonly checking: Checking
  /** Identity of this boot of the machine. */
  readonly boot: string
  readonly clock: Pick<Clock, 'uptimeMs' | 'wallNs'>
  /** Number of the connection that this peer is: later ones have higher numbers. */
  readonly connectionOf: (peer: Peer) => number
  /** A partition of ours in the caller's epoch, for a caller with a session. @throws ClusterError */
  readonly admit: (incoming: Incoming<OperationName>) => Partition
}

/** Legs that take space on the metadata disk. */
const growing: ReadonlySet<string> = new Set<LegName>(['makeDirectory', 'takeShard'])
const grows = { grows: true } as const
const shrinks = { grows: false } as const
/** Nobody waits for it, and it finds room in what is kept for what shrinks. */
const answered = { grows: false, lazy: true } as const
const done = { body: {}, payload: noPayload } as const

export function createService(init: ServiceInit): Service {
  return guardVolumes({
    ...membershipOperations(init),
    ...metadataOperations(init),
    ...blockOperations(init),
    ...init.checking.service(init),
    ...init.locks.service,
    setQuota: async incoming => {
      await init.quotas.set(init.admit(incoming), incoming.body)
      return done
    },
    quota: async incoming => {
      const body = await init.quotas.report(init.admit(incoming), incoming.body.ino)
      return { body, payload: noPayload }
    },
    ...forServers({
      parent: init.metadata.look(parent, request => request.transaction),
      writerTerm(incoming) {
        const { ino, client, change } = incoming.body
        const isSame = changeOf(init.admit(incoming), ino) === change
        const leftMs = isSame
          ? init.leases.writerLeftMs(inodeKey(partitionOfIno(ino), ino), client)
          : 0
        return { body: { leftMs }, payload: noPayload }
      },
      ...shardOperations(init),
      ...quotaOperations(init),
      ...init.copies.service,
      async cutBlocks(incoming) {
        assertServes(init.view(), incoming)
        const { body, payload } = await init.blocks.cut(init.admit(incoming), incoming.body)
        return { body: { ...body, boot: init.boot }, payload }
      },
      ...transactionOperations(init),
    }),
  })
}

/**
 * Who asks for a cut has to serve the file, or be in a later epoch than is known here: `BlockService` remembers those that
 * asked, but not over a restart.
 * @throws ClusterError STALE_EPOCH
 */
function assertServes(view: View | null, { peer, body }: Incoming<'cutBlocks'>): void {
  const home = partitionOfIno(body.ino)
  const state = view?.partitions[home]
  if (state === undefined || body.epoch === undefined || body.epoch >= state.epoch) return
  // A server that calls itself goes by the same view.
  if (peer.hello.id === state.primary) return
  throw new ClusterError('STALE_EPOCH', `partition ${home} is in epoch ${state.epoch} by now`)
}

/** Of an inode, whoever is about to change it; null where it is gone. */
function changeOf({ store, id }: Partition, ino: Ino): number | null {
  const record = store.get(inodeKey(id, ino))
  return record === undefined ? null : decodeInode(record).change
}

/** What servers do among themselves is not for clients to ask. */
function forServers(service: Service): Service {
  const guarded = Object.entries(service).map(([name, handler]) => [
    name,
    (incoming: Incoming<OperationName>) => {
      if (incoming.peer.hello.role !== 'server') {
        throw new ClusterError('MALFORMED', `${name} is for servers only`)
      }
      return (handler as Handler<OperationName>)(incoming)
    },
  ])
  return Object.fromEntries(guarded)
}

function membershipOperations({
  view,
  sessions,
  status,
  syncPoint,
  boot,
  clock,
  connectionOf,
  copies,
  partitions,
  leases,
  heard,
  blocks: { file: dataFile },
}: ServiceInit): Service {
  const readable = dataFile === undefined ? {} : { dataFile }
  const booted = () => {
    const moved = partitions.lineages()
    return moved.length === 0 ? { boot } : { boot, lineages: moved }
  }
  return {
    renewLeases({ peer, body }) {
      heard(peer)
      const term = leases.renew(peer.hello.id, peer, body.generation)
      return { body: { ...term, wallNs: clock.wallNs() }, payload: noPayload }
    },
    session({ peer, body }) {
      if (!/^[0-9a-f]{32}$/.test(peer.hello.id)) {
        throw new ClusterError('MALFORMED', `'${peer.hello.id}' is no client's id`)
      }
      sessions.renew(peer.hello.id, body.opens, connectionOf(peer))
      const epoch = view()?.epoch ?? 0
      const told = {
        timeoutMs: sessionTimeoutMs,
        epoch,
        uptimeMs: clock.uptimeMs(),
        wallNs: clock.wallNs(),
      }
      return { body: { ...told, ...booted(), ...readable }, payload: noPayload }
    },
    release({ peer, body }) {
      const connection = connectionOf(peer)
      const client = peer.hello.id
      for (const ino of body.inos) {
        sessions.released(client, ino, connection)
        if (!sessions.isOpenBy(client, ino))
          leases.closed(inodeKey(partitionOfIno(ino), ino), client)
      }
      return done
    },
    view: () => {
      const known = view()
      return { body: { view: known && viewToWire(known) }, payload: noPayload }
    },
    async sync({ body }) {
      partitions.assertTaken(body.partitions ?? [])
      await Promise.all([syncPoint.sync(), copies.syncHolders()])
      return { body: booted(), payload: noPayload }
    },
    statfs: async () => ({ body: await status.space(), payload: noPayload }),
    async serverStatus() {
      const body: ServerStatusReply = await status.describe()
      return { body, payload: noPayload }
    },
  }
}

/** What partitions and the home of a volume tell each other of its quota. */
function quotaOperations({ admit, quotas }: ServiceInit): Service {
  return {
    async askQuota(incoming) {
      const { volume, partition, bytes, files } = incoming.body
      const request = { volume, partition, bytes, files }
      return { body: await quotas.ask(admit(incoming), request), payload: noPayload }
    },
    async recallQuota(incoming) {
      const body = await admit(incoming).usage.recall(incoming.body)
      return { body, payload: noPayload }
    },
  }
}

/** What servers tell each other of split directories. */
function shardOperations({ admit, metadata, partitionCount }: ServiceInit): Service {
  return {
    shardTotals: metadata.lookAtShard(shardTotals),
    shardChanged(incoming) {
      return learnTotals(admit(incoming), checkShardChanged(incoming.body))
    },
    async countShards(incoming) {
      const body = await countShards(admit(incoming), partitionCount, incoming.body.ino)
      return { body, payload: noPayload }
    },
    async doubtTotals(incoming) {
      await doubtTotals(admit(incoming), incoming.body)
      return done
    },
  }
}

function metadataOperations({ admit, metadata, reports }: ServiceInit): Service {
  const looksAtLink = metadata.look(readlink)
  const readsLink: Handler<'readlink'> = incoming => {
    const partition = admit(incoming)
    const { ino, quiet } = incoming.body
    const noted = (reply: Reply<'readlink'>) => {
      const noting = quiet === true ? null : noteAccess(partition, ino, incoming.peer.hello.id)
      return noting === null ? reply : noting.then(() => reply)
    }
    const reply = looksAtLink(incoming)
    return reply instanceof Promise ? reply.then(noted) : noted(reply)
  }
  const openOnly = metadata.read(open)
  const openTruncating = metadata.mutation(open, shrinks)
  const opens: Handler<'open'> = incoming =>
    incoming.body.truncate ? openTruncating(incoming) : openOnly(incoming)
  return {
    ...nameOperations({ admit, metadata, reports }),
    getattr: metadata.look(getattr),
    readlink: readsLink,
    accessed: metadata.repeatable(accessed),
    readInline: metadata.look(readInline),
    getxattr: metadata.look(getxattr),
    listxattr: metadata.look(listxattr),
    shards: metadata.look(shards),
    open: opens,
    reserve: metadata.repeatable(reserve),
    createTemporary: metadata.mutation(createTemporary, grows),
    writeInline: metadata.mutation(writeInline, grows),
    punchInline: metadata.mutation(punchInline, shrinks),
    commitWrite: metadata.mutation(commitWrite, shrinks),
    setxattr: metadata.mutationOfInode(setxattr, grows),
    removexattr: metadata.mutationOfInode(removexattr, shrinks),
    setattr: metadata.truncating(setattr),
  }
}

/** What shows or changes the names in a directory, which may be split. */
function nameOperations({
  admit,
  metadata,
  reports,
}: Pick<ServiceInit, 'admit' | 'metadata' | 'reports'>): Service {
  const listing = metadata.readAsync<'readdir'>(readdir)
  const listingPlus = metadata.readAsync<'readdirplus'>(readdirplus)
  const changing = <N extends ChangesName>(handler: Handler<N>) =>
    reports.reportingChange(showingParent(admit, handler))
  const isFull = () => metadata.isFull
  const leasing = <N extends ChangesNames>(handler: Handler<N>) =>
    leasingPartition({ admit, isFull }, handler)
  const ending = <N extends ChangesBehind>(handler: Handler<N>) => endingBehind(isFull, handler)
  return {
    lookup: reports.reporting(metadata.look(lookup)),
    readdir: reports.reporting(listing),
    readdirplus: reports.reporting(listingPlus),
    create: leasing(changing(metadata.mutation(create, grows))),
    makeBehind: ending(leasing(metadata.mutation(makeBehind, answered))),
    removeBehind: ending(leasing(metadata.mutation(removeBehind, answered))),
    writeBehind: ending(metadata.mutation(writeBehind, answered)),
    setBehind: ending(metadata.mutation(setBehind, answered)),
    hurry(incoming) {
      // Whoever waits for what is being committed is told what becomes of it.
      admit(incoming)
        .store.settled()
        .catch(() => undefined)
      return done
    },
    mkdir: changing(metadata.transaction(mkdir, grows)),
    link: changing(metadata.transaction(link, grows)),
    unlink: leasing(changing(metadata.transaction(unlink, { ...shrinks, here: unlinkHere }))),
    rmdir: changing(metadata.transaction(rmdir, shrinks)),
    rename: changing(metadata.transaction(rename, shrinks)),
  }
}

function blockOperations({
  admit,
  blocks,
  clientMemory,
  writers,
  slots,
  metadata,
}: ServiceInit): Service {
  return {
    offerMemory: clientMemory.offer,
    readBlock: incoming => blocks.read(admit(incoming), incoming.body),
    seekBlocks: incoming => blocks.seek(admit(incoming), incoming.body),
    punchBlocks(incoming) {
      const partition = admit(incoming)
      const { peer, body, isWanted } = incoming
      return slots.once<'punchBlocks'>(partition.id, peer.hello.id, body, keep =>
        blocks.punch(partition, body, keep, isWanted),
      )
    },
    copyBlock(incoming) {
      const partition = admit(incoming)
      const { peer, body, isWanted } = incoming
      return slots.once<'copyBlock'>(partition.id, peer.hello.id, body, async keep => {
        metadata.admitGrowth()
        return await blocks.copy(partition, body, keep, isWanted)
      })
    },
    allocateBlock(incoming) {
      const partition = admit(incoming)
      const { peer, body, isWanted } = incoming
      return slots.once<'allocateBlock'>(partition.id, peer.hello.id, body, async keep => {
        metadata.admitGrowth()
        return await blocks.allocate(partition, body, keep, isWanted)
      })
    },
    writeBlock(incoming) {
      const partition = admit(incoming)
      const { peer, body, payload, isWanted } = incoming
      return slots.once<'writeBlock'>(partition.id, peer.hello.id, body, async keep => {
        metadata.admitGrowth()
        // When it is its turn: what it rests on may have ended while it waited for that, and its caller have given it up.
        const write = async (data: readonly Uint8Array[]) => {
          const late = writers.check(body, peer.hello.id)
          if (late !== null) await late
          return await blocks.write(partition, body, data, keep, isWanted)
        }
        if (!body.offered) return await write(payload)
        const isKept = () => partition.store.isShared
        return await clientMemory.fetching(peer, body.offered, data => write([data]), isKept)
      })
    },
  }
}

function transactionOperations({
  admit,
  coordinator,
  participant,
  metadata,
  reports,
  boot,
}: ServiceInit): Service {
  return {
    prepare: reports.reportingRefusal(async incoming => {
      const partition = admit(incoming)
      if (growing.has(incoming.body.leg)) metadata.admitGrowth()
      const result = await participant.prepare(partition, incoming.body, incoming.peer.hello.id)
      return { body: { result }, payload: noPayload }
    }),
    async decide(incoming) {
      const { transaction, commit } = incoming.body
      await participant.decide(admit(incoming), transaction, commit)
      return { body: { boot }, payload: noPayload }
    },
    async outcome(incoming) {
      const { transaction } = incoming.body
      const outcome = await coordinator.outcome(admit(incoming), transaction)
      return { body: { outcome }, payload: noPayload }
    },
  }
}
