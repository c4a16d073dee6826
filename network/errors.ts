/**
 * The two kinds of error that Rookery raises on purpose, and the one table that turns a POSIX code
 * into the number that the kernel knows.
 */

/** Codes a program may see, with their Linux numbers (asm-generic/errno-base.h and errno.h). */
export const errnoByCode = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ESTALE: 116,
  EDQUOT: 122,
} as const

export type PosixCode = keyof typeof errnoByCode

/** What the members of a cluster say to each other; a program never sees one of these. */
export const clusterCodes = [
  'STALE_EPOCH',
  'NOT_PRIMARY',
  'NOT_LEADER',
  'STALE_WRITE',
  'STALE_SLOT',
  'CONFLICT',
  'MISPLACED',
  'SESSION_EXPIRED',
  'REMOVED',
  'VERSION_MISMATCH',
  'WRONG_CLUSTER',
  'NOT_ADMITTED',
  'BAD_TOKEN',
  'UNKNOWN_OPERATION',
  'MALFORMED',
  'OVERSIZE',
  'CHECKSUM',
  'UNFETCHED',
  'OVERLOADED',
  'TIMEOUT',
  'CANCELLED',
  'CLOSED',
  'UNREACHABLE',
  'NOT_READY',
  'ABSENT',
  'FOREIGN_DIRECTORY',
  'NEWER_FORMAT',
  'IN_USE',
  'BAD_ADDRESS',
  'DISK',
  'INTERNAL',
] as const

export type ClusterCode = (typeof clusterCodes)[number]

/** An error that a program sees, at the call or at `fsync`/`close`. */
export class PosixError extends Error {
  override readonly name = 'PosixError'
  readonly code: PosixCode

  constructor(code: PosixCode, message?: string, options?: ErrorOptions) {
    // ENOENT and the like are answers, and come by the thousand: a stack costs more than all else about one.
    const { stackTraceLimit } = Error
    if (code !== 'EIO') Error.stackTraceLimit = 0
    super(message === undefined ? code : `${code}: ${message}`, options)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
  }

  /** The positive Linux error number. */
  get errno(): number {
    return errnoByCode[this.code]
  }
}

export interface ClusterErrorOptions extends ErrorOptions {
  /** Addresses at which to ask instead. */
  readonly instead?: readonly string[]
}

/** An error between members, or in a member's own house: routing, framing, disks, formats. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError'
  readonly code: ClusterCode
  readonly #instead: readonly string[]

  constructor(code: ClusterCode, message: string, options: ClusterErrorOptions = {}) {
    const { instead = [], ...rest } = options
    super(`${code}: ${message}`, rest)
    this.code = code
    this.#instead = instead
  }

  /** Of NOT_LEADER: addresses of the manager that leads, as far as is known. */
  get instead(): readonly string[] {
    return this.#instead
  }
}

/** What a program is told when the cluster failed: the POSIX code of any error. */
export function posixCodeOf(error: unknown): PosixCode {
  if (error instanceof PosixError) return error.code
  if (error instanceof ClusterError && error.code === 'CANCELLED') return 'EINTR'
  return 'EIO'
}

export function isPosixCode(code: string): code is PosixCode {
  return Object.hasOwn(errnoByCode, code)
}

export function isClusterCode(code: string): code is ClusterCode {
  return (clusterCodes as readonly string[]).includes(code)
}
