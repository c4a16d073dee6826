/** Numbers of the FUSE protocol (uapi linux/fuse.h, 7.31 and up): only those that are used here. */

export const opcode = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  getlk: 31,
  setlk: 32,
  setlkw: 33,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
  tmpfile: 51,
} as const

export type OperationLabel = keyof typeof opcode

/** Opcodes below this one are looked up in a table. */
export const opcodeLimit = 64

export const protocolMajor = 7
/** The oldest minor version whose structures are the ones read here, and the newest we know. */
export const oldestMinor = 31
export const newestMinor = 38

/** The node id of the directory at the top of a mount. */
export const rootNode = 1
/** A node id is 64 bits: an inode number takes 53 of them, what is above tells its aliases apart. */
export const inoHighLimit = 2 ** 21
export const aliasLimit = 2 ** 11

/** Flags of INIT, in the first word. */
export const initFlag = {
  asyncRead: 1 << 0,
  posixLocks: 1 << 1,
  atomicTruncate: 1 << 3,
  bigWrites: 1 << 5,
  dontMask: 1 << 6,
  flockLocks: 1 << 10,
  autoInvalidateData: 1 << 12,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirect: 1 << 15,
  parallelDirops: 1 << 18,
  posixAcl: 1 << 20,
  abortError: 1 << 21,
  maxPages: 1 << 22,
  handleKillPrivilegesV2: 1 << 28,
  extendedSetxattr: 1 << 29,
  /** There is a second word of flags: `initFlag2`. */
  extended: 1 << 30,
} as const

/** Flags of INIT above bit 31, in the second word. */
export const initFlag2 = { directIoAllowMmap: 1 << 4 } as const

export const setattrFlag = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  handle: 1 << 6,
  atimeNow: 1 << 7,
  mtimeNow: 1 << 8,
  ctime: 1 << 10,
  killSuidgid: 1 << 11,
} as const

/** Flags of a reply to OPEN and CREATE. */
export const openReplyFlag = { directIo: 1 << 0, keepCache: 1 << 1, noFlush: 1 << 5 } as const
/** FUSE_OPEN_KILL_SUIDGID, with OPEN and CREATE that truncate. */
export const openKillSuidgid = 1 << 0

/** FUSE_LK_FLOCK, in lk_flags of the requests about locks. */
export const lockIsFlock = 1 << 0

export const writeFlag = { cache: 1 << 0, killSuidgid: 1 << 2 } as const

/** FUSE_SETXATTR_ACL_KILL_SGID: who sets the ACL is no member of the inode's group. */
export const setxattrKillSetgid = 1 << 0

/** Flags of open(2), as this kernel has them on x86 and arm64. */
export const openFlag = {
  accessMode: 0o3,
  writeOnly: 0o1,
  readWrite: 2,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  /** O_DSYNC, which is a part of O_SYNC. */
  dataSync: 0o10000,
  direct: 0o40000,
  /** O_NOATIME: reading leaves the access time alone. */
  quiet: 0o1000000,
} as const

/** Modes of fallocate(2) (linux/falloc.h). */
export const fallocateMode = { keepSize: 1, punchHole: 2, zeroRange: 0x10 } as const
/** Of lseek(2); the kernel does the others itself. */
export const whence = { data: 3, hole: 4 } as const

export const notice = { invalidateInode: 2, invalidateEntry: 3 } as const

/** Sizes of structures, bytes. */
export const inHeaderBytes = 40
export const outHeaderBytes = 16
export const attributesBytes = 88
export const entryBytes = 128
export const openReplyBytes = 16
export const initReplyBytes = 64
export const lockReplyBytes = 24
