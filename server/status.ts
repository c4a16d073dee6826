/** What a server tells of itself: to its manager with each heartbeat, and to people who ask. */
import { statfsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { metaBytesPerFile } from '../network/limits.ts'
import type { CopyReport, ServerStatusReply, StatfsReply } from '../network/wire/operations.ts'
import type { DiskReport, MemberId, MemberReport } from '../network/wire/view.ts'
import type { BlockStore } from './blocks/contract.ts'
import type { Compaction } from './metadata/compaction.ts'
import { metaReserveOf } from './metadata/reserve.ts'
import type { Partition } from './partition/partition.ts'

export interface StatusInit {
  readonly member: MemberId
  /** Identity of this machine. */
  readonly host: string
  readonly metaDirectory: string
  readonly dataDirectory: string
  readonly blocks: BlockStore
  readonly compaction: Compaction
  readonly partitions: () => Iterable<Partition>
  readonly epochOf: (partition: number) => number
  readonly purgeQueue: () => number
  readonly transactions: () => number
  /** Copies that are being fed from here. */
  readonly copies: () => Iterable<CopyReport>
  /** File data sent and taken so far. */
  readonly traffic: { readonly readBytes: number; readonly writtenBytes: number }
}

export class ServerStatus {
  readonly #init: StatusInit
  #metaIsFull = false

  constructor(init: StatusInit) {
    this.#init = init
  }

  /** As of the last `checkDisks`. */
  get metaIsFull(): boolean {
    return this.#metaIsFull
  }

  async checkDisks(): Promise<void> {
    const { blocks, bavail, bsize } = await statfs(this.#init.metaDirectory)
    this.#metaIsFull = bavail * bsize < metaReserveOf(blocks * bsize)
    if (!this.#metaIsFull) return
    // What was deleted is to make room: data that lies on the same disk, and metadata.
    await Promise.all([this.#init.blocks.statistics(), this.#init.compaction.check()])
  }

  async report(): Promise<MemberReport> {
    let inodes = 0
    let blocks = 0
    for (const { facts } of this.#init.partitions()) {
      inodes += facts.inodes
      blocks += facts.blocks
    }
    const disks = [await this.#metaDisk(), await this.#dataDisk()]
    const { readBytes, writtenBytes } = this.#init.traffic
    const copies = [...this.#init.copies()]
    const fed = copies.length === 0 ? {} : { copies }
    return { disks, inodes, blocks, readBytes, writtenBytes, ...fed }
  }

  /** Some programs ask before each file they make. A file system knows this without its disk, so no other thread is needed. */
  async space(): Promise<StatfsReply> {
    const { host, metaDirectory, dataDirectory, blocks } = this.#init
    const { usedBytes, freeBytes, ownFreeBytes } = await blocks.statistics()
    let files = 0
    for (const { facts } of this.#init.partitions()) files += facts.inodes
    const disk = `${host}:${statSync(dataDirectory).dev}`
    const metaDisk = `${host}:${statSync(metaDirectory).dev}`
    const system = statfsSync(metaDirectory)
    const reserve = metaReserveOf(system.blocks * system.bsize)
    const room = Math.max(0, system.bavail * system.bsize - reserve)
    return {
      disk,
      usedBytes,
      freeBytes,
      ownFreeBytes,
      files,
      metaDisk,
      freeFiles: Math.floor(room / metaBytesPerFile),
    }
  }

  async describe(): Promise<ServerStatusReply> {
    const { member, epochOf, purgeQueue, transactions } = this.#init
    const partitions = [...this.#init.partitions()].map(({ id, facts }) => ({
      partition: id,
      epoch: epochOf(id),
      inodes: facts.inodes,
      blocks: facts.blocks,
      blockBytes: facts.blockBytes,
    }))
    const report = await this.report()
    return {
      member,
      partitions,
      report,
      purgeQueue: purgeQueue(),
      transactions: transactions(),
    }
  }

  async #metaDisk(): Promise<DiskReport> {
    const path = this.#init.metaDirectory
    const { blocks, bavail, bfree, bsize } = await statfs(path)
    const used = (blocks - bfree) * bsize
    const state = this.#metaIsFull ? 'full' : 'ok'
    const totalBytes = blocks * bsize
    return { kind: 'meta', path, totalBytes, freeBytes: bavail * bsize, usedBytes: used, state }
  }

  async #dataDisk(): Promise<DiskReport> {
    const { capacityBytes, freeBytes, usedBytes } = await this.#init.blocks.statistics()
    const path = this.#init.dataDirectory
    const state = freeBytes === 0 ? 'full' : 'ok'
    return { kind: 'data', path, totalBytes: capacityBytes, freeBytes, usedBytes, state }
  }
}
