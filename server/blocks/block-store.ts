/**
 * The block store: data on a device, in checksummed chunks that are never overwritten in place, named
 * by records in the metadata store.
 *
 * 1. A record is changed only through a `StagedBlock`, and only after its data is on the device.
 * 2. From the moment a change begins until it is settled, its block's lock is held.
 * 3. Units are used exactly while a record, a change that is not settled, or a retired extent names
 *    them (space.ts).
 * 4. A chunk whose data may not be on the disk yet names what it falls back to (fallback.ts), and that is
 *    retired: so it stays until the index is on the disk together with the number of a later sync.
 * 5. Once a sync has failed nobody knows what is on the disk: every later write and sync fails.
 */
import assert from 'node:assert/strict'
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxBlockBytes } from '../../network/limits.ts'
import { assertRanges, checksumsOfPieces, piecesOf } from '../../network/wire/block-ranges.ts'
import { sameChecksums } from '../../network/wire/checksum.ts'
import type { DataFile } from '../../network/wire/operations.ts'
import type { Device, DeviceSpace } from '../device/contract.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import type { Extent } from './allocator.ts'
import { BlockLocks } from './block-locks.ts'
import type {
  BlockData,
  BlockKey,
  BlockRange,
  BlockStore,
  BlockStoreStatistics,
  PlacedBlock,
  StagedBlock,
} from './contract.ts'
import { cutRecord } from './cutting.ts'
import { reportDamage, reportFallenBack, type StoreLog, unreadable } from './damage.ts'
import { Ground, unitsOf } from './ground.ts'
import { blockKeyOf, encodeSyncedChange, parseBlockKey, syncedChangeKey } from './index.ts'
import { placesOf } from './placing.ts'
import { readRecord } from './reading.ts'
import { type BlockRecord, blockEnd, decodeRecord, unitBytes, withoutHolesAtEnd } from './record.ts'
import { type FallenBack, type Recovery, recover } from './recovery.ts'
import {
  allocated,
  freedBy,
  newChunksOf,
  punched,
  type Reshaping,
  withShapes,
} from './reshaping.ts'
import { type BlockIndex, extentsOf, type ScanResult, scanIndex } from './scan.ts'
import { seekData, seekHole } from './seeking.ts'
import { SharedSync } from './shared-sync.ts'
import { Space } from './space.ts'
import { type Change, type ChangeOutcome, stageChange } from './staged.ts'
import {
  type IncomingData,
  type Landing,
  lengthOf,
  mergeChunks,
  placeChunks,
  unitsNeeded,
  withChunks,
  writeChunks,
} from './writing.ts'

export interface BlockStoreOptions {
  readonly env: Pick<Env, 'timers'>
  /** Closed by the store's `close`. */
  readonly device: Device
  /** What is staged must be seen by `get`; `range` is used while the store is opened. */
  readonly index: BlockIndex
  /** Partitions whose blocks the index may hold. */
  readonly partitions: readonly number[]
  /** Called while the store is opened; what it gives is committed with the record of the block. */
  readonly fallenBack: (block: FallenBack) => Iterable<KeyMutation>
  readonly log: StoreLog
  /**
   * Space is short, and some is free once the index is synced: do so and call `indexSynced`. Called
   * from within other calls, and again while it is short.
   */
  readonly onPressure: () => void
}

/** @throws ClusterError DISK. */
export async function openBlockStore(options: BlockStoreOptions): Promise<BlockStore> {
  const space = await options.device.space()
  const scanned = await scanIndex(options.index, options.partitions, unitsOf(space))
  reportDamage(options.log, options.device.name, scanned.damaged)
  const recovery = await recover(options, scanned)
  reportFallenBack(options.log, options.device.name, recovery.fallenBack)
  return new ExtentBlockStore(options, scanned, recovery, space)
}

class ExtentBlockStore implements BlockStore {
  readonly #device: Device
  readonly #index: BlockIndex
  readonly #space: Space
  readonly #ground: Ground
  readonly #locks: BlockLocks
  readonly #sync: SharedSync
  readonly #damaged: Map<Key, string>
  readonly #outcome: ChangeOutcome
  #blocks: number
  #checksumErrors = 0
  #closed = false

  constructor(
    options: BlockStoreOptions,
    scanned: ScanResult,
    recovery: Recovery,
    space: DeviceSpace,
  ) {
    const { env, device, index, onPressure } = options
    this.#device = device
    this.#index = index
    const { allocator, damaged } = scanned
    this.#space = new Space({
      env,
      allocator,
      name: device.name,
      onPressure,
      onFree: extent => this.#ground.note(extent),
      onShortRoom: () => this.#ground.lookSoon(),
    })
    this.#ground = new Ground({
      device,
      allocator,
      space: this.#space,
      isDamaged: damaged.size > 0,
    })
    this.#locks = new BlockLocks(env.timers)
    this.#sync = new SharedSync(device, scanned)
    this.#damaged = scanned.damaged
    this.#blocks = scanned.blocks
    for (const { blockDelta } of recovery.fallenBack) this.#blocks += blockDelta
    if (recovery.retired.length > 0) this.#space.retire(recovery.retired)
    this.#ground.measured(space)
    this.#outcome = {
      kept: change => this.#kept(change),
      dropped: change => this.#dropped(change),
    }
  }

  async read(key: BlockKey, offset: number, length: number): Promise<BlockData | null> {
    this.#assertOpen()
    assertRange(offset, length)
    const record = this.#recordOf(blockKeyOf(key))
    if (!record) return null
    const epoch = this.#space.beginRead()
    try {
      return await readRecord(this.#device, record, offset, length)
    } catch (error) {
      throw this.#counted(error)
    } finally {
      this.#space.endRead(epoch)
    }
  }

  get file(): DataFile | undefined {
    return this.#device.file
  }

  place(key: BlockKey, offset: number, length: number): PlacedBlock | null {
    this.#assertOpen()
    assertRange(offset, length)
    const record = this.#recordOf(blockKeyOf(key))
    return record && placesOf(record, offset, length)
  }

  async write(
    key: BlockKey,
    ranges: readonly BlockRange[],
    data: readonly Uint8Array[],
    checksums: Uint8Array,
  ): Promise<StagedBlock> {
    this.#assertWritable()
    assertRanges(ranges)
    const pieces = piecesOf(ranges, data)
    if (!sameChecksums(checksumsOfPieces(ranges, pieces), checksums)) {
      throw new ClusterError('CHECKSUM', 'the data of a write is not what was sent')
    }
    const name = blockKeyOf(key)
    const staged = await this.#change(name, () =>
      this.#writeInto(name, { ranges, pieces, checksums }),
    )
    assert(staged)
    return staged
  }

  async cut(key: BlockKey, offset: number): Promise<StagedBlock | null> {
    this.#assertWritable()
    assertRange(offset, 0)
    const name = blockKeyOf(key)
    return await this.#change(name, async () => {
      if (offset === 0 && this.#damaged.has(name)) return this.#removalOfDamaged(name)
      const before = this.#recordOf(name) ?? []
      if (offset >= blockEnd(before)) return null
      const cut = await cutRecord(this.#device, before, offset, this.#sync)
      const blockDelta = cut.after.length === 0 ? -1 : 0
      return { key: name, before, blockDelta, taken: [], ...cut }
    })
  }

  punch(key: BlockKey, range: BlockRange): Promise<StagedBlock | null> {
    return this.#reshape(key, range, before => punched(this.#device, before, range))
  }

  allocate(key: BlockKey, range: BlockRange, zero: boolean): Promise<StagedBlock | null> {
    return this.#reshape(key, range, before => allocated(this.#device, before, range, zero))
  }

  seek(key: BlockKey, offset: number, wanted: 'data' | 'hole'): number {
    this.#assertOpen()
    assertRange(offset, 0)
    const record = this.#recordOf(blockKeyOf(key)) ?? []
    return wanted === 'data' ? seekData(record, offset) : seekHole(record, offset)
  }

  async verify(key: BlockKey): Promise<boolean> {
    this.#assertOpen()
    const record = this.#recordOf(blockKeyOf(key))
    if (!record) return true
    try {
      await this.read(key, 0, blockEnd(record))
      return true
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'CHECKSUM') return false
      throw error
    }
  }

  damageOf(key: BlockKey): string | null {
    return this.#damaged.get(blockKeyOf(key)) ?? null
  }

  async sync(): Promise<readonly KeyMutation[]> {
    this.#assertOpen()
    await this.#sync.sync()
    return [{ key: syncedChangeKey, value: encodeSyncedChange(this.#sync.synced) }]
  }

  stagedMark(): number {
    return this.#space.mark()
  }

  indexSynced(mark: number = this.#space.mark()): void {
    this.#space.indexSynced(mark)
  }

  async statistics(): Promise<BlockStoreStatistics> {
    this.#assertOpen()
    await this.#ground.look()
    const { usedUnits, availableUnits, ownUnits } = this.#space
    const usedBytes = usedUnits * unitBytes
    return {
      capacityBytes: usedBytes + this.#space.unitsFor(true) * unitBytes,
      freeBytes: availableUnits * unitBytes,
      ownFreeBytes: ownUnits * unitBytes,
      usedBytes,
      blocks: this.#blocks,
      checksumErrors: this.#checksumErrors,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#locks.close()
    this.#space.close()
    await this.#device.close()
  }

  /** Holds the block's lock until what `plan` made is settled, or until there is nothing to settle. */
  async #change(name: Key, plan: () => Promise<Change | null>): Promise<StagedBlock | null> {
    const turn = this.#locks.acquire(name)
    if (turn) await turn
    try {
      const change = await plan()
      if (change) return stageChange(change, this.#outcome)
    } catch (error) {
      this.#locks.release(name)
      throw this.#counted(error)
    }
    this.#locks.release(name)
    return null
  }

  async #writeInto(name: Key, incoming: IncomingData): Promise<Change> {
    const before = this.#recordOf(name) ?? []
    const merged = await mergeChunks(this.#device, before, incoming)
    const [indexes, chunks] = [[...merged.keys()], [...merged.values()]]
    const replaced = extentsOf(indexes.map(index => before[index] ?? null))
    const taken = await this.#take(unitsNeeded(chunks), replaced)
    // Between the ranges something is missing yet, which will have to be joined with them.
    const staysInMemory = incoming.ranges.length > 1
    await this.#putOrGiveBack({ chunks, extents: taken, staysInMemory }, taken)
    const change = this.#sync.wrote(lengthOf(incoming.pieces.flat()))
    const placed = placeChunks(chunks, taken)
    const written = { chunks: new Map(indexes.map((index, at) => [index, placed[at]!])), change }
    const after = withChunks(before, written, this.#sync)
    const blockDelta = before.length === 0 ? 1 : 0
    return { key: name, before, after, blockDelta, taken, replaced }
  }

  async #reshape(
    key: BlockKey,
    { offset, length }: BlockRange,
    plan: (before: BlockRecord) => Promise<Reshaping | null>,
  ): Promise<StagedBlock | null> {
    this.#assertWritable()
    assertRange(offset, length)
    if (length === 0) return null
    const name = blockKeyOf(key)
    return await this.#change(name, async () => {
      const before = this.#recordOf(name) ?? []
      const reshaping = await plan(before)
      return reshaping && (await this.#reshaped(name, before, reshaping))
    })
  }

  async #reshaped(name: Key, before: BlockRecord, reshaping: Reshaping): Promise<Change> {
    const { written, unwritten } = newChunksOf(reshaping)
    const replaced = freedBy(reshaping, before)
    const units = unitsNeeded(written) + unitsNeeded(unwritten)
    const taken = units > 0 ? await this.#take(units, replaced) : []
    const placed = placeChunks([...written, ...unwritten], taken)
    const extents = placed.slice(0, written.length).flatMap(extentsIn)
    const toHold = placed.slice(written.length).flatMap(extentsIn)
    const landing = { chunks: written, extents, staysInMemory: false }
    if (units > 0) await this.#putOrGiveBack(landing, taken, toHold)
    const change = written.length > 0 ? this.#sync.wrote(unitsNeeded(written) * unitBytes) : 0
    const shaped = withShapes(before, reshaping, placed, change, this.#sync)
    const after = withoutHolesAtEnd(shaped)
    const blockDelta = Number(after.length > 0) - Number(before.length > 0)
    return { key: name, before, after, blockDelta, taken, replaced }
  }

  async #putOrGiveBack(
    landing: Landing,
    taken: readonly Extent[],
    toHold: readonly Extent[] = [],
  ): Promise<void> {
    try {
      if (landing.chunks.length > 0) await writeChunks(this.#device, landing)
      for (const { unit, units } of toHold) {
        await this.#device.hold(unit * unitBytes, units * unitBytes)
      }
    } catch (error) {
      this.#space.giveBack(taken)
      throw error
    } finally {
      this.#ground.landed(taken)
    }
  }

  /** @param replaced what becomes free in time when the change is made. */
  async #take(units: number, replaced: readonly Extent[]): Promise<readonly Extent[]> {
    const replaces = units <= unitsIn(replaced)
    return await this.#ground.take(units, replaces)
  }

  /** Its units may be somebody else's too: they stay used until the store is opened again. */
  #removalOfDamaged(name: Key): Change | null {
    const before = this.#damagedRecord(name)
    if (before === null) return null
    return { key: name, before, after: [], blockDelta: -1, taken: [], replaced: [] }
  }

  /** As far as it can be read; null when there is none. */
  #damagedRecord(name: Key): BlockRecord | null {
    try {
      const value = this.#index.get(name)
      return value === undefined ? null : (decodeRecord(value) ?? [])
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'CHECKSUM') return []
      throw error
    }
  }

  #kept({ key, replaced, blockDelta }: Change): void {
    this.#blocks += blockDelta
    this.#damaged.delete(key)
    if (replaced.length > 0) this.#space.retire(replaced)
    this.#locks.release(key)
  }

  #dropped({ key, taken }: Change): void {
    if (taken.length > 0) this.#space.giveBack(taken)
    this.#locks.release(key)
  }

  #recordOf(name: Key): BlockRecord | null {
    const value = this.#index.get(name)
    if (!value) return null
    const damage = this.#damaged.get(name)
    const record = damage === undefined ? decodeRecord(value) : null
    if (record) return record
    const { partition, ino, generation, block } = parseBlockKey(name)
    const which = `block ${block} of ${ino}, generation ${generation}, partition ${partition}`
    throw new ClusterError('DISK', `${which}: ${damage ?? unreadable}`)
  }

  #counted(error: unknown): unknown {
    if (error instanceof ClusterError && error.code === 'CHECKSUM') this.#checksumErrors++
    return error
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClusterError('CLOSED', `block store on ${this.#device.name}`)
  }

  #assertWritable(): void {
    this.#assertOpen()
    this.#sync.assertHealthy()
  }
}

function extentsIn({ extents }: { readonly extents: readonly Extent[] }): readonly Extent[] {
  return extents
}

function unitsIn(extents: readonly Extent[]): number {
  let units = 0
  for (const extent of extents) units += extent.units
  return units
}

/** Ranges come from the wire. */
function assertRange(offset: number, length: number): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (valid && offset >= 0 && length >= 0 && offset + length <= maxBlockBytes) return
  throw new ClusterError('MALFORMED', `no range of a block: ${length} bytes from ${offset}`)
}
