/**
 * Space of a volume's quota that one call holds while it writes blocks: as much as these may take, or, where
 * there is less left, that; then the blocks are written one after the other and their servers refuse what would
 * take more.
 *
 * 1. It is asked for before the first block is sent, and ends with the commit that tells what was taken.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { chunkBytes, quotaWritesMs } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Context } from './context.ts'

const unitBytes = 4096

export class SpaceHold {
  /** What may be taken still; Infinity where all that can be is held, or there is no quota. */
  left = Number.POSITIVE_INFINITY
  /** No block may be sent after this moment. */
  notAfterMs = Number.POSITIVE_INFINITY
  readonly #context: Context
  readonly #inode: OpenInode
  #id: number | null = null

  constructor(context: Context, inode: OpenInode) {
    this.#context = context
    this.#inode = inode
  }

  /** To be told to the commit; null when nothing is held. */
  get id(): number | null {
    return this.#id
  }

  /** Asks for space, unless it has some, or there is no quota as far as is known. */
  async obtain(bytes: number): Promise<void> {
    if (!this.#inode.limited || this.#id !== null) return
    this.#id = this.#context.holds.next++
    try {
      await this.#hold(bytes, false)
    } catch (error) {
      if (!(error instanceof PosixError && error.code === 'EDQUOT')) throw error
      this.left = await this.#hold(bytes, true)
    }
  }

  /** @throws ClusterError STALE_WRITE when only now it has turned out that there is a quota. */
  checkObtained(): void {
    if (!this.#inode.limited || this.#id !== null) return
    throw new ClusterError('STALE_WRITE', 'the volume has a quota: ask for space first')
  }

  took(bytes: number): void {
    this.left = Math.max(0, this.left - bytes)
  }

  /** A commit has told what was taken, and ended it. */
  spent(): void {
    this.#id = null
  }

  /** Gives back what was not spent. */
  async end(): Promise<void> {
    if (this.#id === null) return
    // What cannot be given back now ends by itself.
    await this.#hold(0, false).catch(() => undefined)
    this.#id = null
  }

  async #hold(bytes: number, most: boolean): Promise<number> {
    const { cluster } = this.#context
    const { ino } = this.#inode
    const id = this.#id
    if (id === null) return 0
    const request = { ino, reach: 0, exclusive: false, hold: { id, bytes, most } }
    const { body, sentMs } = await cluster.mutate('reserve', partitionOfIno(ino), request)
    this.#inode.limited = body.limited === true
    this.notAfterMs = sentMs + quotaWritesMs
    return body.held ?? Number.POSITIVE_INFINITY
  }
}

/** The most that blocks can take when these bytes are written, and inline data moves there. */
export function mostSpaceOf(attributes: Attributes, offset: number, length: number): number {
  const from = Math.floor(offset / chunkBytes) * chunkBytes
  const to = Math.ceil((offset + length) / unitBytes) * unitBytes
  const spilled =
    attributes.reach > 0 ? 0 : Math.ceil(attributes.inlineBytes / unitBytes) * unitBytes
  return to - from + spilled
}

/** Of an append, which begins wherever the file ends by then. */
export function mostSpaceOfAppend(attributes: Attributes, length: number): number {
  return mostSpaceOf(attributes, 0, length + 2 * chunkBytes)
}

/** What is held of a quota for this change, and not spent by it, is given back. */
export async function holdingSpace(
  context: Context,
  inode: OpenInode,
  change: (space: SpaceHold) => Promise<void>,
): Promise<void> {
  const space = new SpaceHold(context, inode)
  try {
    await change(space)
  } finally {
    if (space.id !== null) await space.end()
  }
}
