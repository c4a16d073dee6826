/** One inode of MemoryFileSystem: attributes, and either data, entries or a target. */
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { SetAttributes } from '../fs/contract.ts'

const blockBytes = 1024 * 1024
const zeros = new Uint8Array(blockBytes)
const setuid = 0o4000
const setgid = 0o2000
const groupExecute = 0o010

export class MemoryInode {
  readonly ino: Ino
  readonly entries = new Map<string, { readonly ino: Ino; readonly cookie: number }>()
  readonly xattrs = new Map<string, Uint8Array>()
  mode: number
  /** Of a directory: the one that holds it. */
  parent: Ino = 0
  nlink = 1
  opens = 0
  size = 0
  target: Uint8Array | null = null
  readonly #rdev: number
  #uid: number
  #gid: number
  #atimeNs: bigint
  #mtimeNs: bigint
  #ctimeNs: bigint
  #changes = 1
  readonly #blocks = new Map<number, Uint8Array>()
  #nextCookie = 16

  constructor(
    ino: Ino,
    is: {
      readonly mode: number
      readonly rdev: number
      readonly uid: number
      readonly gid: number
    },
    nowNs: bigint,
  ) {
    this.ino = ino
    this.mode = is.mode
    this.#rdev = is.rdev
    this.#uid = is.uid
    this.#gid = is.gid
    this.#atimeNs = nowNs
    this.#mtimeNs = nowNs
    this.#ctimeNs = nowNs
  }

  attributes(): Attributes {
    return {
      ino: this.ino,
      mode: this.mode,
      nlink: this.nlink,
      uid: this.#uid,
      gid: this.#gid,
      rdev: this.#rdev,
      size: this.target?.length ?? this.size + this.entries.size,
      atimeNs: this.#atimeNs,
      mtimeNs: this.#mtimeNs,
      ctimeNs: this.#ctimeNs,
      change: this.#changes,
      generation: 0,
      cuts: 0,
      reach: 0,
      blockBytes,
      inlineBytes: 0,
      xattrFlags: 0,
      allocated: this.#blocks.size * blockBytes,
    }
  }

  change(changes: SetAttributes, nowNs: bigint): void {
    const { mode, uid, gid, size, atimeNs, mtimeNs } = changes
    if (mode !== undefined) this.mode = (this.mode & ~0o7777) | mode
    if (uid !== undefined) this.#uid = uid
    if (gid !== undefined) this.#gid = gid
    if (size !== undefined) this.#truncate(size, nowNs)
    if (atimeNs !== undefined) this.#atimeNs = atimeNs === 'now' ? nowNs : atimeNs
    if (mtimeNs !== undefined) this.#mtimeNs = mtimeNs === 'now' ? nowNs : mtimeNs
    if (changes.killPrivileges === true) this.killPrivileges()
    this.touch(nowNs)
  }

  touch(nowNs: bigint): void {
    this.#ctimeNs = nowNs
    this.#changes += 1
  }

  killPrivileges(): void {
    this.mode &= (this.mode & groupExecute) === 0 ? ~setuid : ~(setuid | setgid)
  }

  add(name: string, ino: Ino, nowNs: bigint): void {
    this.entries.set(name, { ino, cookie: this.#nextCookie })
    this.#nextCookie += 1
    this.#mtimeNs = nowNs
    this.touch(nowNs)
  }

  remove(name: string, nowNs: bigint): void {
    this.entries.delete(name)
    this.#mtimeNs = nowNs
    this.touch(nowNs)
  }

  /** Up to `length` bytes in pieces, one for each block; views, not copies. */
  read(offset: number, length: number): readonly Uint8Array[] {
    const end = Math.min(this.size, offset + length)
    const pieces: Uint8Array[] = []
    for (let at = offset; at < end; ) {
      const from = at % blockBytes
      const to = Math.min(blockBytes, from + end - at)
      pieces.push((this.#blocks.get(Math.floor(at / blockBytes)) ?? zeros).subarray(from, to))
      at += to - from
    }
    return pieces
  }

  write(offset: number, data: Uint8Array, nowNs: bigint): void {
    const end = offset + data.length
    for (let at = offset; at < end; ) {
      const from = at % blockBytes
      const to = Math.min(blockBytes, from + end - at)
      const start = at - offset
      this.#block(Math.floor(at / blockBytes)).set(data.subarray(start, start + to - from), from)
      at += to - from
    }
    this.size = Math.max(this.size, end)
    this.#mtimeNs = nowNs
    this.touch(nowNs)
  }

  /** Bytes `from` to `to - 1`. */
  zero(from: number, to: number, nowNs: bigint): void {
    if (to > from) this.write(from, new Uint8Array(to - from), nowNs)
  }

  #truncate(size: number, nowNs: bigint): void {
    const kept = Math.floor(size / blockBytes)
    for (const block of this.#blocks.keys()) {
      if (block > kept) this.#blocks.delete(block)
    }
    this.#blocks.get(kept)?.fill(0, size % blockBytes)
    this.size = size
    this.#mtimeNs = nowNs
  }

  #block(index: number): Uint8Array {
    let block = this.#blocks.get(index)
    if (block === undefined) {
      block = new Uint8Array(blockBytes)
      this.#blocks.set(index, block)
    }
    return block
  }
}
