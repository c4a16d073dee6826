/**
 * Every operation that travels: its number, its request and its reply. Numbers are never reused.
 *
 * 1. Field lists in `structures` (codec.ts) follow these interfaces; a change of either is a change of
 *    `protocolVersion`.
 * 2. A request that changes something carries `slot` and `sequence` (Mutation): the server keeps the
 *    last reply of each slot in the same atomic batch, so a repeat has its effect once.
 * 3. Names are raw bytes as Linux has them, not text: any byte but NUL and '/'.
 */
import type {
  AdmitReply,
  AdmitRequest,
  CertifyReply,
  CertifyRequest,
  CreateTokenReply,
  CreateTokenRequest,
  ListKeysReply,
  ListTokensReply,
  RemoveKeyRequest,
  RevokeTokenRequest,
} from './admission-messages.ts'
import type {
  ChangedBehindReply,
  HurryRequest,
  MakeBehindReply,
  MakeBehindRequest,
  RemoveBehindReply,
  RemoveBehindRequest,
  SetBehindRequest,
  WriteBehindRequest,
} from './behind-messages.ts'
import type {
  AllocateBlockRequest,
  CopyBlockReply,
  CopyBlockRequest,
  CutBlocksReply,
  CutBlocksRequest,
  OfferMemoryReply,
  OfferMemoryRequest,
  PunchBlocksRequest,
  ReadBlockReply,
  ReadBlockRequest,
  SeekBlocksReply,
  SeekBlocksRequest,
  SpaceReply,
  WriteBlockRequest,
} from './block-messages.ts'
import type {
  CheckDataReply,
  CheckDataRequest,
  CheckInodeReply,
  CheckInodeRequest,
  CheckNamesReply,
  CheckNamesRequest,
  CheckScanReply,
  CheckScanRequest,
  ExamineReply,
  ExamineRequest,
} from './check-messages.ts'
import type {
  AccessedReply,
  AccessedRequest,
  AttributesReply,
  CommitWriteRequest,
  CreateReply,
  CreateRequest,
  CreateTemporaryRequest,
  EntryReply,
  GetattrReply,
  GetxattrRequest,
  InoRequest,
  LinkRequest,
  LookupRequest,
  MadeReply,
  MkdirRequest,
  OpenReply,
  OpenRequest,
  ParentReply,
  ParentRequest,
  ParentShown,
  PunchInlineRequest,
  ReaddirReply,
  ReaddirRequest,
  ReadInlineReply,
  ReadInlineRequest,
  ReadlinkReply,
  ReadlinkRequest,
  ReleaseRequest,
  RemoveReply,
  RemoveRequest,
  RemovexattrRequest,
  RenameReply,
  RenameRequest,
  ReserveReply,
  ReserveRequest,
  SetattrRequest,
  SetxattrRequest,
  StatfsReply,
  WriteInlineRequest,
  WriteReply,
  XattrReply,
} from './file-messages.ts'
import type {
  RecallLeasesRequest,
  RenewLeasesReply,
  RenewLeasesRequest,
  WriterTermReply,
  WriterTermRequest,
} from './lease-messages.ts'
import type {
  AwaitLocksReply,
  AwaitLocksRequest,
  CancelLockReply,
  CancelLockRequest,
  ReclaimLocksReply,
  ReclaimLocksRequest,
  SetLockReply,
  SetLockRequest,
  TestLockReply,
  TestLockRequest,
} from './lock-messages.ts'
import type {
  DecideReply,
  DecideRequest,
  DrainMemberRequest,
  HeartbeatRequest,
  HelloRequest,
  JoinReply,
  JoinRequest,
  LabelMemberRequest,
  OutcomeReply,
  OutcomeRequest,
  PrepareReply,
  PrepareRequest,
  ProveRequest,
  RemoveMemberRequest,
  ServerStatusReply,
  SessionReply,
  SessionRequest,
  SyncReply,
  SyncRequest,
  ViewReply,
  WireManagerStatus,
} from './member-messages.ts'
import type { Empty } from './message.ts'
import type {
  AskQuotaReply,
  AskQuotaRequest,
  QuotaReply,
  RecallQuotaReply,
  RecallQuotaRequest,
  SetQuotaRequest,
} from './quota-messages.ts'
import type {
  BeaconReply,
  BeaconRequest,
  FeedReply,
  FeedRequest,
  OpenFeedReply,
  OpenFeedRequest,
  PartitionServedRequest,
  PullRequest,
  ReplicaInSyncRequest,
  ReplicaLostRequest,
  SyncReplicaRequest,
  YieldReply,
  YieldRequest,
} from './replica-messages.ts'
import type {
  CountShardsReply,
  DoubtTotalsRequest,
  ShardChangedRequest,
  ShardsReply,
  ShardTotalsReply,
} from './shard-messages.ts'

export type * from './admission-messages.ts'
export type * from './behind-messages.ts'
export type * from './block-messages.ts'
export type * from './check-messages.ts'
export type * from './file-messages.ts'
export type * from './lease-messages.ts'
export type * from './lock-messages.ts'
export type * from './member-messages.ts'
export type * from './message.ts'
export type * from './quota-messages.ts'
export type * from './replica-messages.ts'
export type * from './shard-messages.ts'

/** Name → number and types. `notice` operations have no reply. */
export interface Operations {
  hello: { request: HelloRequest; reply: HelloRequest }
  prove: { request: ProveRequest; reply: Empty }
  session: { request: SessionRequest; reply: SessionReply }
  serverStatus: { request: Empty; reply: ServerStatusReply }

  lookup: { request: LookupRequest; reply: EntryReply }
  getattr: { request: InoRequest; reply: GetattrReply }
  parent: { request: ParentRequest; reply: ParentReply }
  accessed: { request: AccessedRequest; reply: AccessedReply }
  setattr: { request: SetattrRequest; reply: GetattrReply }
  create: { request: CreateRequest; reply: CreateReply }
  createTemporary: { request: CreateTemporaryRequest; reply: AttributesReply }
  mkdir: { request: MkdirRequest; reply: MadeReply }
  unlink: { request: RemoveRequest; reply: RemoveReply }
  rmdir: { request: RemoveRequest; reply: RemoveReply }
  rename: { request: RenameRequest; reply: RenameReply }
  link: { request: LinkRequest; reply: MadeReply }
  readlink: { request: ReadlinkRequest; reply: ReadlinkReply }
  readdir: { request: ReaddirRequest; reply: ReaddirReply }
  readdirplus: { request: ReaddirRequest; reply: ReaddirReply }
  shards: { request: InoRequest; reply: ShardsReply }
  shardTotals: { request: InoRequest; reply: ShardTotalsReply }
  shardChanged: { request: ShardChangedRequest; reply: ParentShown }
  doubtTotals: { request: DoubtTotalsRequest; reply: Empty }
  countShards: { request: InoRequest; reply: CountShardsReply }
  open: { request: OpenRequest; reply: OpenReply }
  release: { request: ReleaseRequest; reply: Empty }
  readInline: { request: ReadInlineRequest; reply: ReadInlineReply }
  writeInline: { request: WriteInlineRequest; reply: WriteReply }
  makeBehind: { request: MakeBehindRequest; reply: MakeBehindReply }
  removeBehind: { request: RemoveBehindRequest; reply: RemoveBehindReply }
  writeBehind: { request: WriteBehindRequest; reply: ChangedBehindReply }
  setBehind: { request: SetBehindRequest; reply: ChangedBehindReply }
  hurry: { request: HurryRequest; reply: Empty }
  punchInline: { request: PunchInlineRequest; reply: WriteReply }
  reserve: { request: ReserveRequest; reply: ReserveReply }
  commitWrite: { request: CommitWriteRequest; reply: WriteReply }
  sync: { request: SyncRequest; reply: SyncReply }
  statfs: { request: Empty; reply: StatfsReply }
  getxattr: { request: GetxattrRequest; reply: XattrReply }
  setxattr: { request: SetxattrRequest; reply: Empty }
  listxattr: { request: InoRequest; reply: XattrReply }
  removexattr: { request: RemovexattrRequest; reply: Empty }

  readBlock: { request: ReadBlockRequest; reply: ReadBlockReply }
  writeBlock: { request: WriteBlockRequest; reply: SpaceReply }
  cutBlocks: { request: CutBlocksRequest; reply: CutBlocksReply }
  punchBlocks: { request: PunchBlocksRequest; reply: SpaceReply }
  allocateBlock: { request: AllocateBlockRequest; reply: SpaceReply }
  copyBlock: { request: CopyBlockRequest; reply: CopyBlockReply }
  seekBlocks: { request: SeekBlocksRequest; reply: SeekBlocksReply }
  offerMemory: { request: OfferMemoryRequest; reply: OfferMemoryReply }

  testLock: { request: TestLockRequest; reply: TestLockReply }
  setLock: { request: SetLockRequest; reply: SetLockReply }
  cancelLock: { request: CancelLockRequest; reply: CancelLockReply }
  awaitLocks: { request: AwaitLocksRequest; reply: AwaitLocksReply }
  reclaimLocks: { request: ReclaimLocksRequest; reply: ReclaimLocksReply }

  renewLeases: { request: RenewLeasesRequest; reply: RenewLeasesReply }
  recallLeases: { request: RecallLeasesRequest; reply: Empty }
  writerTerm: { request: WriterTermRequest; reply: WriterTermReply }

  setQuota: { request: SetQuotaRequest; reply: Empty }
  quota: { request: InoRequest; reply: QuotaReply }
  askQuota: { request: AskQuotaRequest; reply: AskQuotaReply }
  recallQuota: { request: RecallQuotaRequest; reply: RecallQuotaReply }

  prepare: { request: PrepareRequest; reply: PrepareReply }
  decide: { request: DecideRequest; reply: DecideReply }
  outcome: { request: OutcomeRequest; reply: OutcomeReply }

  checkScan: { request: CheckScanRequest; reply: CheckScanReply }
  checkNames: { request: CheckNamesRequest; reply: CheckNamesReply }
  checkInode: { request: CheckInodeRequest; reply: CheckInodeReply }
  checkData: { request: CheckDataRequest; reply: CheckDataReply }
  examine: { request: ExamineRequest; reply: ExamineReply }

  openFeed: { request: OpenFeedRequest; reply: OpenFeedReply }
  feed: { request: FeedRequest; reply: FeedReply }
  beacon: { request: BeaconRequest; reply: BeaconReply }
  yieldPartition: { request: YieldRequest; reply: YieldReply }
  pullPartition: { request: PullRequest; reply: Empty }
  syncReplica: { request: SyncReplicaRequest; reply: Empty }

  replicaInSync: { request: ReplicaInSyncRequest; reply: Empty }
  replicaLost: { request: ReplicaLostRequest; reply: Empty }
  partitionServed: { request: PartitionServedRequest; reply: Empty }
  join: { request: JoinRequest; reply: JoinReply }
  heartbeat: { request: HeartbeatRequest; reply: Empty }
  view: { request: Empty; reply: ViewReply }
  viewChanged: { request: ViewReply; reply: Empty }
  managerStatus: { request: Empty; reply: WireManagerStatus }
  drainMember: { request: DrainMemberRequest; reply: Empty }
  removeMember: { request: RemoveMemberRequest; reply: Empty }
  labelMember: { request: LabelMemberRequest; reply: Empty }

  admit: { request: AdmitRequest; reply: AdmitReply }
  certify: { request: CertifyRequest; reply: CertifyReply }
  createToken: { request: CreateTokenRequest; reply: CreateTokenReply }
  listTokens: { request: Empty; reply: ListTokensReply }
  revokeToken: { request: RevokeTokenRequest; reply: Empty }
  listKeys: { request: Empty; reply: ListKeysReply }
  removeKey: { request: RemoveKeyRequest; reply: Empty }
}

export type OperationName = keyof Operations
export type RequestOf<N extends OperationName> = Operations[N]['request']
export type ReplyOf<N extends OperationName> = Operations[N]['reply']

export const operationNumbers: { readonly [N in OperationName]: number } = {
  hello: 1,
  session: 2,
  serverStatus: 3,
  prove: 4,
  lookup: 16,
  getattr: 17,
  setattr: 18,
  create: 19,
  mkdir: 20,
  unlink: 21,
  rmdir: 22,
  rename: 23,
  link: 24,
  readlink: 25,
  readdir: 26,
  readdirplus: 42,
  open: 27,
  release: 28,
  readInline: 29,
  writeInline: 30,
  reserve: 31,
  commitWrite: 32,
  sync: 33,
  statfs: 34,
  getxattr: 35,
  setxattr: 36,
  listxattr: 37,
  removexattr: 38,
  parent: 39,
  shards: 48,
  shardTotals: 49,
  shardChanged: 50,
  doubtTotals: 51,
  countShards: 52,
  makeBehind: 61,
  removeBehind: 62,
  writeBehind: 63,
  setBehind: 46,
  hurry: 47,
  punchInline: 60,
  createTemporary: 40,
  accessed: 41,
  readBlock: 64,
  writeBlock: 65,
  cutBlocks: 66,
  punchBlocks: 67,
  allocateBlock: 68,
  seekBlocks: 69,
  copyBlock: 70,
  offerMemory: 71,
  testLock: 120,
  setLock: 121,
  cancelLock: 122,
  awaitLocks: 123,
  reclaimLocks: 124,
  renewLeases: 125,
  recallLeases: 126,
  writerTerm: 127,
  setQuota: 128,
  quota: 129,
  askQuota: 130,
  recallQuota: 131,
  prepare: 80,
  decide: 81,
  outcome: 82,
  checkScan: 112,
  checkNames: 113,
  checkInode: 114,
  checkData: 115,
  examine: 116,
  openFeed: 176,
  feed: 145,
  beacon: 146,
  yieldPartition: 147,
  pullPartition: 148,
  syncReplica: 149,
  replicaInSync: 152,
  replicaLost: 153,
  partitionServed: 154,
  join: 96,
  heartbeat: 97,
  view: 98,
  viewChanged: 99,
  managerStatus: 100,
  drainMember: 160,
  removeMember: 161,
  labelMember: 162,
  admit: 140,
  certify: 141,
  createToken: 142,
  listTokens: 143,
  revokeToken: 155,
  listKeys: 156,
  removeKey: 157,
}
