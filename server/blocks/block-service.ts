/** Blocks as clients and other servers ask for them: each change is committed with its slot. */
import assert from 'node:assert/strict'
import type { Env } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxBlockBytes, maxHalfDone, purgeBatchBlocks } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { packRanges, unpackRanges } from '../../network/wire/block-ranges.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type {
  AllocateBlockRequest,
  BlockName,
  CopyBlockRequest,
  CutBlocksRequest,
  DataFile,
  Mutation,
  PunchBlocksRequest,
  ReadBlockRequest,
  SeekBlocksReply,
  SeekBlocksRequest,
  SpaceReply,
  WriteBlockRequest,
} from '../../network/wire/operations.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import { noPayload } from '../partition/operation.ts'
import type { Partition } from '../partition/partition.ts'
import type { ShippedBlock } from '../partition/partition-store.ts'
import type { Keep } from '../partition/slots.ts'
import type { BlockKey, BlockRange, BlockStore, StagedBlock } from './contract.ts'
import type { CopiedRun, CopySources } from './copying.ts'
import { blockKeyOf, blocksBetween, parseBlockKey } from './index.ts'
import { PurgedGenerations } from './purged-generations.ts'

interface Spaced {
  readonly body: SpaceReply
  readonly payload: readonly Uint8Array[]
}

/** A change that can be begun, and what tells other copies to make the same. */
interface Changing {
  readonly begin: () => Promise<StagedBlock | null>
  readonly shipped: ShippedBlock
}

/** What a change of several blocks has changed of their space, bytes. */
interface SoFar {
  readonly sequence: number
  allocated: number
}

type IsWanted = () => boolean

const noChecksums = new Uint8Array(0)
const always: IsWanted = () => true

export class BlockService {
  /** Bytes that others asked for, or were told the place of, and brought since the start. */
  readBytes = 0
  writtenBytes = 0
  readonly #blocks: BlockStore
  readonly #purged: PurgedGenerations
  readonly #sources: CopySources
  /** By slot, what changes that ended half way had changed by then: who repeats one is told of all of it. */
  readonly #halfDone = new RecentMap<Key, SoFar>(maxHalfDone)
  /** Of partitions whose files had blocks cut here, the latest epoch in which they asked. */
  readonly #cutIn = new Map<number, number>()

  constructor(env: Env, blocks: BlockStore, sources: CopySources) {
    this.#blocks = blocks
    this.#sources = sources
    this.#purged = new PurgedGenerations(env)
  }

  /** Where clients on this machine may read blocks themselves. */
  get file(): DataFile | undefined {
    return this.#blocks.file
  }

  async read(partition: Partition, request: ReadBlockRequest): Promise<Reply<'readBlock'>> {
    const key = keyOf(partition, request)
    const { offset, length } = request
    checkRange(offset, length)
    const staged = partition.store.isStaged(blockKeyOf(key)) ? partition.store.settled() : null
    // It may fail while the disk is read, or that may: then nobody waits for it.
    staged?.catch(() => undefined)
    const placed = request.local === true ? this.#blocks.place(key, offset, length) : null
    if (placed !== null) {
      await staged
      this.readBytes += length
      return { body: { present: true, ...placed }, payload: noPayload }
    }
    const data = await this.#blocks.read(key, offset, length)
    await staged
    if (data === null)
      return { body: { present: false, checksums: noChecksums }, payload: noPayload }
    this.readBytes += bytesOf(data.pieces)
    return { body: { present: true, checksums: data.checksums }, payload: data.pieces }
  }

  /** Writes of one block are done in the order in which they are begun here. */
  async write(
    partition: Partition,
    request: WriteBlockRequest,
    payload: readonly Uint8Array[],
    keep: Keep<'writeBlock'>,
    isWanted: IsWanted = always,
  ): Promise<Reply<'writeBlock'>> {
    assertWanted(isWanted)
    const { checksums, mayTake } = request
    const ranges = unpackRanges(request.ranges)
    const key = keyOf(partition, request)
    const changing = this.#writing(key, ranges, payload, checksums)
    const reply = await this.#make(partition, key, keep, changing, mayTake)
    this.writtenBytes += bytesOf(payload)
    return reply
  }

  #writing(
    key: BlockKey,
    ranges: readonly BlockRange[],
    data: readonly Uint8Array[],
    checksums: Uint8Array,
  ): Changing {
    const change = { kind: 'write', ...nameOf(key), ranges: packRanges(ranges), checksums } as const
    return {
      begin: () => this.#blocks.write(key, ranges, data, checksums),
      shipped: { change, data },
    }
  }

  #cutting(key: BlockKey, offset: number): Changing {
    return {
      begin: () => this.#blocks.cut(key, offset),
      shipped: { change: { kind: 'cut', ...nameOf(key), offset }, data: noPayload },
    }
  }

  #punching(key: BlockKey, range: BlockRange): Changing {
    return {
      begin: () => this.#blocks.punch(key, range),
      shipped: { change: { kind: 'punch', ...nameOf(key), ...range }, data: noPayload },
    }
  }

  /** @throws ClusterError when blocks of this generation are being purged, also meanwhile. */
  async #unpurged(key: BlockKey, { begin }: Changing): Promise<StagedBlock | null> {
    this.#purged.check(key)
    const change = await begin()
    try {
      this.#purged.check(key)
      return change
    } catch (error) {
      change?.abandoned()
      throw error
    }
  }

  /** A change that may make a block, unless blocks of its generation are being purged. */
  async #make(
    partition: Partition,
    key: BlockKey,
    keep: (reply: Spaced) => KeyMutation,
    changing: Changing,
    mayTake?: number,
  ): Promise<Spaced> {
    const change = await this.#unpurged(key, changing)
    if (change !== null && mayTake !== undefined && change.spaceDelta > mayTake) {
      change.abandoned()
      throw new PosixError('EDQUOT', 'the volume has no more left of its quota')
    }
    const reply = spaceReply(change?.spaceDelta ?? 0)
    if (change === null) await partition.stageMutations([keep(reply)])
    else await stage(partition, change, changing.shipped, [keep(reply)])
    return reply
  }

  /**
   * Cuts what this partition holds of the blocks named. Repeating it changes nothing, and is answered when
   * what an earlier attempt cut is committed.
   */
  async cut(partition: Partition, request: CutBlocksRequest): Promise<Spaced> {
    const { block, offset, reach } = request
    const range = blocksBetween(keyOf(partition, request), reach)
    if (request.purge) this.#purged.add(request)
    this.#checkEpoch(request)
    const soFar = { sequence: 0, allocated: 0 }
    await this.#changeEach(partition, range, soFar, found => {
      this.#checkEpoch(request)
      return found.block >= reach ? null : this.#cutting(found, found.block === block ? offset : 0)
    })
    partition.store.assertOpen()
    await (request.durable ? partition.store.sync() : partition.store.settled())
    return spaceReply(soFar.allocated)
  }

  /** @throws ClusterError STALE_EPOCH when a later server of the file has asked for a cut. */
  #checkEpoch({ ino, epoch }: CutBlocksRequest): void {
    if (epoch === undefined) return
    const home = partitionOfIno(ino)
    const latest = this.#cutIn.get(home) ?? 0
    if (epoch < latest) {
      throw new ClusterError('STALE_EPOCH', `partition ${home} is in epoch ${latest} by now`)
    }
    this.#cutIn.set(home, epoch)
  }

  /** Punches what this partition holds of the range. A repeat of what was cut short does the rest. */
  async punch(
    partition: Partition,
    request: PunchBlocksRequest,
    keep: Keep<'punchBlocks'>,
    isWanted: IsWanted = always,
  ): Promise<Reply<'punchBlocks'>> {
    const { block, offset, endBlock, endOffset } = request
    const range = blocksBetween(keyOf(partition, request), endBlock + 1)
    checkRange(offset, 0)
    checkRange(endOffset, 0)
    const { key: slot } = keep(spaceReply(0))
    return await this.#goingOn(slot, request, async soFar => {
      await this.#changeEach(partition, range, soFar, found => {
        assertWanted(isWanted)
        if (found.block > endBlock) return null
        const from = found.block === block ? offset : 0
        const to = found.block === endBlock ? endOffset : maxBlockBytes
        return to <= from ? null : this.#punching(found, { offset: from, length: to - from })
      })
      const reply = spaceReply(soFar.allocated)
      await partition.stageMutations([keep(reply)])
      return reply
    })
  }

  async allocate(
    partition: Partition,
    request: AllocateBlockRequest,
    keep: Keep<'allocateBlock'>,
    isWanted: IsWanted = always,
  ): Promise<Reply<'allocateBlock'>> {
    assertWanted(isWanted)
    const { offset, length, zero, mayTake } = request
    checkRange(offset, length)
    const key = keyOf(partition, request)
    const zeroes = zero === true
    const changing: Changing = {
      begin: () => this.#blocks.allocate(key, { offset, length }, zeroes),
      shipped: {
        change: { kind: 'allocate', ...nameOf(key), offset, length, zero: zeroes },
        data: noPayload,
      },
    }
    return await this.#make(partition, key, keep, changing, mayTake)
  }

  /** Takes bytes of another block, from its server or this one, or a hole where there is no such block. */
  async copy(
    partition: Partition,
    request: CopyBlockRequest,
    keep: Keep<'copyBlock'>,
    isWanted: IsWanted = always,
  ): Promise<Reply<'copyBlock'>> {
    const { offset, length, sourceOffset } = request
    const { sourceIno: ino, sourceGeneration: generation, sourceBlock: block } = request
    const target = keyOf(partition, request)
    keyOf(partition, { ino, generation, block })
    checkRange(offset, length)
    checkRange(sourceOffset, length)
    if (length === 0) throw new ClusterError('MALFORMED', 'a copy of no bytes')
    const { present, runs } = await this.#sources.read(request)
    assertWanted(isWanted)
    const last = runs.at(-1)
    assert(last)
    const replyOf = (allocated: number) => ({ body: { allocated, present }, payload: noPayload })
    return await this.#goingOn(keep(replyOf(0)).key, request, async soFar => {
      for (const run of runs.slice(0, -1)) {
        assertWanted(isWanted)
        const changing = this.#copyRun(target, run)
        const change = await this.#unpurged(target, changing)
        if (change === null) continue
        soFar.allocated += change.spaceDelta
        await stage(partition, change, changing.shipped, [])
      }
      assertWanted(isWanted)
      const all = ({ body }: Spaced) => replyOf(soFar.allocated + body.allocated)
      const keepAll = (reply: Spaced) => keep(all(reply))
      return all(await this.#make(partition, target, keepAll, this.#copyRun(target, last)))
    })
  }

  #copyRun(target: BlockKey, { offset, length, data }: CopiedRun): Changing {
    return data === null
      ? this.#punching(target, { offset, length })
      : this.#writing(target, [{ offset, length }], data.pieces, data.checksums)
  }

  async seek(partition: Partition, request: SeekBlocksRequest): Promise<Reply<'seekBlocks'>> {
    const found = await this.#seek(partition, request)
    await partition.store.settled()
    // A copy that is being deleted has holes where there is data.
    partition.store.assertOpen()
    return { body: found, payload: noPayload }
  }

  async #seek(partition: Partition, request: SeekBlocksRequest): Promise<SeekBlocksReply> {
    const { block, offset, reach } = request
    const first = keyOf(partition, request)
    checkRange(offset, 0)
    if (request.hole) return { block, offset: this.#blocks.seek(first, offset, 'hole') }
    const [from, to] = blocksBetween(first, reach)
    for await (const [key] of partition.store.range(from, to)) {
      const found = parseBlockKey(key)
      if (found.block >= reach) break
      const at = this.#blocks.seek(found, found.block === block ? offset : 0, 'data')
      if (at >= 0) return { block: found.block, offset: at }
    }
    return { block: -1, offset: 0 }
  }

  /** Runs a change of several blocks, or the rest of one of this slot that ended half way. */
  async #goingOn<T>(
    slot: Key,
    { sequence }: Mutation,
    change: (soFar: SoFar) => Promise<T>,
  ): Promise<T> {
    const before = this.#halfDone.get(slot)
    const soFar = before?.sequence === sequence ? before : { sequence, allocated: 0 }
    try {
      const result = await change(soFar)
      if (before !== undefined) this.#halfDone.delete(slot)
      return result
    } catch (error) {
      if (soFar.allocated !== 0) this.#halfDone.set(slot, soFar)
      throw error
    }
  }

  async #changeEach(
    partition: Partition,
    [from, to]: readonly [Key, Key],
    soFar: SoFar,
    changeOf: (block: BlockKey) => Changing | null,
  ): Promise<void> {
    let count = 0
    for await (const key of blocksIn(partition, from, to)) {
      const changing = changeOf(parseBlockKey(key))
      const change = changing && (await changing.begin())
      if (changing === null || change === null) continue
      soFar.allocated += change.spaceDelta
      // At once: a writer that holds the next block may wait for the space of this one.
      const committed = stage(partition, change, changing.shipped, [])
      if (++count % purgeBatchBlocks === 0) await committed
    }
  }
}

/**
 * Who gave up a change may write there again, under another slot: what would come after that is not done.
 * @throws ClusterError NOT_READY, for a repeat that waits for the same.
 */
function assertWanted(isWanted: IsWanted): void {
  if (!isWanted()) throw new ClusterError('NOT_READY', 'its caller has given up this change')
}

function spaceReply(allocated: number): Spaced {
  return { body: { allocated }, payload: noPayload }
}

/** Also those whose record is damaged. */
async function* blocksIn(partition: Partition, from: Key, to: Key): AsyncGenerator<Key> {
  const damaged: Key[] = []
  const onDamaged = (key: Key): void => void damaged.push(key)
  for await (const [key] of partition.store.range(from, to, { onDamaged })) yield key
  yield* damaged
}

/** The change is seen when this returns, and outlasts the process when the promise resolves. */
function stage(
  partition: Partition,
  change: StagedBlock,
  shipped: ShippedBlock,
  more: KeyMutation[],
): Promise<void> {
  let committed: Promise<void>
  try {
    const { blockDelta, byteDelta } = change
    partition.facts.add({ inodes: 0, blocks: blockDelta, blockBytes: byteDelta })
    committed = partition.stageMutations([...change.mutations, ...more], shipped)
  } catch (error) {
    change.abandoned()
    throw error
  }
  change.staged()
  return committed
}

function keyOf(
  partition: Partition,
  { ino, generation, block }: Omit<BlockKey, 'partition'>,
): BlockKey {
  if (!Number.isSafeInteger(ino) || !Number.isSafeInteger(generation) || !(block >= 0)) {
    throw new ClusterError(
      'MALFORMED',
      `block ${block} of generation ${generation} of inode ${ino}`,
    )
  }
  return { partition: partition.id, ino, generation, block }
}

function nameOf({ ino, generation, block }: BlockKey): BlockName {
  return { ino, generation, block }
}

function checkRange(offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= maxBlockBytes) return
  throw new ClusterError('MALFORMED', `${length} bytes at ${offset} of a block`)
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}
