/** Every bound in Rookery, with its reason. Units are the last word of each name. */

const KiB = 1024
const MiB = 1024 * KiB

/** Protocol of frames and messages; raised when an older peer could misread a newer one. */
export const protocolVersion = 13

/** Format of a member's directories on disk; a directory with another number is refused. */
export const diskFormat = 4

/** Partitions: chosen at format. 4096 keeps `partition * 2^40 + sequence` a safe integer. */
export const defaultPartitionCount = 256
export const maxPartitionCount = 4096

/** Inode numbers of one partition: 2^40, so that 4096 partitions fit below 2^52. */
export const inoSequenceLimit = 2 ** 40

/** Inode numbers that a loss of power may take at most, in one partition: more than can be made between two
 * syncs. So many are left out after each boot of a machine; 2^20 boots use them up. */
export const inosPerSync = 2 ** 20
/** Room for the changes of one inode, and the generations of one file, under one boot of its machine; so
 * that what a loss of power took is told from what comes later. Of so many boots, which keeps a change
 * counter a safe integer and a generation below 2^32. */
export const changesPerBoot = 2 ** 36
export const generationsPerBoot = 2 ** 16
export const bootsToldApart = 2 ** 15

/** Longest name and path, as on Linux (limits.h). */
export const maxNameBytes = 255
export const maxPathBytes = 4096
export const maxSymlinkBytes = 4095

/** Largest file: the kernel's own MAX_LFS_FILESIZE is beyond a safe integer, so we stop at 2^53 - 1. */
export const maxFileBytes = Number.MAX_SAFE_INTEGER

/** Hard links of one inode: as ext4. Subdirectories are not limited by it. */
export const maxLinkCount = 65_000

/** Data: the chunk is the unit of checksum and of copy-on-write. */
export const chunkBytes = 64 * KiB
export const defaultBlockBytes = 1 * MiB
export const minBlockBytes = 64 * KiB
export const maxBlockBytes = 8 * MiB
export const defaultInlineBytes = 8 * KiB
/** An inline file lives in a metadata value; larger ones would make compaction rewrite data. */
export const maxInlineBytes = 64 * KiB

/** Extended attributes, as ext4/xfs and the VFS have them (linux/limits.h). */
export const maxXattrNameBytes = 255
export const maxXattrValueBytes = 64 * KiB
export const maxXattrListBytes = 64 * KiB
/** All attributes of one inode: they are one value of the metadata store. */
export const maxXattrRecordBytes = 256 * KiB
/** An access control list: the kernel reads no more than a page of 4 KiB (fuse_get_acl). */
export const maxAclBytes = 4 * KiB

/** Frames: the largest payload is one block; a body holds names and attributes, never file data. */
export const maxFrameBodyBytes = 1 * MiB
export const maxFramePayloadBytes = maxBlockBytes
/** The rest of a payload that is longer than the one is read to memory of its own, of at most the other at a time: what a
 * peer announces and does not send takes no more. */
export const leastPayloadRoomBytes = 64 * KiB
export const payloadRoomBytes = 1 * MiB
/** What a connection that was dialled reads at a time otherwise; it is copied. */
export const socketScratchBytes = 16 * KiB
/** A connection that has this much unsent tells its sender to wait. */
export const sendHighWaterBytes = 16 * MiB
/** A peer that leaves this much unread is cut off, whatever the sender does about back-pressure. */
export const sendLimitBytes = 256 * MiB

/** What a peer may send on one stream of libp2p before it was read: enough for the largest frame to keep moving. */
export const maxStreamWindowBytes = 16 * MiB

/** A cluster's id travels in every certificate; Rookery makes them of 32 digits. */
export const maxClusterIdBytes = 64
/** A frame of somebody who has proven no key yet: a hello with a certificate and proofs has some 600 bytes. */
export const maxUnprovenBodyBytes = 4 * KiB
/** Connections of one listener on which no key has been proven yet; beyond it the oldest are closed. Some 20 KiB each,
 * and more than an honest peer sees arrive behind it while it proves its key. */
export const maxUnproven = 512
/** How long one of them may take: a second dial's time and some more, for a machine that is busy. */
export const proofDeadlineMs = 5_000
/** Dials of which is remembered that they were answered, to know a repeated one for what it is; 16 bytes each. */
export const maxNoncesRemembered = 4096

/** Connections one listener holds open: a tenth of the file descriptors a service usually may have. */
export const maxConnectionsAccepted = 8192

/** Calls one connection may have in flight towards a server: beyond it they queue at the caller. */
export const maxCallsInFlight = 1024
/** Calls that may queue at the caller of one connection before it is refused with OVERLOADED. */
export const maxCallsQueued = 16_384
/** Requests one server works on at a time for one connection; a peer that sends more is cut off. */
export const maxRequestsServed = 4096

/** Deadlines. A file operation is retried until `operationDeadlineMs`, then fails with EIO. */
export const dialDeadlineMs = 2_000
/** For hello and proof, both ways: they compute, and a machine that has other things to do takes seconds. */
export const greetingDeadlineMs = 5_000
/** With handshakes that both sides compute at: on a machine that has other things to do they take seconds. */
export const secureDialDeadlineMs = 10_000
export const callDeadlineMs = 10_000
export const operationDeadlineMs = 30_000
/** Of a server that has given no answer for that long, whoever asks anew learns that this soon: time for a connection, should
 * it be back. */
export const outageGraceMs = 250
/** A server that did not answer a call of another one in time is asked whether it is there. */
export const livenessDeadlineMs = 2_000
/** With more time between two attempts nobody knows what was in between: then it is another outage. */
export const outageGapMs = 5_000
export const shutdownDeadlineMs = 10_000
export const retryFirstDelayMs = 2
export const retryLongestDelayMs = 250

/** How far a caller's epoch of a partition may be ahead of its server's: each holder that comes or goes raises it by
 * one, and a server hears of it within a heartbeat or two. What is further ahead was made up. */
export const maxEpochLead = 65_536

/** Heartbeats: three may be lost before a member is believed dead. */
export const heartbeatIntervalMs = 1_000
export const failureTimeoutMs = 4_000
/** Who has missed this much may be failing: it counts when a manager decides whether too many fail at once. */
export const failureSuspectMs = failureTimeoutMs / 2
/** A server that was silent for so long is replaced: others get copies of what it held. Long enough for a restart of its
 * machine, which costs less than copying all of it. */
export const replaceAfterMs = 600_000
/** Moves of partitions under way at a time, of one server (as source or target) and of the whole cluster: programs want
 * the disks too. */
export const maxMovesOfServer = 2
export const maxMoves = 64
/** No cluster gets there: who says that one has would leave no room for what comes next. */
export const maxViewEpoch = 2 ** 48
export const maxPartitionEpoch = 2 ** 31
/** How often a server writes down the newest view at most. */
export const knownViewIntervalMs = 1_000
/** Changes of partitions are gathered for so long, so that one view tells of all of them. */
export const viewGatherMs = 20
/** Servers that were removed and whose return is refused; the oldest is forgotten first. */
export const maxRemovedRemembered = 4096
/** A member that is removed has so long to hear of it before its connections are cut. */
export const removalDelayMs = 200
/** Moves that a status tells one by one. */
export const maxMovesTold = 256

/** A client silent for this long has lost its open files and its slots: longer than any retry. */
export const sessionTimeoutMs = 60_000
/** Servers that a client which no manager reaches asks for their view, a few times in that time, beside those it talks with. */
export const viewAsksAtATime = 4

/** Files of a client that is gone whose change counters move in one batch, so that others get their turn. */
export const outdatedBatch = 256

/** Slots: mutations one client may have in flight; the server keeps the last reply of each. */
export const maxSlots = 256
/** A mutation's reply is kept for a repeat: it holds attributes, never data. */
export const maxKeptReplyBytes = 1 * KiB

/** Transactions: how long a participant's answer is awaited, and how often a conflict is retried. */
export const prepareDeadlineMs = 5_000
/** How long a leg that may waits for locks: its coordinator still waits for the answer then. */
export const maxLegWaitMs = prepareDeadlineMs / 2
export const recoveryIntervalMs = 1_000
/** Decisions carried out that a coordinator keeps, at some 300 bytes each, before it has its participants
 * sync although the time for that has not come. */
export const maxToldTransactions = 4096

/** Entries of a directory that share one 48-bit hash; the cookie has 4 bits for them. */
export const maxBucketEntries = 16
export const readdirLimitBytes = 128 * KiB
/** Mount: what is fetched with attributes, some hundred entries, until the kernel asks for them twice in a row: it does so once at the
 * start of each directory, and when anybody has looked up a name in it meanwhile. */
export const firstListedBytes = 16 * KiB
/** Client: of a directory that it listed so short a while ago what names lead to is fetched together, when so many were asked for one by
 * one: as many names as firstListedBytes, then twice as many, to readdirLimitBytes, for who uses them. To fetch one costs a twentieth of
 * what it costs to ask for it: so many may be fetched for each look-up that was saved, and before any was. */
export const listedRecentlyMs = 60_000
export const lookAheadMisses = 4
export const lookAheadPerUse = 16
export const lookAheadCredit = 1024
/** A look-up goes its own way when that has not come by then: several times what a batch takes. */
export const lookAheadWaitMs = 100
/** Directories of which that is remembered, some 200 bytes each. */
export const maxListedDirectories = 1024
/** Mount: names of an open directory that are fetched ahead, so that its servers work while the kernel does. */
export const maxListedAheadBytes = 128 * KiB

/** Names that a client keeps for whoever lists their directory again: of all directories, of one (some 80,000), and what a page or a
 * directory takes besides. */
export const maxKeptListingBytes = 16 * MiB
export const maxKeptDirectoryBytes = 4 * MiB
export const pageOverheadBytes = 256

/** A directory in which several clients make names is split when it has more entries, and each shard of it: most of so many
 * move in one transaction, and only few directories are worth the further requests that a split one costs. */
export const splitEntries = 4096
/** One that a single client fills gains nothing by more servers, as that client is as busy as its server is: it is split
 * before it is too much of what a server keeps. */
export const splitEntriesOfOne = 1_048_576
/** Two clients that make names in one directory so shortly one after the other share it. */
export const makersMs = 10_000
/** Large directories of one partition of which is remembered who makes names there. */
export const maxMakersRemembered = 64
/** How much of a shard stays when it is split: little, as the name of a file whose entry has moved is removed by
 * a transaction, and so is best moved while there are few. */
export const shardKeptShare = 1 / 8
/** Slots of hashes, and so the most shards of one directory: rmdir and chmod take all of them at once. */
export const shardSlots = 64
/** Entries sent in one message when a shard moves: half of what a frame may hold, at their longest. */
export const maxMoveBytes = 256 * KiB
/** Directories that wait to be split at a time: the next entry made in one asks again. */
export const maxSplitsQueued = 1024
/** Split directories of which a server remembers what their shards count, at some 10 KiB each. */
export const maxTotalsRemembered = 2048
/** Shards of which a server remembers what it told their directory's home, at some 100 bytes each. */
export const maxTotalsTold = 16_384

/** Purging: blocks deleted in one batch, so that foreground operations are not held up. */
export const purgeBatchBlocks = 256

/** How far ahead of its end a growing file may have blocks written: bounds what a crash can orphan. */
export const reserveAheadBlocks = 64

/** Level: memory for blocks of tables read, and for what is gathered before a table is written. */
export const levelBlockCacheBytes = 64 * MiB
export const levelWriteBufferBytes = 32 * MiB
/** Less on a small disk. */
export const levelWriteBufferFraction = 1 / 256
export const leastLevelWriteBufferBytes = 1 * MiB

/**
 * Server: records kept in memory, and the longest (a block's index is about 1 KiB, most others some 150 bytes):
 * with their keys some 30 MB, 70 MB if all were blocks'.
 */
export const maxCachedRecords = 65_536
export const maxCachedRecordBytes = 1024

/** Server: longest read of the data disk that is made in the event loop when the page cache has it (some 30 µs). */
export const cachedReadBytes = 256 * KiB

/**
 * Client: shortest read that is made past a server on the same machine: it takes a trip to another thread, and in place of
 * it the server would send the data.
 */
export const localReadBytes = 128 * KiB
/**
 * Least data of a write that a server on the same machine fetches by itself: of little the calls cost more than copies. What a client
 * shows that it can be fetched; and what a server has fetched at a time and not answered yet.
 */
export const leastOfferedBytes = 64 * KiB
export const offerProofBytes = 16
export const maxFetchedBytes = 64 * MiB
/** Memory for what is fetched, of which a server keeps some: for a block of the usual size, or more than half of one. */
export const fetchRoomBytes = defaultBlockBytes
export const maxFetchRooms = 16
/** Client: such reads at a time, of the four threads that libuv has for them and all else that waits; and how long one may take until the
 * server is asked instead, which may have the data in its cache, or knows what is wrong with the disk. */
export const maxLocalReads = 3
export const localReadMs = 1_000

/** Client: inodes whose page validity is remembered, at some 100 bytes each. */
export const maxPageRecords = 262_144
/** Client: entries whose inode in another partition is remembered, at some 100 bytes each. */
export const maxEntryHints = 65_536
/** Client: directories of which all names are known, and names of all these together, at some 40 bytes each; what these take
 * besides, where they are listed from memory (a name of 20 bytes 48); how many there may be in a directory for that, to be sorted for each
 * page that is listed while others are made in it (some 15 ms); and how many directories are kept sorted, at 8 bytes a name. */
export const maxKnownDirectories = 4096
export const maxKnownNames = 1_048_576
export const maxMadeNameBytes = 32 * MiB
export const maxSortedNames = 131_072
export const maxSortedDirectories = 8
/** Client: split directories whose shard map is remembered, at some 200 bytes each. */
export const maxShardMaps = 4096
/** Client: inodes with changes not synced yet, at some 300 bytes each; older ones share records by
 * partition. As many are remembered to have been told of a loss among those. */
export const maxDirtyInodes = 16_384
/** Client: a server is waited for this long by statfs, which goes by what it said last then. */
export const statfsWaitMs = 1_000
/** Client: inodes that were read and whose access time is to move, of one request and in all; told this much later. */
export const maxAccessBatch = 64
export const maxAccessesNoted = 1024
export const accessDelayMs = 20
/** Client: whoever lists a directory with attributes, or unmounts, waits for that no longer than this. */
export const accessSettleMs = 100
/** Pieces of one block that are written by one call. */
export const maxWritePieces = 256
/** Blocks of one read or write that are on their way at a time. */
export const maxBlocksInFlight = 16
/** One copy_file_range: a program waits for it, and the kernel keeps others off the target meanwhile. */
export const maxCopyBytes = 64 * MiB
/** Read-ahead of one open file, and of all of one client together. */
export const readAheadFileBytes = 16 * MiB
export const readAheadTotalBytes = 128 * MiB
/** What is written behind: of one file, so that it is with the servers well within `leaseFlushMs`; and the memory that all
 * files of a client take for it. A writer waits when there is more. */
export const behindFileBytes = 16 * MiB
export const behindTotalBytes = 64 * MiB
/** A longer write gains less by being joined to others than it costs to be copied: it is written behind where it need not be. */
export const maxBehindWriteBytes = 256 * KiB
/** Pieces of one file that do not touch: when there are more, they are sent at once. */
export const maxBehindPieces = 256
/** What was written is kept so long for more to be joined to it. */
export const behindMs = 50
/** Changes of names that a client has on their way after it has answered: half of its slots. */
export const maxChangesBehind = maxSlots / 2
/** Changes of names in one partition that follow each other within so long are worth a lease on it. */
export const behindBusyMs = 1_000
/** Small writes to one file, since it was opened, that are answered before they are done: one that is written again and again
 * had better have its writes joined. */
export const maxSmallWritesBehind = 2
/** Inode numbers that a client is given at a time, to give out by itself; it asks for more when half of them are left. */
export const behindNumbers = 512
/** What a server commits without that anybody waits for it waits so long for more: one batch is half of what a name costs. */
export const lazyCommitMs = 3
/** A file that could not be written behind is written through for so long. */
export const behindErrorRestMs = 10_000
/** How often a client asks whether it may go on with what it has buffered since its lease ended. */
export const behindResumeMs = 50
/** So often it waits so long for a term in which that can be kept, and then asks all the same: its server may not be known yet. */
export const maxBehindTermWaits = 6
/** An append that finds the file longer each time asks again this often, then fails with EIO. */
export const maxAppendRedos = 64
/** How long an append has a file to itself: less than an operation's time, so that another one outlasts an
 * appender that is gone. It sends blocks for the first half of it: what is on its way when the client is
 * stopped has the rest to arrive. */
export const appendGrantMs = 20_000
export const appendWritesMs = appendGrantMs / 2
/** A read that meets truncations is done again this often, then fails with EIO. */
export const maxReadRedos = 16
/** A lookup of a name that is given to other inodes meanwhile is done again this often, then fails with ESTALE. */
export const maxLookupRedos = 16
/** An open that is to create a name which others take and give up meanwhile is done again this often. */
export const maxCreateRedos = 8
/** Attribute requests that one readdir has on their way. */
export const maxAttributeRequests = 32
/** Mutations that may wait for a slot: as many as calls may queue at one connection. */
export const maxSlotWaiters = 16_384
/** Files that one client may have open: a session tells a server all of them in one body of a frame. */
export const maxOpenInodes = 40_000
/** Closed files are reported to their server after this long, in one message. */
export const releaseDelayMs = 5
export const maxReleaseBatch = 4096
/** Symbolic links followed in one path, as Linux has it (MAXSYMLINKS). */
export const maxSymlinksFollowed = 40

/** Servers of one cluster, and clients that one manager keeps track of. */
export const maxMembers = 16_384
export const maxClients = 65_536
/** Points on the placement ring of a member of mean weight: shares then differ by some 9 %. */
export const virtualNodes = 128
/** Longest name, address, host or domain that a member may give itself, and how many addresses. */
export const maxMemberTextBytes = 256
export const maxMemberAddresses = 16
/** Disks that one server may report. */
export const maxDisksReported = 16
/** For how long a holder lets the primary of its copies serve: well below `failureTimeoutMs`, so that whom the
 * manager has made the new primary waits no longer. Renewed a few times before it runs out. */
export const leaseMs = 2_000
export const beaconIntervalMs = leaseMs / 4
/** For how long a client may say what it was told of names and inodes when its server hears no more of it: whoever changes
 * one of them, and a server that has been started again, waits for so long at most. */
export const leaseTermMs = 2_000
/** A server's wall clock as a client knows it is late by no more: what has changed later than that was changed before it was set. */
export const wallLateMs = 1_000
/** A client that uses its leases renews their term so often: three may be lost. */
export const leaseRenewalMs = leaseTermMs / 5
/** Who has made no use of a server's leases for so long lets its term run out. */
export const leaseIdleMs = 10_000
/** A client that is asked to give leases back, and has not done so in this time, has its term renewed no more. */
export const leaseRecallMs = leaseTermMs / 2
/** The same for what it has written behind, and is to have on the servers first: while it does not answer its term goes on.
 * What all files of a client may have buffered takes so long where no more than 5 MB/s get through; and half of the time that an
 * operation which waits for it has is left. */
export const leaseFlushMs = operationDeadlineMs / 2
/** What is written behind is taken only when its lease holds for so much longer: it has to get to the servers in time. */
export const behindSpareMs = 10_000
/** A writer whose lease ended unheard is remembered for so long, for who looks at the file when it has come back. */
export const writerRememberedMs = operationDeadlineMs
/** By how much the clocks of two machines run apart at most: they are slewed by a thousandth together (adjtimex(2)). */
export const maxClockDrift = 0.001
/** A server is asked for its clock again when it told it so long ago: by then it is off by less than `kernelSpareMs`. */
export const uptimeOldMs = 60_000
/** Who looks at what a writer wrote behind whose lease ended unheard, and which has come back, waits for so long for that
 * one to say what it has left: it asks whether it may go on every `behindResumeMs`. */
export const leaseResumeMs = 1_000
/** One lease within all these terms: what nobody has asked for since then is not worth the memory. */
export const readLeaseMs = 60_000
/** What somebody had to wait for is leased to nobody for so long: of what several change, one change in this time waits. */
export const readLeaseRestMs = 2_000
/** What a client asked for longer ago than this it does not keep: so long it remembers what it has changed, or given back. */
export const leaseAnswerMs = 1_000
/** Leases that one client keeps: names, and inodes. */
export const maxLeasesKept = 65_536
/** Keys that one message calls back. */
export const maxRecalledKeys = 1024
/** Leases of one server. */
export const maxReadLeases = 262_144
/** For how long the kernel may go by what is leased before it asks again. */
export const kernelKeepsMs = 1_000
/** The same for names, which cannot be called in question: who calls one back waits for this time and the spare one. */
export const kernelKeepsNamesMs = 100
/** Names that the kernel may go by at a time, and of which that is remembered. */
export const maxKernelNames = 65_536
/** How much sooner the kernel's own time has to end than the term, as it begins to count when the program that asked has its
 * turn. */
export const kernelSpareMs = 500
/** A holder that is in sync and does not answer for so long is told of to the manager. */
export const replicaTimeoutMs = 2_000
/** Messages of one feed on their way at a time, and what rows one of them gathers. */
export const maxFeedCalls = 8
export const feedRowBytes = 128 * KiB
/** Rows longer than this travel as a payload. */
export const maxFeedBodyRows = 512 * KiB
/** What waits for a holder that is not in sync yet: with more, whoever changes something waits for it, too. */
export const maxFeedQueueBytes = 64 * MiB
/** Records compared in one message. */
export const feedPageRows = 512
/** Blocks that one feed has on their way at a time. */
export const maxFeedBlocks = 4
/** A copy of a large partition is summed up while this lasts. */
export const feedDeadlineMs = 60_000
/** A primary that may have lost something waits so long to be fed all of a partition. */
export const pullDeadlineMs = 600_000
/** A primary that waits for a copy which is damaged where it has to come from asks for it no more often: all of it is read
 * each time. */
export const damagedRetryMs = 30_000
/** Copies that one server feeds at a time, and how fast all in all: so that programs get most of its disks. */
export const maxFeeds = 2
export const feedBytesPerSecond = 64 * MiB
/** A copy is compared so often before it is given up for a while. */
export const maxFeedRounds = 4
export const feedRetryMs = 1_000
/** One that is held because something at its source is damaged is tried again after so long, if nobody repairs that. */
export const heldRetryMs = 600_000
/** Rows of a copy that nobody wants deleted in one batch. */
export const dropBatchRows = 256
/** A copy that cannot be deleted is tried again after so long, and then after twice as long, up to the longest. */
export const dropRetryFirstDelayMs = 1_000
export const dropRetryLongestDelayMs = 60_000
/** Boots of machines of which a partition tells that nothing was lost when it left them. */
export const maxLineageBoots = 4
/** Copies that one server reports: more than it may have under way, and some that are held because it is damaged. */
export const maxCopiesReported = 256
/** A stamp file holds four short fields; a larger one is not a stamp. */
export const maxStampBytes = 64 * KiB
/** Waits of a member that lost its manager: long enough to spare it, short beside the failure timeout. */
export const managerRetryFirstDelayMs = 50
export const managerRetryLongestDelayMs = 1_000

/** A token as text: some 40 bytes for each manager, and what its addresses are long. */
export const maxTokenCharacters = 8192
/** Tokens that a manager keeps, at some 250 bytes each, and for how long it can say of one that it has expired. */
export const maxTokens = 1024
export const tokenRememberedS = 24 * 3600
/** How often a token may be used, and how long it may live. */
export const maxTokenUses = 1000
export const maxTokenLifeMs = 365 * 24 * 3600 * 1000
/** Keys that a cluster lets in: at some 250 bytes each the manager's state still fits into etcd. */
export const maxAdmitted = 4096
/** Members that were removed for good: each is told to everybody with every view, at some 70 bytes. */
export const maxRemoved = 1024
/** A manager says through etcd that it is there once an hour; one that has not for a week is gone. */
export const managerEntryIntervalMs = 3600 * 1000
/** What the leader tells members of the others is not older than this. */
export const managerListIntervalMs = 10_000
export const managerForgottenS = 7 * 24 * 3600
/** Managers that a member remembers where to find, each with its addresses. */
export const maxManagerAddresses = 64

/** A manager in etcd: its lease, renewed a few times before it runs out. With etcd's own look at leases twice a
 * second and the standbys', a killed leader is replaced within the failure timeout. */
export const managerLeaseSeconds = 3
export const managerLeaseRenewMs = 700
export const managerElectionIntervalMs = 200
/** A leader stops so long before its lease can have run out: clocks differ by far less in three seconds. */
export const managerLeaseMarginMs = 500
/** An answer of etcd is awaited so long, then the next of its machines is asked: two fit into a lease. */
export const etcdCallDeadlineMs = 1_000
export const etcdRetryDelayMs = 100
/** etcd takes 1.5 MiB in one request (--max-request-bytes), which goes out in base64 and with names. */
export const maxEtcdValueBytes = 1 * MiB
export const maxEtcdReplyBytes = 4 * MiB
/** The state before it is compressed: a view that fits into a frame, and its members once more, as JSON. */
export const maxStateBytes = 16 * MiB

/** Ranges that one client may have locked, and locks that it may wait for, at one server: a session tells them
 * all in one body of a frame. */
export const maxLocksOfClient = 12_000
export const maxLockWaitsOfClient = 12_000
/** A client that waits for locks is answered at the latest after this long, as a call has its deadline. */
export const lockPollMs = 5_000
/** Who was turned away from a mapped file and has not asked again for so long has lost its turn. SQLite, which asks
 * most patiently, sleeps for up to 323 ms. */
export const lockTurnMs = 500

/** Clients that one server remembers at a time. */
export const maxSessions = 10_000

/** Data disk: what the bitmap of free space is made for; more of one disk is left unused. */
export const maxDataDiskBytes = 16 * 1024 * 1024 * MiB
/** Left free on a file system that the data file shares with others, so that a full cluster does not
 * stop the machine (logs, metadata); a sixteenth of it where that is less. */
export const diskReserveBytes = 1024 * MiB
export const diskReserveFraction = 1 / 16
/** With less room than this share of the file system, space that is free in the data file is given back to it: others may
 * need it, above all the metadata. With more it is kept, as to get it again takes time. */
export const shortRoomFraction = 1 / 4
/** Share of the room measured that may be taken before it is measured again: servers on one disk do not know of each other. */
export const roomStepFraction = 1 / 16
/** Free runs that are given back before anybody waits no longer: some 20 ms. */
export const maxReturnsAtATime = 512
/** Kept on a data disk for changes that give back as much as they take: some blocks of the largest size at
 * a time; a sixty-fourth of a small disk. */
export const replacingReserveBytes = 64 * MiB
export const replacingReserveFraction = 1 / 64
/** Changes that may wait for one block: a client has no more in flight than this. */
export const maxBlockChangesQueued = 1024
/** A change waits for the ones before it, and for space that a sync would free, at most this long. */
export const blockChangeDeadlineMs = 10_000
export const spaceDeadlineMs = 5_000
/** Writes that may wait for space at a time; further ones are told at once that there is none. */
export const maxSpaceWaiters = 1024
/** Written data that may gather before the disk is made to take it, so that no sync has to wait long. */
export const earlySyncBytes = 256 * MiB
/** Data written to the page cache that the disk is made to begin with, while more is written. */
export const earlyWriteBytes = 8 * MiB
/** So many times that much is in the page cache of a fast disk for whoever writes to the same chunks next; and ranges of each. */
export const doneGenerations = 4
export const maxDoneRanges = 4096
/**
 * Server: writes to the data disk at a time, as the file system makes them wait for each other, each in one of libuv's four threads;
 * the shortest that goes past the page cache, how many of them do, and how much of each is on its way to the disk at once.
 */
export const maxDeviceWrites = 3
export const directWriteBytes = 256 * KiB
export const directWritesAtOnce = 2
export const directRoomBytes = 1 * MiB
/**
 * When some last ones took longer in the mean for each such part (a disk that turns takes 10 to 20 ms, a fast one 1 to 2, now and
 * then 10 to 15 when processors and memory are short), there are none for a second, and for twice as long each time.
 */
export const directSlowMs = 10
export const directMeanWrites = 16
export const directRestMs = 1_000
export const maxDirectRestMs = 64_000
/** Freed extents that may wait for the index to be synced before the store asks for it. */
export const maxRetiredChanges = 65_536
/** Damaged blocks that are named one by one in the log when a store is opened. */
export const maxDamageLogged = 100

/** FUSE: largest WRITE and READ, the kernel's own bound of 256 pages. */
export const maxFuseDataBytes = 1 * MiB
/** One request: its data and its header; the kernel wants a page more than max_write. */
export const fuseSlotBytes = maxFuseDataBytes + 4 * KiB
/** Requests of the kernel in hand at a time, whatever is lent; beyond it they wait in the kernel. */
export const maxFuseRequests = 128
/** Beside these, writes that were answered and whose data is still to be sent to the servers from where it lies. */
export const maxFuseLent = 64
/** 192 MiB of address space. */
export const maxFuseSlots = maxFuseRequests + maxFuseLent
/** Of the requests in hand, those that no program waits for directly (read-ahead, release). */
export const maxFuseBackground = 64
/** Inodes whose attributes are remembered for programs that still refer to them when they are gone, at some
 * 300 bytes each. */
export const maxLastAttributes = 16_384
/** Directories of which a mount remembers what subdirectories the kernel was told of, and how many of each. */
export const maxToldDirectories = 1_024
export const maxToldInDirectory = 256
/** Directories on one path that other mounts have moved since a thread last came that way. */
export const maxDoubtedNames = 16
/** So much has to be written of a file that the kernel is told of it in a way in which it keeps its pages: that takes two
 * system calls and a request. */
export const keptWriteBytes = 128 * KiB
/** For how long a close waits for that: what holds it up is another request about the same file. */
export const kernelTimesMs = 1_000
/** Within this time a thread whose write was answered has had its turn, mostly. */
export const kernelTurnMs = 100
/** A write that takes longer hangs: nobody waits for its pages any more who wants to know something else of the file. */
export const kernelHangMs = 1_000
/** Notices that may wait for pages of writes at a time: half of those that may wait for anything. */
export const maxDropsBeside = 32
/** So many answers with a new size the kernel does not ignore, each for a write that ended beside it: under writes without a
 * pause it ignores one of seven. */
export const maxIgnoredTellings = 8
/** Invalidations on their way into the kernel. */
export const maxFuseNotices = 1024
/** Of them, those that the kernel is told at a time, each on a thread: of pages and names, which a request may hold that hangs
 * with a server; and of attributes alone, which wait for nobody. */
export const maxPagesNotices = 64
export const maxAttributesNotices = 4
/** How often the kernel is told that attributes are not true any more, while a program that was told them has not had its
 * turn: a second or two. */
export const maxNoticeTries = 20_000
/** Threads of which is remembered what they were told last: more than can be in a check at a time. */
export const maxLastChecks = 1024
/** Directories of which is remembered which thread changed a name there last: of one that is forgotten it asks once more. */
export const maxChangedDirectories = 1024
/** Files and directories that one mount may have open; as many as Linux lets a process have. */
export const maxFuseHandles = 1_048_576
/** Calls of one member that may wait for a newer view at a time. */
export const maxViewWaiters = 16_384
/** A member's own report (disks, counts) is waited for this long; the heartbeat goes without it then. */
export const reportDeadlineMs = 500
/** Slots whose last sequence a server remembers, to save a look-up: some 100 bytes each. */
export const maxRememberedSlots = 65_536
/** Changes of several blocks that ended half way, until they are repeated. */
export const maxHalfDone = 4096
/** Files whose blocks are being purged at a time. */
export const maxPurgesInFlight = 16
/** Files that have gone are gathered so long before their blocks go: one sync of the metadata does for all. */
export const purgeDelayMs = 250
/** Longest pause before what could not be purged is tried again. */
export const purgeRetryLongestMs = 60_000
/** Files purged whose records wait for a sync of other servers, at some 200 bytes each. */
export const maxPurgesUnsettled = 16_384
/** Generations that a server of blocks remembers to be purged, at some 100 bytes each, and for how long: a
 * write of before can still be on its way. */
export const maxPurgedRemembered = 65_536
export const purgedRememberedMs = operationDeadlineMs + callDeadlineMs
/** What was written is on the disk at the latest after this long, also when nobody asks for it. */
export const backgroundSyncIntervalMs = 5_000
/** What a file usually takes of a metadata disk, with its name and what Level needs for both: for statfs. */
export const metaBytesPerFile = 1 * KiB
/** A metadata disk with less free space takes nothing new: deleting must remain possible, for which Level merges tables of
 * several of its buffers; a sixteenth of the disk within these bounds. */
export const metaReserveBytes = 64 * MiB
export const mostMetaReserveBytes = 512 * MiB
export const metaReserveFraction = 1 / 16
/** A store of metadata that takes no more is merged when its disk is full and records were deleted: some seconds of work. */
export const maxCompactedBytes = 1024 * MiB
/** So long after it was merged at the soonest. */
export const compactionIntervalMs = 10_000
/** How often a server looks at the free space of its metadata disk. */
export const diskCheckIntervalMs = 1_000

/** Checking: records that a server looks at for one page, some 10 ms of work that others wait for in parts. */
export const checkPageRecords = 2048
/** Damaged records that one page names. */
export const checkPageDamages = 256
/** Data that a server reads from its disk for one page. */
export const checkPageBytes = 16 * MiB
/** Inodes whose names one request looks for: its body stays far below a frame's. */
export const maxCheckNamesInos = 4096
/** Inodes that a check holds in memory at a time, at some 500 bytes each. */
export const checkBucketInodes = 16_384
/** Files of facts that a check keeps beside memory; with more inodes than these hold, buckets get larger. */
export const maxCheckBuckets = 2048
/** Facts that are gathered before they are written to their file. */
export const checkBufferBytes = 8 * KiB
/** Partitions that a check looks at at a time: so the servers have something else to do as well. */
export const maxCheckedPartitions = 4
/** Examinations on their way at a time. */
export const maxExaminations = 16
/** Pages of a directory that are searched for a name that a finding is told with. */
export const maxPathPages = 256
/** Suspicions that a check follows up in one pass; a cluster with more is worked through pass by pass. */
export const maxSuspicions = 16_384
/** Findings that a check tells one by one; the others it counts. */
export const maxFindingsTold = 10_000
/** Of what was found or done, in words: a reply that is kept has no room for all shards of a directory. */
export const maxCheckDetailCharacters = 300
/** Looks at something that changes all the while, before it is left undecided. */
export const maxCheckLooks = 5
/** Repairs uncover other faults: passes over a cluster before that is given up. */
export const maxCheckPasses = 8
/** A transaction that is still in doubt after so long is stuck: its participants ask every second. */
export const stuckTransactionMs = 15_000

/** Lines that a mount's log has in one period of the errors that its programs get: with a server away they come at any rate. */
export const sparingLogLines = 20
export const sparingLogPeriodMs = 10_000
/** Lines that the log cannot take (its disk is full) are held back for when it can; those beyond are left out. */
export const maxHeldLogBytes = 64 * KiB

/** Kernel read-ahead of a mount: two blocks of the default size, so that one is on its way. */
export const kernelReadAheadBytes = 2 * MiB

/** HTTP, for metrics and the page of status: a scrape now and then, and a few people who look. */
export const maxHttpConnections = 64
export const maxHttpHeaderBytes = 8 * KiB
/** From the first byte of a request to the last, and again for its answer; then the connection is cut. */
export const httpRequestMs = 5_000
/** Servers, and clients, that the page lists one by one; the rest it counts. */
export const maxPageRows = 512

/** Quotas: how far ahead a partition is granted space and files while much of a volume's quota is left, so
 * that few writes and creates wait for its home. */
export const quotaAheadBytes = 64 * MiB
export const quotaAheadFiles = 1024
/** A write of a volume with a quota holds its space for so long at most, and sends no block after half of it:
 * what a client that died had held is free again then. */
export const quotaHoldMs = 60_000
export const quotaWritesMs = quotaHoldMs / 2
/** What `fallocate` holds at a time where there is a quota: it may take longer than a hold lasts. */
export const quotaStepBytes = 64 * MiB
/** A grant that is recalled while it is on its way is asked for again so often. */
export const maxQuotaAsks = 16
/** Partitions that a volume's home talks to at a time. */
export const maxQuotaCallsInFlight = 32
