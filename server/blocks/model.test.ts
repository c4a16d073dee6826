import test from 'ava'
import fc from 'fast-check'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { chunkBytes } from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { type CrashKind, MemoryDevice } from '../device/memory.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockKey, BlockStore, StagedBlock } from './contract.ts'
import { blockKeyOf, decodeRecord, partitionBlockRange, unitBytes } from './index.ts'
import { IndexDouble } from './index-double.ts'
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
const numbers = fc.nat(blockCount - 1)
const kind = <K extends string>(name: K) => fc.constant(name)
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(kind('write'), numbers, offsets, lengths) },
  { weight: 2, arbitrary: fc.tuple(kind('abandon'), numbers, offsets, lengths) },
  { weight: 3, arbitrary: fc.tuple(kind('cut'), numbers, fc.oneof(offsets, fc.constant(0))) },
  { weight: 3, arbitrary: fc.tuple(kind('read'), numbers, offsets, lengths) },
  { weight: 3, arbitrary: fc.tuple(kind('sync')) },
  { weight: 1, arbitrary: fc.tuple(kind('reopen')) },
  {
    weight: 1,
    arbitrary: fc.tuple(kind('crash'), fc.constantFrom<CrashKind>('lose', 'tear'), fc.nat(4)),
  },
)
type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never

/** Blocks as plain arrays; never changed in place, so that any state can be kept. */
type State = readonly Uint8Array[]

function keyOf(number: number): BlockKey {
  return { partition: 1, ino: 2 ** 40 + 16, generation: 0, block: number }
}

class Run {
  readonly env: SimulatedEnv
  readonly device: MemoryDevice
  readonly index = new IndexDouble()
  store!: BlockStore
  /** States after each staged change since the last sync; the first one is what was synced. */
  #states: State[] = [Array.from({ length: blockCount }, () => new Uint8Array(blockLength))]
  #fill = 0

  constructor(seed: number) {
    this.env = new SimulatedEnv({ seed })
    this.device = new MemoryDevice({ env: this.env, capacityBytes })
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
      log: { error: (_, message) => throwError(message) },
      onPressure: () => void this.sync(),
    })
  }

  async take(step: Step): Promise<void> {
    if (step[0] === 'write') await this.write(step[1], step[2], step[3], true)
    else if (step[0] === 'abandon') await this.write(step[1], step[2], step[3], false)
    else if (step[0] === 'cut') await this.cut(step[1], step[2])
    else if (step[0] === 'read') await this.read(step[1], step[2], step[3])
    else if (step[0] === 'sync') await this.sync()
    else if (step[0] === 'reopen') await this.reopen()
    else await this.crash(step[1], step[2])
  }

  async write(number: number, offset: number, wanted: number, keep: boolean): Promise<void> {
    const length = Math.min(wanted, blockLength - offset)
    const data = new Uint8Array(length).fill(++this.#fill)
    const sums = checksumsOf([data], offset, chunkBytes)
    let change: StagedBlock
    try {
      change = await this.store.write(keyOf(number), offset, [data], sums)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return
      throw error
    }
    if (!keep) return change.abandoned()
    const after = this.state[number]!.slice()
    after.set(data, offset)
    this.#stage(change, number, after)
  }

  async cut(number: number, offset: number): Promise<void> {
    const change = await this.store.cut(keyOf(number), offset)
    const after = this.state[number]!.slice().fill(0, offset)
    if (change) this.#stage(change, number, after)
    else if (!same(after, this.state[number]!)) throwError('a cut did nothing')
  }

  #stage(change: StagedBlock, number: number, after: Uint8Array): void {
    this.index.stage(change.mutations)
    change.staged()
    this.#states.push(this.state.with(number, after))
  }

  async read(number: number, offset: number, wanted: number): Promise<void> {
    const length = Math.min(wanted, blockLength - offset)
    const data = await this.store.read(keyOf(number), offset, length)
    const found = data ? Buffer.concat(data.pieces) : new Uint8Array(length)
    const expected = this.state[number]!.subarray(offset, offset + length)
    if (!same(found, expected)) throwError(`block ${number} has wrong bytes`)
    if (data && !same(checksumsOf([found], offset, chunkBytes), data.checksums)) {
      throwError('checksums do not fit')
    }
  }

  async sync(): Promise<void> {
    const mark = this.store.stagedMark()
    const staged = this.state
    await this.store.sync()
    if (this.state !== staged) throwError('a change came between')
    this.index.sync()
    this.#states = [staged]
    this.store.indexSynced(mark)
  }

  async reopen(): Promise<void> {
    await this.store.close()
    this.device.reopen()
    await this.open()
    await this.check()
  }

  /** The disk of the index may have kept some changes that nobody synced, their data lost. */
  async crash(how: CrashKind, changesKept: number): Promise<void> {
    const kept = Math.min(changesKept, this.index.unsyncedCount)
    const synced = this.#states[0]!
    this.#states = [this.#states[kept]!]
    this.device.crash(how)
    this.index.crash(kept)
    await this.open()
    for (let number = 0; number < blockCount; number++) {
      if (this.state[number] === synced[number]) await this.read(number, 0, blockLength)
      else await this.readOrDrop(number)
    }
    await this.sync()
  }

  async readOrDrop(number: number): Promise<void> {
    if (await this.store.verify(keyOf(number))) return await this.read(number, 0, blockLength)
    await this.cut(number, 0)
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

function throwError(message: string): never {
  throw new Error(message)
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

test('any sequence of changes, syncs, crashes and restarts keeps to plain arrays', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 40 }), fc.nat(), async (sequence, seed) => {
      const run = new Run(seed)
      await run.open()
      for (const step of sequence) await run.take(step)
      await run.check()
    }),
    { numRuns: 120 },
  )
  t.pass()
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
    log: { error: (_, message) => throwError(message) },
    onPressure: () => {
      syncing = syncing.then(async () => {
        const mark = store.stagedMark()
        await store.sync()
        index.sync()
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
      const change = await store.write(keyOf(number), 0, [data], sums)
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
