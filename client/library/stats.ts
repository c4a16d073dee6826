/** Attributes as node:fs shows them: Stats and Dirent. */
import { type DateValue, dateOf } from '../../network/env/date.ts'
import { type Attributes, fileType, statBlocksOf } from '../../network/wire/attributes.ts'

/** What kind of file it is, asked as node:fs asks. */
export class FileKind {
  readonly #type: number

  /** @param mode type bits, and any others. */
  constructor(mode: number) {
    this.#type = mode & fileType.mask
  }

  isFile(): boolean {
    return this.#type === fileType.regular
  }

  isDirectory(): boolean {
    return this.#type === fileType.directory
  }

  isSymbolicLink(): boolean {
    return this.#type === fileType.symlink
  }

  isFIFO(): boolean {
    return this.#type === fileType.fifo
  }

  isSocket(): boolean {
    return this.#type === fileType.socket
  }

  isBlockDevice(): boolean {
    return this.#type === fileType.block
  }

  isCharacterDevice(): boolean {
    return this.#type === fileType.character
  }
}

const nsPerMs = 1e6

/** fs.Stats, and times in nanoseconds beside. There is no birth time: it shows the time of change. */
export class Stats extends FileKind {
  readonly dev = 0
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
  readonly blksize: number
  readonly blocks: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint

  constructor(attributes: Attributes) {
    super(attributes.mode)
    this.ino = attributes.ino
    this.mode = attributes.mode
    this.nlink = attributes.nlink
    this.uid = attributes.uid
    this.gid = attributes.gid
    this.rdev = attributes.rdev
    this.size = attributes.size
    this.blksize = attributes.blockBytes
    this.blocks = statBlocksOf(attributes)
    this.atimeNs = attributes.atimeNs
    this.mtimeNs = attributes.mtimeNs
    this.ctimeNs = attributes.ctimeNs
  }

  get birthtimeNs(): bigint {
    return this.ctimeNs
  }

  get atimeMs(): number {
    return Number(this.atimeNs) / nsPerMs
  }

  get mtimeMs(): number {
    return Number(this.mtimeNs) / nsPerMs
  }

  get ctimeMs(): number {
    return Number(this.ctimeNs) / nsPerMs
  }

  get birthtimeMs(): number {
    return this.ctimeMs
  }

  get atime(): DateValue {
    return dateOf(this.atimeNs)
  }

  get mtime(): DateValue {
    return dateOf(this.mtimeNs)
  }

  get ctime(): DateValue {
    return dateOf(this.ctimeNs)
  }

  get birthtime(): DateValue {
    return this.ctime
  }
}

/** fs.BigIntStats: as Stats, with every number a bigint. */
export class BigIntStats extends FileKind {
  readonly dev = 0n
  readonly ino: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly size: bigint
  readonly blksize: bigint
  readonly blocks: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atime: DateValue
  readonly mtime: DateValue
  readonly ctime: DateValue
  readonly birthtime: DateValue

  constructor(stats: Stats) {
    super(stats.mode)
    this.ino = BigInt(stats.ino)
    this.mode = BigInt(stats.mode)
    this.nlink = BigInt(stats.nlink)
    this.uid = BigInt(stats.uid)
    this.gid = BigInt(stats.gid)
    this.rdev = BigInt(stats.rdev)
    this.size = BigInt(stats.size)
    this.blksize = BigInt(stats.blksize)
    this.blocks = BigInt(stats.blocks)
    this.atimeNs = stats.atimeNs
    this.mtimeNs = stats.mtimeNs
    this.ctimeNs = stats.ctimeNs
    this.birthtimeNs = stats.birthtimeNs
    this.atimeMs = stats.atimeNs / BigInt(nsPerMs)
    this.mtimeMs = stats.mtimeNs / BigInt(nsPerMs)
    this.ctimeMs = stats.ctimeNs / BigInt(nsPerMs)
    this.birthtimeMs = this.ctimeMs
    this.atime = stats.atime
    this.mtime = stats.mtime
    this.ctime = stats.ctime
    this.birthtime = stats.birthtime
  }
}

export interface StatOptions {
  readonly bigint?: boolean | undefined
}

export function statsOf(attributes: Attributes, options?: StatOptions | null): Stats | BigIntStats {
  const stats = new Stats(attributes)
  return options?.bigint === true ? new BigIntStats(stats) : stats
}

export class Dirent<N extends string | Buffer = string> extends FileKind {
  readonly name: N
  /** The directory as it was asked for. */
  readonly parentPath: string

  constructor(name: N, parentPath: string, type: number) {
    super(type)
    this.name = name
    this.parentPath = parentPath
  }
}
