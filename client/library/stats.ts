/** Attributes as node:fs shows them: Stats and Dirent. */
import { type DateValue, dateOf } from '../../network/env/date.ts'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'

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

/** Linux counts them in 512 bytes, whatever the block size. */
const statBlockBytes = 512
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
    this.blocks = Math.ceil(attributes.size / statBlockBytes)
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

export class Dirent extends FileKind {
  readonly name: string
  /** The directory as it was asked for. */
  readonly parentPath: string

  constructor(name: string, parentPath: string, type: number) {
    super(type)
    this.name = name
    this.parentPath = parentPath
  }
}
