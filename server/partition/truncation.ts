/**
 * Carrying out the cut that a truncation recorded: until it is done and that is committed, nobody sees or
 * changes the inode: else a crash would have blocks cut again that were written under the new state.
 * A server that ends in between finds the record at its next start and goes on. A cut that fails leaves
 * its record: until another truncation has made up for it, nobody may write blocks of the file.
 *
 * 1. The new size is on the disk before blocks on other servers are cut, and what these have cut is on
 *    theirs before the record goes. So no loss of power leaves the old size with zeros behind the cut, or
 *    bytes behind the new one that come back when the file grows.
 */

import { partitionsOfBlocks } from '../../network/placement/locate.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { cutEverywhere } from '../blocks/cuts.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { decodeInode, encodeInode } from '../metadata/inode.ts'
import { cutKey, inodeKey } from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import { findInode, writeInode } from './inodes.ts'
import type { Partition } from './partition.ts'
import { endOfCut } from './resize.ts'

export class Truncations {
  readonly #peers: Peers
  readonly #partitionCount: number

  constructor(peers: Peers, partitionCount: number) {
    this.#peers = peers
    this.#partitionCount = partitionCount
  }

  /**
   * Takes up a cut that was left undone. What was written since without being committed may go with it: its
   * writers have to find that out, and write again. @throws LockedKey
   * @param client on whose behalf, if on anybody's.
   */
  takeUp(partition: Partition, ino: Ino, client = ''): Promise<void> {
    const { batch } = partition.contextFor(client)
    const inode = findInode(batch, ino)
    if (inode !== undefined) writeInode(batch, { ...inode, cuts: inode.cuts + 1 })
    return this.carryOut(partition, ino, partition.stage(batch))
  }

  /** To be called in the tick in which the record was staged. */
  async carryOut(partition: Partition, ino: Ino, recorded: Promise<void>): Promise<void> {
    const key = inodeKey(partition.id, ino)
    const owner = `cut ${ino}`
    partition.locks.acquire([key], owner)
    try {
      await recorded
      const allocated = await this.#cut(partition, ino)
      const done = { key: cutKey(partition.id, ino), value: null }
      await partition.stageMutations([done, ...withSpace(partition, ino, allocated)])
    } finally {
      partition.locks.release([key], owner)
    }
  }

  /** @returns by how much the file's space has changed, bytes. */
  async #cut(partition: Partition, ino: Ino): Promise<number> {
    const record = partition.store.get(inodeKey(partitionOfIno(ino), ino))
    const size = partition.store.get(cutKey(partition.id, ino))
    if (record === undefined || size === undefined) return 0
    const { generation, reserved, blockBytes } = decodeInode(record)
    const end = endOfCut(size)
    const block = Math.floor(end / blockBytes)
    const offset = end % blockBytes
    const request = { ino, generation, block, offset, reach: reserved }
    const holders = partitionsOfBlocks(request, this.#partitionCount)
    const isElsewhere = holders.some(holder => !this.#peers.shareLog(partition.id, holder))
    if (isElsewhere) await partition.store.sync()
    return await cutEverywhere(this.#peers, partition, holders, request)
  }
}

/** The inode, which nobody else can see meanwhile, with what its blocks take now. */
function* withSpace(partition: Partition, ino: Ino, change: number): Generator<KeyMutation> {
  const key = inodeKey(partition.id, ino)
  const record = partition.store.get(key)
  if (change === 0 || record === undefined) return
  const inode = decodeInode(record)
  const allocated = Math.max(0, inode.allocated + change)
  yield { key, value: encodeInode({ ...inode, allocated }) }
}
