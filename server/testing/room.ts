/** One partition over a store in memory, with its operations called as pure functions over a batch. */
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { sessionTimeoutMs } from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'
import { checksumBytes, writeChecksum } from '../../network/wire/checksum.ts'
import { clusterRootIno, type Ino } from '../../network/wire/ids.ts'
import type { CreateRequest, OperationName, RequestOf } from '../../network/wire/operations.ts'
import { AppendGrants } from '../leases/append-grants.ts'
import { ReadLeases } from '../leases/read-leases.ts'
import { Sessions } from '../leases/sessions.ts'
import { encodeInode } from '../metadata/inode.ts'
import { inodeKey } from '../metadata/keys.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { newInode } from '../partition/new-inode.ts'
import type { Operation } from '../partition/operation.ts'
import { create } from '../partition/operations/names.ts'
import { Partition, type SplitsShards } from '../partition/partition.ts'
import { DirectoryTotals } from '../partition/totals.ts'
import { StoreDouble } from './store-double.ts'

export const root = clusterRootIno
/** Where its entries are. */
export const rootShard = { directory: root, partition: 0 } as const
export const slot = { slot: 0, sequence: 1 } as const

export interface Room {
  readonly env: SimulatedEnv
  readonly double: StoreDouble
  readonly partition: Partition
  readonly sessions: Sessions
  readonly grants: AppendGrants
  readonly leases: ReadLeases
  /** Runs an operation for a client and stages what it changed. */
  run<N extends OperationName>(
    operation: Operation<N>,
    request: RequestOf<N>,
    payload?: readonly Uint8Array[],
    client?: string,
  ): Reply<N>
  file(name: string, more?: Partial<CreateRequest>): Attributes
}

const unsplit: SplitsShards = {
  splitEntries: Infinity,
  splitEntriesOfOne: Infinity,
  overgrown: () => undefined,
}

/** Behind its grace, with an empty root directory of small blocks and few inline bytes. */
export async function openRoom(
  rootMode = fileType.directory | 0o755,
  splitter: SplitsShards = unsplit,
): Promise<Room> {
  const env = new SimulatedEnv({ seed: 1 })
  const double = new StoreDouble()
  const store = new MetadataStore(double, error => {
    throw error
  })
  const sessions = new Sessions(env, { closed: () => undefined, expired: () => undefined })
  await env.advance(sessionTimeoutMs)
  const grants = new AppendGrants(env)
  const leases = new ReadLeases({ env, serves: () => true })
  const told = {
    leases,
    touched: () => undefined,
    purgeQueued: () => undefined,
    splitter,
    totals: noTotals(),
    askQuota: () => Promise.reject(new Error('nobody is asked')),
  }
  const partition = new Partition(0, { env, store, sessions, grants, ...told })
  const settings = { blockBytes: 65_536, inlineBytes: 100 }
  const none = new Uint8Array(0)
  const parent = { ino: 0, mode: 0, gid: 0, volume: 0, defaultAcl: none, ...settings }
  const init = { ino: root, mode: rootMode, umask: 0, uid: 0, gid: 7, rdev: 0, nowNs: 0n }
  const inode = newInode(parent, { ...init, target: none })
  await partition.stageMutations([{ key: inodeKey(0, root), value: encodeInode(inode) }])
  const run: Room['run'] = (operation, request, payload = [], client = 'me') => {
    const context = partition.contextFor(client)
    const reply = operation(context, request, payload)
    if (context.batch.changed) void partition.stage(context.batch)
    return reply
  }
  const file = (name: string, more: Partial<CreateRequest> = {}) =>
    run(create, { ...creation(name), ...more }).body.attributes
  return { env, double, partition, sessions, grants, leases, run, file }
}

/** For one server, where nobody has to be asked. */
export function noTotals(): DirectoryTotals {
  const call = () => Promise.reject(new Error('nobody is asked'))
  return new DirectoryTotals({ incarnation: 'test', peers: { call }, partitionCount: 1 })
}

export function creation(name: string): CreateRequest {
  return {
    parent: root,
    name: Buffer.from(name, 'latin1'),
    mode: fileType.regular | 0o644,
    uid: 1,
    gid: 2,
    rdev: 0,
    target: new Uint8Array(0),
    exclusive: true,
    open: false,
    ...slot,
  }
}

export function inlineWrite(ino: Ino, offset: number, data: Uint8Array, append = false) {
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, [data])
  return { ino, offset, append, checksum, killPrivileges: false, ...slot }
}

export function codeOf(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? String(error)
}
