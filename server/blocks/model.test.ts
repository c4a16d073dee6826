import test from 'ava'
import fc from 'fast-check'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { chunkBytes } from '../../network/limits.ts'
import { type BlockRange, checksumsOfPieces } from '../../network/wire/block-ranges.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { type CrashKind, MemoryDevice } from '../device/memory.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockKey, BlockStore, StagedBlock } from './contract.ts'
import { blockKeyOf, partitionBlockRange } from './index.ts'
import { IndexDouble } from './index-double.ts'
import { decodeRecord, unitBytes } from './record.ts'
import { extentsOf } from './scan.ts'

const blockCount = 3
const blockLength = 4 * chunkBytes
/** Less than all blocks need while one of them is changed, so that space runs out now and then. */
const capacityBytes = 3.5 * blockLength

const offsets = fc.oneof(
  fc.integer({ min: 0, max: blockLength - 1 }),
  fc.integer({ min: 0, max: 3 }).map(chunk => chunk * chunkBytes),
)
const lengths = fc.oneof(
  fc.integer({ min: 1, max: 9000 }),
  fc.constantFrom(chunkBytes, blockLength),
)
/** Of each piece of one write: how far behind the one before, and how long. */
const gaps = fc.oneof(fc.constantFrom(0, 1, 47_008), fc.integer({ min: 0, max: 60_000 }))
const pieces = fc.array(fc.tuple(gaps, lengths), { minLength: 1, maxLength: 8 })
const numbers = fc.nat(blockCount - 1)
const kind = <K extends string>(name: K) => fc.constant(name)
/** Which of the changes that the index did not sync are on its disk: mostly all up to one of them. */
const keeping = fc.oneof(
  fc.nat(8).map(count => (change: number) => change < count),
  fc.constant(() => true),
  fc.nat(2 ** 16 - 1).map(bits => (change: number) => ((bits >>> (change % 16)) & 1) === 1),
)
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(kind('write'), numbers, offsets, lengths) },
  { weight: 6, arbitrary: fc.tuple(kind('writePieces'), numbers, pieces) },
  { weight: 2, arbitrary: fc.tuple(kind('abandon'), numbers, offsets, lengths) },
  { weight: 3, arbitrary: fc.tuple(kind('cut'), numbers, fc.oneof(offsets, fc.constant(0))) },
  { weight: 3, arbitrary: fc.tuple(kind('punch'), numbers, offsets, lengths) },
  { weight: 2, arbitrary: fc.tuple(kind('allocate'), numbers, offsets, lengths) },
  { weight: 2, arbitrary: fc.tuple(kind('zero'), numbers, offsets, lengths) },
  { weight: 3, arbitrary: fc.tuple(kind('read'), numbers, offsets, lengths) },
  { weight: 1, arbitrary: fc.tuple(kind('sync')) },
  { weight: 6, arbitrary: fc.tuple(kind('syncOn')) },
  { weight: 1, arbitrary: fc.tuple(kind('syncData')) },
  { weight: 1, arbitrary: fc.tuple(kind('reopen')) },
  {
    weight: 2,
    arbitrary: fc.tuple(kind('crash'), fc.constantFrom<CrashKind>('lose', 'tear'), keeping),
  },
)
type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never

/** Blocks as plain arrays; never changed in place, so that any state can be kept. */
type State = readonly Uint8Array[]

function keyOf(number: number): BlockKey {
  return { partition: 1, ino: 2 ** 40 + 16, generation: 0, block: number }
}

/** How far a sync has come; changes go on in between. */
interface RunningSync {
  readonly mark: number
  /** Steps that it brings to the disk, at least. */
  readonly covers: number
  readonly data: Promise<readonly KeyMutation[]>
  next: 'data' | 'index' | 'space'
  mutations: readonly KeyMutation[]
}

interface Change {
  readonly number: number
  readonly after: Uint8Array
  /** Where a cut took bytes away that may not come back. */
  readonly cutAt: number
  /** What a punch took away: with what is fallen back to, it may have gone, too. */
  readonly punched?: { readonly from: number; readonly to: number }
}

class Run {
  readonly env: SimulatedEnv
  readonly device: MemoryDevice
  readonly index = new IndexDouble()
  store!: BlockStore
  /** States before the first of the changes and after each of them. */
  #states: State[] = [Array.from({ length: blockCount }, () => new Uint8Array(blockLength))]
  #changes: Change[] = []
  /** What each chunk of each block may fall back to: as it was when so many changes were synced. */
  #base = basesOf(this.state)
  /** How many of the changes were synced, and how many the disk of the index has. */
  #synced = 0
  #indexed = 0
  /** Changes of the index that opening made, in front of the others that are not synced. */
  #repairs = 0
  #sync: RunningSync | null = null
  #pressing: Promise<void> = Promise.resolve()
  #slow = false
  #mayFallBack = false
  #fill = 0
  fellBack = 0
  /** Reads that were told where the data lies. */
  placed = 0

  constructor(seed: number) {
    this.env = new SimulatedEnv({ seed })
    const isSlow = () => this.#slow
    this.device = new MemoryDevice({
      env: this.env,
      capacityBytes,
      get slowestMs() {
        return isSlow() ? 1 : 0
      },
    })
  }

  get state(): State {
    return this.#states.at(-1)!
  }

  async open(): Promise<void> {
    this.store = await openBlockStore({
      env: this.env,
      device: this.device,
      index: this.index,
      partitions: [1],
      fallenBack: () => {
        this.fellBack++
        return this.#mayFallBack ? [] : throwError('fell back although nothing was lost')
      },
      log: { error: (_, message) => message.endsWith('before') || throwError(message) },
      onPressure: () => {
        this.#pressing = this.#pressing.then(() => this.sync())
      },
    })
  }

  async take(step: Step): Promise<void> {
    if (step[0] === 'write') await this.write(step[1], step[2], step[3], true)
    else if (step[0] === 'writePieces') await this.writePieces(step[1], step[2])
    else if (step[0] === 'abandon') await this.write(step[1], step[2], step[3], false)
    else if (step[0] === 'cut') await this.cut(step[1], step[2])
    else if (step[0] === 'punch') await this.punch(step[1], step[2], step[3])
    else if (step[0] === 'allocate') await this.allocate(step[1], step[2], step[3], false)
    else if (step[0] === 'zero') await this.allocate(step[1], step[2], step[3], true)
    else if (step[0] === 'read') await this.read(step[1], step[2], step[3])
    else if (step[0] === 'sync') await this.sync()
    else if (step[0] === 'syncOn') await this.syncOn()
    else if (step[0] === 'syncData') await this.syncData()
    else if (step[0] === 'reopen') await this.reopen()
    else await this.crash(step[1], step[2])
    await this.#pressing
  }

  async write(number: number, offset: number, wanted: number, keep: boolean): Promise<void> {
    const length = Math.min(wanted, blockLength - offset)
    const data = new Uint8Array(length).fill(++this.#fill)
    const sums = checksumsOf([data], offset, chunkBytes)
    const ranges = [{ offset, length }]
    const change = await unlessFull(this.store.write(keyOf(number), ranges, [data], sums))
    if (change === 'full') return
    if (!keep) return change.abandoned()
    const after = this.state[number]!.slice()
    after.set(data, offset)
    this.#stage(change, { number, after, cutAt: blockLength })
  }

  async writePieces(number: number, apart: readonly (readonly [number, number])[]): Promise<void> {
    const after = this.state[number]!.slice()
    const ranges: BlockRange[] = []
    let end = 0
    for (const [gap, wanted] of apart) {
      const offset = end + gap
      const length = Math.min(wanted, blockLength - offset)
      if (length <= 0) break
      end = offset + length
      ranges.push({ offset, length })
      after.fill(++this.#fill, offset, end)
    }
    if (ranges.length === 0) return
    const data = ranges.map(({ offset, length }) => after.slice(offset, offset + length))
    const sums = checksumsOfPieces(
      ranges,
      data.map(piece => [piece]),
    )
    // As it comes from a socket: cut anywhere.
    const joined = Buffer.concat(data)
    const payload = [joined.subarray(0, this.#fill), joined.subarray(this.#fill)]
    const change = await unlessFull(this.store.write(keyOf(number), ranges, payload, sums))
    if (change !== 'full') this.#stage(change, { number, after, cutAt: blockLength })
  }

  async cut(number: number, offset: number): Promise<void> {
    const change = await this.store.cut(keyOf(number), offset)
    const after = this.state[number]!.slice().fill(0, offset)
    if (change) this.#stage(change, { number, after, cutAt: offset })
    else if (!same(after, this.state[number]!)) throwError('a cut did nothing')
  }

  async punch(number: number, offset: number, wanted: number): Promise<void> {
    const length = Math.min(wanted, blockLength - offset)
    const change = await unlessFull(this.store.punch(keyOf(number), { offset, length }))
    if (change === 'full') return
    const after = this.state[number]!.slice().fill(0, offset, offset + length)
    const punched = { from: offset, to: offset + length }
    if (change) this.#stage(change, { number, after, cutAt: blockLength, punched })
    else if (!same(after, this.state[number]!)) throwError('a punch did nothing')
  }

  async allocate(number: number, offset: number, wanted: number, zero: boolean): Promise<void> {
    const length = Math.min(wanted, blockLength - offset)
    const change = await unlessFull(this.store.allocate(keyOf(number), { offset, length }, zero))
    if (change === 'full') return
    const after = this.state[number]!.slice()
    if (zero) after.fill(0, offset, offset + length)
    if (change) this.#stage(change, { number, after, cutAt: blockLength })
    else if (!same(after, this.state[number]!)) throwError('zeroing did nothing')
  }

  #stage(staged: StagedBlock, change: Change): void {
    this.index.stage(staged.mutations)
    staged.staged()
    this.#changes.push(change)
    this.#states.push(this.state.with(change.number, change.after))
  }

  async read(number: number, offset: number, wanted: number): Promise<void> {
    const length = Math.min(wanted, blockLength - offset)
    const found = await this.#bytes(number, offset, length)
    const expected = this.state[number]!.subarray(offset, offset + length)
    if (!same(found, expected)) throwError(`block ${number} has wrong bytes`)
    await this.#readPlaces(number, offset, expected)
  }

  /** As a client of this machine reads, who is told where the bytes lie. */
  async #readPlaces(number: number, offset: number, expected: Uint8Array): Promise<void> {
    const placed = this.store.place(keyOf(number), offset, expected.length)
    if (!placed) return
    const found = new Uint8Array(expected.length)
    for (let at = 0; at < placed.places.length; at += 3) {
      const [position = 0, start = 0, bytes = 0] = placed.places.slice(at, at + 3)
      await this.device.read(position, found.subarray(start, start + bytes))
    }
    if (!same(found, expected)) throwError(`block ${number} is not where it is said to be`)
    if (!same(checksumsOf([found], offset, chunkBytes), placed.checksums))
      throwError('the checksums of places do not fit')
    this.placed++
  }

  async #bytes(number: number, offset: number, length: number): Promise<Uint8Array> {
    const data = await this.store.read(keyOf(number), offset, length)
    const found = data ? Uint8Array.from(Buffer.concat(data.pieces)) : new Uint8Array(length)
    if (data && !same(checksumsOf([found], offset, chunkBytes), data.checksums)) {
      throwError('checksums do not fit')
    }
    return found
  }

  /** From the beginning to the end. */
  async sync(): Promise<void> {
    while (this.#sync) await this.syncOn()
    do await this.syncOn()
    while (this.#sync)
  }

  /** One part of a sync. */
  async syncOn(): Promise<void> {
    const sync = this.#sync
    if (!sync) {
      this.#sync = this.#beginSync()
    } else if (sync.next === 'data') {
      await this.env.advance(1)
      sync.mutations = await sync.data
      sync.next = 'index'
    } else if (sync.next === 'index') {
      this.index.sync(sync.mutations)
      this.#synced = sync.covers
      this.#base = basesOf(this.#states[sync.covers]!)
      this.#indexed = this.#changes.length
      this.#repairs = 0
      sync.next = 'space'
    } else {
      this.#sync = null
      this.store.indexSynced(sync.mark)
    }
  }

  #beginSync(): RunningSync {
    const mark = this.store.stagedMark()
    this.#slow = true
    const data = this.store.sync()
    this.#slow = false
    data.catch(() => undefined)
    return { mark, covers: this.#changes.length, data, next: 'data', mutations: [] }
  }

  /** Data comes to the disk without the index, too. */
  async syncData(): Promise<void> {
    if (!this.#sync) await this.store.sync()
  }

  /** The process is killed and begins again. */
  async reopen(): Promise<void> {
    this.#sync = null
    await this.env.advance(1)
    this.index.reopen()
    this.#indexed = this.#changes.length
    this.#repairs = 0
    await this.open()
    for (let number = 0; number < blockCount; number++) await this.read(number, 0, blockLength)
  }

  /** The disk of the index may have kept some changes that nobody synced, their data lost. */
  async crash(how: CrashKind, kept: (change: number) => boolean): Promise<void> {
    const [repairs, indexed] = [this.#repairs, this.#indexed]
    const isIndexed = (change: number) => change < indexed || kept(change - indexed + repairs)
    const possible = Array.from({ length: blockCount }, (_, number) =>
      this.#possible(number, isIndexed),
    )
    this.#sync = null
    this.device.crash(how)
    this.index.crash(kept)
    await this.env.advance(1)
    this.#mayFallBack = true
    await this.open()
    this.#mayFallBack = false
    const found = await Promise.all(
      possible.map((_, number) => this.#bytes(number, 0, blockLength)),
    )
    found.forEach((bytes, number) => {
      possible[number]!.forEach((values, chunk) => {
        const value = chunkOf(bytes, chunk)
        if (!values.some(one => same(one, value))) throwError(`block ${number}: no such state`)
      })
    })
    this.#states = [found]
    this.#base = possible
    this.#changes = []
    this.#synced = 0
    this.#indexed = 0
    this.#repairs = this.index.unsyncedCount
  }

  /** What each chunk of a block may be: as it was synced, or after any later change but for cuts. */
  #possible(number: number, isIndexed: (change: number) => boolean): Uint8Array[][] {
    let values = this.#base[number]!
    const last = this.#changes.findLastIndex((one, at) => one.number === number && isIndexed(at))
    for (const change of this.#changes.slice(this.#synced, last + 1)) {
      if (change.number !== number) continue
      values = values.map((before, chunk) => {
        const cutAt = Math.min(Math.max(0, change.cutAt - chunk * chunkBytes), chunkBytes)
        const left = before.map(value => value.slice().fill(0, cutAt))
        return [...withPunched(left, chunk, change.punched), chunkOf(change.after, chunk)]
      })
    }
    return values
  }

  /** All bytes are right, and only what the index names is used once everything is synced. */
  async check(): Promise<void> {
    for (let number = 0; number < blockCount; number++) await this.read(number, 0, blockLength)
    await this.sync()
    let units = 0
    let blocks = 0
    for await (const [, value] of this.index.range(...partitionBlockRange(1))) {
      for (const extent of extentsOf(decodeRecord(value)!)) units += extent.units
      blocks++
    }
    const { usedBytes, blocks: counted } = await this.store.statistics()
    if (usedBytes !== units * unitBytes) throwError(`${usedBytes} bytes used for ${units} units`)
    if (counted !== blocks) throwError(`${counted} blocks counted, ${blocks} in the index`)
  }
}

function basesOf(state: State): Uint8Array[][][] {
  return state.map(block => [0, 1, 2, 3].map(chunk => [chunkOf(block, chunk)]))
}

function chunkOf(block: Uint8Array, chunk: number): Uint8Array {
  return block.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes)
}

/** A chunk that a punch cuts short is cut with all that it may fall back to. */
function withPunched(
  values: readonly Uint8Array[],
  chunk: number,
  punched: Change['punched'],
): readonly Uint8Array[] {
  if (!punched) return values
  const from = Math.max(0, punched.from - chunk * chunkBytes)
  const to = Math.min(punched.to - chunk * chunkBytes, chunkBytes)
  if (from >= to) return values
  const left = values.map(value => value.slice().fill(0, from, to))
  return to === chunkBytes ? left : distinct([...values, ...left])
}

function distinct(values: readonly Uint8Array[]): Uint8Array[] {
  return values.filter((value, at) => values.findIndex(one => same(one, value)) === at)
}

async function unlessFull<T>(changing: Promise<T>): Promise<T | 'full'> {
  try {
    return await changing
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return 'full'
    throw error
  }
}

function throwError(message: string): never {
  throw new Error(message)
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

test('after a power failure each chunk is as it was synced or later, and else as it was written', async t => {
  let [fellBack, placed] = [0, 0]
  const sequences = fc.array(steps, { maxLength: 60, size: 'max' })
  await fc.assert(
    fc.asyncProperty(sequences, fc.nat(), async (sequence, seed) => {
      const run = new Run(seed)
      await run.open()
      for (const step of sequence) await run.take(step)
      await run.check()
      fellBack += run.fellBack
      placed += run.placed
    }),
    { numRuns: 150 },
  )
  t.true(fellBack > 20)
  t.true(placed > 100)
})

test('reads during overwriting, syncing and reuse see one whole version, never a mixture', async t => {
  for (let seed = 1; seed <= 10; seed++) t.true((await concurrentRun(seed)) > 100)
})

/** Writers fill whole blocks with one number each; @returns how many reads were checked. */
async function concurrentRun(seed: number): Promise<number> {
  const env = new SimulatedEnv({ seed })
  const device = new MemoryDevice({ env, capacityBytes: 4 * blockLength, slowestMs: 5 })
  const index = new IndexDouble()
  let syncing = Promise.resolve()
  const opening = openBlockStore({
    env,
    device,
    index,
    partitions: [1],
    fallenBack: () => throwError('nothing was lost'),
    log: { error: (_, message) => throwError(message) },
    onPressure: () => {
      syncing = syncing.then(async () => {
        const mark = store.stagedMark()
        index.sync(await store.sync())
        store.indexSynced(mark)
      })
    },
  })
  await env.run()
  const store = await opening
  let checked = 0
  const writer = async (number: number): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      const data = new Uint8Array(blockLength).fill(env.random.integer(256))
      const sums = checksumsOf([data], 0, chunkBytes)
      const ranges = [{ offset: 0, length: blockLength }]
      const change = await store.write(keyOf(number), ranges, [data], sums)
      await env.timers.sleep(env.random.integer(3))
      index.stage(change.mutations)
      change.staged()
    }
  }
  const reader = async (number: number): Promise<void> => {
    for (let round = 0; round < 40; round++) {
      const data = await store.read(keyOf(number), 0, blockLength)
      await env.timers.sleep(env.random.integer(5))
      if (!data) continue
      const whole = Buffer.concat(data.pieces)
      if (!whole.equals(Buffer.alloc(blockLength, whole[0]!))) throwError('a mixture')
      checked++
    }
  }
  let done = false
  const all = Promise.all([writer(0), writer(1), reader(0), reader(0), reader(1), reader(1)])
  const finish = () => {
    done = true
  }
  all.then(finish, finish)
  await env.run(() => done)
  await all
  const keys = [keyOf(0), keyOf(1)].map(blockKeyOf)
  return keys.every(key => index.get(key)) ? checked : 0
}
