/**
 * Which roles may call which operation. Checked in one place, before a handler sees the request (rpc/requests.ts); who
 * asks for what it may not is told so and cut off.
 */
import type { OperationName } from '../wire/operations.ts'
import { type AdmissionRole, admissionRoles } from './contract.ts'

/** Somebody who is not admitted yet. */
export const stranger = 'stranger'
export type Caller = AdmissionRole | typeof stranger

/** Those who work on files: an administrator does so as a client. */
const clients = ['client', 'admin'] as const
/** Servers ask each other for what a client could ask as well. */
const readers = ['client', 'admin', 'server'] as const
const servers = ['server'] as const
const admins = ['admin'] as const
/** A server may do so to itself alone: see manager/membership/administration.ts. */
const leavers = ['admin', 'server'] as const
const managers = ['manager'] as const
const members = admissionRoles
/** To be let in is for those who are not in yet, and for those who come back with another token. */
const everybody = [...admissionRoles, stranger] as const
/** Part of the greeting: no service has them. */
const nobody = [] as const

const callersOf: { readonly [N in OperationName]: readonly Caller[] } = {
  hello: nobody,
  prove: nobody,
  session: clients,
  serverStatus: members,

  lookup: readers,
  getattr: readers,
  parent: servers,
  accessed: clients,
  setattr: clients,
  create: clients,
  createTemporary: clients,
  mkdir: clients,
  unlink: clients,
  rmdir: clients,
  rename: clients,
  link: clients,
  readlink: readers,
  readdir: readers,
  readdirplus: readers,
  shards: readers,
  shardTotals: servers,
  shardChanged: servers,
  doubtTotals: servers,
  countShards: servers,
  open: clients,
  release: clients,
  readInline: readers,
  writeInline: clients,
  makeBehind: clients,
  removeBehind: clients,
  writeBehind: clients,
  setBehind: clients,
  hurry: clients,
  punchInline: clients,
  reserve: clients,
  commitWrite: clients,
  sync: readers,
  statfs: readers,
  getxattr: readers,
  setxattr: clients,
  listxattr: readers,
  removexattr: clients,

  readBlock: readers,
  writeBlock: clients,
  cutBlocks: servers,
  punchBlocks: clients,
  allocateBlock: clients,
  copyBlock: clients,
  seekBlocks: readers,
  offerMemory: clients,

  testLock: clients,
  setLock: clients,
  cancelLock: clients,
  awaitLocks: clients,
  reclaimLocks: clients,

  renewLeases: clients,
  recallLeases: servers,
  writerTerm: servers,

  setQuota: admins,
  quota: readers,
  askQuota: servers,
  recallQuota: servers,

  prepare: servers,
  decide: servers,
  outcome: servers,

  checkScan: admins,
  checkNames: admins,
  checkInode: admins,
  checkData: admins,
  examine: admins,

  openFeed: servers,
  feed: servers,
  beacon: servers,
  yieldPartition: servers,
  pullPartition: servers,
  syncReplica: servers,

  replicaInSync: servers,
  replicaLost: servers,
  partitionServed: servers,

  admit: everybody,
  certify: admins,
  createToken: admins,
  listTokens: admins,
  revokeToken: admins,
  listKeys: admins,
  removeKey: admins,
  drainMember: leavers,
  removeMember: leavers,
  labelMember: admins,

  join: readers,
  heartbeat: readers,
  view: members,
  viewChanged: managers,
  managerStatus: members,
}

export function mayCall(caller: Caller, operation: OperationName): boolean {
  return callersOf[operation].includes(caller)
}
