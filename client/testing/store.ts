/**
 * The truth behind the servers of servers.ts: inodes, entries, inline data and blocks in Maps, with the
 * rules of the wire contract and nothing of disks, transactions or replication.
 */
import { PosixError } from '../../network/errors.ts'
import { defaultBlockBytes, defaultInlineBytes } from '../../network/limits.ts'
import {
  type Attributes,
  fileType,
  isDirectory,
  newAttributes,
} from '../../network/wire/attributes.ts'
import { checksumBytes, writeChecksum } from '../../network/wire/checksum.ts'
import { clusterRootIno, firstSequence, type Ino, makeIno } from '../../network/wire/ids.ts'
import type { BlockRequest, Name } from '../../network/wire/operations.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export interface StoredInode {
  readonly attributes: Mutable<Attributes>
  /** Name as Latin-1 → ino. */
  readonly entries: Map<string, Ino>
  readonly xattrs: Map<string, Uint8Array>
  target: Uint8Array
  data: Uint8Array
  reserved: number
}

export class Store {
  readonly inodes = new Map<Ino, StoredInode>()
  readonly blocks = new Map<string, Uint8Array>()
  #sequence = firstSequence
  #timeNs = 1_700_000_000_000_000_000n

  constructor() {
    this.add(clusterRootIno, fileType.directory | 0o755, {
      blockBytes: defaultBlockBytes,
      inlineBytes: defaultInlineBytes,
    })
  }

  get nowNs(): bigint {
    this.#timeNs += 1000n
    return this.#timeNs
  }

  newIno(partition: number): Ino {
    return makeIno(partition, this.#sequence++)
  }

  add(
    ino: Ino,
    mode: number,
    settings: { readonly blockBytes: number; readonly inlineBytes: number },
  ): StoredInode {
    const none = new Uint8Array(0)
    const made = { ino, mode, umask: 0, uid: 0, gid: 0, rdev: 0, target: none, nowNs: this.nowNs }
    const attributes = newAttributes({ mode: 0, gid: 0, ...settings }, made, false)
    const inode = {
      attributes,
      entries: new Map(),
      xattrs: new Map(),
      target: none,
      data: none,
      reserved: 0,
    }
    this.inodes.set(ino, inode)
    return inode
  }

  /** @throws PosixError ESTALE */
  get(ino: Ino): StoredInode {
    const inode = this.inodes.get(ino)
    if (inode === undefined) throw new PosixError('ESTALE')
    return inode
  }

  directory(ino: Ino): StoredInode {
    const inode = this.get(ino)
    if (!isDirectory(inode.attributes.mode)) throw new PosixError('ENOTDIR')
    return inode
  }

  child(parent: Ino, name: Name): Ino {
    const ino = this.directory(parent).entries.get(keyOf(name))
    if (ino === undefined) throw new PosixError('ENOENT')
    return ino
  }

  changed(inode: StoredInode): Attributes {
    inode.attributes.change++
    inode.attributes.ctimeNs = this.nowNs
    inode.attributes.mtimeNs = this.nowNs
    return { ...inode.attributes }
  }

  resize(inode: StoredInode, size: number): void {
    const { attributes } = inode
    if (size < attributes.size) {
      attributes.cuts++
      inode.data = inode.data.subarray(0, size)
      if (size === 0 || attributes.reach === 0) this.#dropBlocks(inode)
      else this.#cut(inode, size)
    }
    attributes.size = size
  }

  blockKey({ ino, generation, block }: BlockRequest): string {
    return `${ino}.${generation}.${block}`
  }

  #cut({ attributes }: StoredInode, size: number): void {
    const { ino, generation, reach, blockBytes } = attributes
    for (let block = Math.floor(size / blockBytes); block < reach; block++) {
      const key = this.blockKey({ ino, generation, block })
      const left = size - block * blockBytes
      if (left <= 0) this.blocks.delete(key)
      else this.blocks.get(key)?.fill(0, left)
    }
  }

  #dropBlocks(inode: StoredInode): void {
    if (inode.reserved === 0) return
    inode.reserved = 0
    inode.attributes.reach = 0
    inode.attributes.generation++
  }
}

/** Names are bytes; Latin-1 keeps each as one character. */
export function keyOf(name: Name): string {
  return Buffer.from(name).toString('latin1')
}

export function checksumOf(data: Uint8Array): Uint8Array {
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, [data])
  return checksum
}
