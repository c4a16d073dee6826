/**
 * What this client knows of the inodes it holds open.
 *
 * 1. Attributes only ever move to a higher `change`, unless a server lost what was written last.
 * 2. Inline data is kept only together with the attributes that it belongs to.
 * 3. That blocks changed is told to the inode's server, and once what they took of the servers' disks: by the
 *    commit that comes next, also when the write that they were for failed.
 */
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { BehindState } from './behind-state.ts'
import { FetchedBlocks } from './read-ahead.ts'
import { Turns } from './turns.ts'

interface Untold {
  readonly generation: number
  readonly bytes: number
}

const nothingUntold: Untold = { generation: 0, bytes: 0 }

export class OpenInode {
  readonly ino: Ino
  readonly turns = new Turns()
  readonly fetched = new FetchedBlocks()
  readonly behind = new BehindState()
  handles = 0
  /** Its server, which had not heard of this client for too long, has removed it. */
  gone = false
  /** How often something that was written to it may have been lost. */
  losses = 0
  /** Its volume has a quota, as was heard last. */
  limited = false
  #attributes: Attributes
  /** Its server may have gone back to an earlier state. */
  #outdated = false
  #inline: Uint8Array | null = null
  #untold: Untold = nothingUntold

  constructor(attributes: Attributes) {
    this.ino = attributes.ino
    this.#attributes = attributes
  }

  get attributes(): Attributes {
    return this.#attributes
  }

  /** Told with a write: a file that is written to again and again is to be written behind, if it may be. */
  get asksBehind(): { readonly behind?: true } {
    return this.behind.writesThrough > 1 && !this.limited ? { behind: true } : {}
  }

  /** The whole file, if it is known and small. */
  get inline(): Uint8Array | null {
    return this.#inline
  }

  /** Its data lies in blocks, not beside the inode. */
  get inBlocks(): boolean {
    return this.#attributes.reach > 0
  }

  /** Blocks of this generation changed, and took so many bytes more, or less. */
  tookSpace(generation: number, bytes: number): void {
    if (this.#untold.generation > generation) return
    const before = this.#untold.generation === generation ? this.#untold.bytes : 0
    this.#untold = { generation, bytes: before + bytes }
  }

  /** Whether blocks of this generation changed without a commit since. */
  hasUntold(generation: number): boolean {
    return this.#untold !== nothingUntold && this.#untold.generation === generation
  }

  /** What a commit is to tell of blocks of this generation; to be given back when it fails. */
  takeUntold(generation: number): number {
    if (this.#untold.generation !== generation) return 0
    const { bytes } = this.#untold
    this.#untold = nothingUntold
    return bytes
  }

  /** What was written since its last fsync may be gone: each open file of it is to be told. */
  lose(): void {
    this.losses++
    this.#outdated = true
    this.#inline = null
  }

  learn(attributes: Attributes): void {
    if (this.#outdated) {
      this.#outdated = false
      this.#attributes = attributes
      this.#inline = null
      return
    }
    const known = this.#attributes
    if (attributes.change < known.change) return
    if (attributes.change === known.change) {
      this.#advance(attributes)
      return
    }
    this.#attributes = attributes
    this.#inline = null
  }

  /**
   * A reservation raises `reach`, a cut that was carried out gives back space, and a read moves the access
   * time: no changes of the file.
   */
  #advance(attributes: Attributes): void {
    const known = this.#attributes
    const reach = Math.max(attributes.reach, known.reach)
    let { atimeNs } = known
    if (attributes.atimeNs > atimeNs) atimeNs = attributes.atimeNs
    const same = reach === known.reach && atimeNs === known.atimeNs
    if (same && attributes.allocated === known.allocated) return
    this.#attributes = { ...attributes, reach, atimeNs }
  }

  /** @param data may be shorter than the file: the rest is zeros. */
  learnInline(attributes: Attributes, data: Uint8Array): void {
    this.learn(attributes)
    if (attributes.change === this.#attributes.change) this.#inline = data
  }
}

export class OpenInodes {
  readonly #inodes = new Map<Ino, OpenInode>()

  acquire(attributes: Attributes): OpenInode {
    let inode = this.#inodes.get(attributes.ino)
    if (inode === undefined) {
      inode = new OpenInode(attributes)
      this.#inodes.set(attributes.ino, inode)
    } else {
      inode.learn(attributes)
    }
    inode.handles++
    return inode
  }

  get(ino: Ino): OpenInode | undefined {
    return this.#inodes.get(ino)
  }

  release(inode: OpenInode): void {
    inode.handles--
    if (inode.handles === 0 && this.#inodes.get(inode.ino) === inode) {
      this.#inodes.delete(inode.ino)
    }
  }

  /** The freshest of what is said now and what is known. */
  learn(attributes: Attributes): Attributes {
    const inode = this.#inodes.get(attributes.ino)
    if (inode === undefined) return attributes
    inode.learn(attributes)
    return inode.attributes
  }

  /** The inode's server said that there is no such inode. */
  wentAway(inode: OpenInode): void {
    inode.gone = true
    if (this.#inodes.get(inode.ino) === inode) this.#inodes.delete(inode.ino)
  }
}
