import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { chunkBytes } from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { MemoryDevice, noFaults } from '../device/memory.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockKey, BlockStore, StagedBlock } from './contract.ts'
import { IndexDouble } from './index-double.ts'
import type { FallenBack } from './recovery.ts'

const pageBytes = 4096
const key: BlockKey = { partition: 1, ino: 2 ** 40 + 5, generation: 2, block: 3 }
const all = () => true

class Machine {
  readonly env = new SimulatedEnv({ seed: 3 })
  readonly device = new MemoryDevice({ env: this.env, capacityBytes: 32 * chunkBytes })
  readonly index = new IndexDouble()
  readonly fallen: FallenBack[] = []
  readonly logged: string[] = []
  store!: BlockStore

  static async start(): Promise<Machine> {
    const machine = new Machine()
    await machine.open()
    return machine
  }

  /** Also what a killed process does when it begins again. */
  async open(): Promise<void> {
    this.store = await openBlockStore({
      env: this.env,
      device: this.device,
      index: this.index,
      partitions: [1],
      fallenBack: block => {
        this.fallen.push(block)
        return []
      },
      log: { error: (_, message) => this.logged.push(message) },
      onPressure: () => undefined,
    })
  }

  /** Data that was not synced is lost; so is the index's, but for what `kept` says. */
  async powerFails(kept: (change: number) => boolean = all): Promise<void> {
    this.device.crash('lose')
    this.index.crash(kept)
    await this.open()
  }

  async put(offset: number, length: number, fill: number): Promise<void> {
    this.stage(await this.write(offset, length, fill))
  }

  write(offset: number, length: number, fill: number): Promise<StagedBlock> {
    const data = [Buffer.alloc(length, fill)]
    const checksums = checksumsOf(data, offset, chunkBytes)
    return this.store.write(key, [{ offset, length }], data, checksums)
  }

  stage(change: StagedBlock | null): void {
    if (!change) return
    this.index.stage(change.mutations)
    change.staged()
  }

  async get(offset: number, length: number): Promise<Buffer | null> {
    const data = await this.store.read(key, offset, length)
    return data && Buffer.concat(data.pieces)
  }

  async sync(between: () => Promise<void> = async () => undefined): Promise<void> {
    const mark = this.store.stagedMark()
    const synced = await this.store.sync()
    await between()
    this.index.sync(synced)
    this.store.indexSynced(mark)
  }
}

test('what a program appended and synced outlasts the loss of what it appended next', async t => {
  const machine = await Machine.start()
  for (let page = 0; page < 10; page++) {
    await machine.put(page * pageBytes, pageBytes, page + 1)
    await machine.sync()
    await machine.put((page + 1) * pageBytes, pageBytes, 100)
    await machine.powerFails()
    for (let at = 0; at <= page; at++) {
      t.deepEqual(await machine.get(at * pageBytes, pageBytes), Buffer.alloc(pageBytes, at + 1))
    }
    t.deepEqual(await machine.get((page + 1) * pageBytes, pageBytes), Buffer.alloc(pageBytes))
    const { fallen } = machine
    t.deepEqual(fallen, [{ block: key, blockDelta: 0, byteDelta: -pageBytes }])
    fallen.length = 0
    t.is(machine.logged.splice(0).length, 2)
  }
  t.is((await machine.store.statistics()).checksumErrors, 0)
})

test('a change that comes between the sync of the data and that of the index may be lost, no more', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync(() => machine.put(100, 50, 2))
  await machine.powerFails()
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
  await machine.sync(() => machine.put(100, 50, 3))
  await machine.put(200, 50, 4)
  await machine.powerFails()
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
})

test('many changes of one chunk fall back to the one that was synced', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  for (let fill = 2; fill < 30; fill++) await machine.put(fill, 7, fill)
  await machine.powerFails()
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
})

test('a new block whose data is lost is gone, and a new chunk is a hole', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.powerFails()
  t.is(await machine.get(0, 1), null)
  t.like(machine.fallen[0], { blockDelta: -1, byteDelta: -chunkBytes })
  t.like(await machine.store.statistics(), { blocks: 0 })
  await machine.put(0, chunkBytes, 2)
  await machine.sync()
  await machine.put(chunkBytes, 2 * chunkBytes, 3)
  await machine.powerFails()
  const expected = Buffer.alloc(3 * chunkBytes)
  expected.fill(2, 0, chunkBytes)
  t.deepEqual(await machine.get(0, 3 * chunkBytes), expected)
})

test('bytes behind a cut do not come back with what is fallen back to', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  await machine.put(0, 50, 2)
  machine.stage(await machine.store.cut(key, 10))
  await machine.put(20, 10, 3)
  await machine.powerFails()
  const expected = Buffer.alloc(chunkBytes)
  expected.fill(1, 0, 10)
  t.deepEqual(await machine.get(0, chunkBytes), expected)
  machine.stage(await machine.store.cut(key, 0))
  await machine.put(5, 5, 4)
  await machine.powerFails()
  t.is(await machine.get(0, 1), null)
})

test('what decays after it was synced is an error, whatever was there before', async t => {
  const machine = await Machine.start()
  await machine.put(0, 2 * chunkBytes, 1)
  await machine.sync()
  await machine.put(0, chunkBytes, 2)
  await machine.sync()
  await machine.put(chunkBytes, chunkBytes, 3)
  machine.device.flipBit(2 * chunkBytes)
  await machine.powerFails()
  t.deepEqual(await machine.get(chunkBytes, chunkBytes), Buffer.alloc(chunkBytes, 1))
  await t.throwsAsync(machine.get(0, chunkBytes), { code: 'CHECKSUM' })
})

test('a process that was killed finds everything as it left it', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  await machine.put(0, chunkBytes, 2)
  await machine.put(chunkBytes, chunkBytes, 3)
  machine.index.reopen()
  const before = await machine.store.statistics()
  await machine.open()
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 2))
  t.deepEqual(await machine.get(chunkBytes, chunkBytes), Buffer.alloc(chunkBytes, 3))
  t.deepEqual(await machine.store.statistics(), before)
  t.deepEqual([machine.fallen, machine.logged], [[], []])
})

test('a fallback is kept for a power failure after the process was killed, and no longer than a sync', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  await machine.put(0, chunkBytes, 2)
  machine.index.reopen()
  await machine.open()
  const others = { ...key, block: 4 }
  const data = [Buffer.alloc(chunkBytes, 9)]
  const sums = checksumsOf(data, 0, chunkBytes)
  machine.stage(await machine.store.write(others, [{ offset: 0, length: chunkBytes }], data, sums))
  await machine.powerFails()
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
  await machine.sync()
  t.is((await machine.store.statistics()).usedBytes, chunkBytes)
})

test('another power failure before a sync finds the same again', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  await machine.put(0, chunkBytes, 2)
  await machine.powerFails()
  await machine.put(chunkBytes, 4 * chunkBytes, 3)
  await machine.powerFails(() => false)
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
  t.is(machine.fallen.length, 2)
})

test('opening reads what was changed since the last sync, and nothing else', async t => {
  const machine = await Machine.start()
  await machine.put(0, 16 * chunkBytes, 1)
  await machine.sync()
  await machine.put(5 * chunkBytes, pageBytes, 2)
  const read: number[] = []
  machine.device.read = (position, target) => {
    read.push(target.length)
    return MemoryDevice.prototype.read.call(machine.device, position, target)
  }
  machine.index.reopen()
  await machine.open()
  t.deepEqual(read, [chunkBytes])
  await machine.sync()
  await machine.open()
  t.deepEqual(read, [chunkBytes])
})

test('what a sync could not write falls back when the store is opened anew, though it could be read', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  await machine.put(0, chunkBytes, 2)
  machine.device.faults = { ...noFaults, syncError: 1 }
  await t.throwsAsync(machine.sync(), { code: 'DISK' })
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 2))
  machine.device.faults = noFaults
  machine.index.reopen()
  await machine.open()
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
  t.is(machine.fallen.length, 1)
})

test('what a disk cannot read any more falls back as what it lost', async t => {
  const machine = await Machine.start()
  await machine.put(0, chunkBytes, 1)
  await machine.sync()
  await machine.put(0, chunkBytes, 2)
  machine.index.crash(all)
  machine.device.faults = { ...noFaults, readError: 1 }
  await machine.open()
  machine.device.faults = noFaults
  t.deepEqual(await machine.get(0, chunkBytes), Buffer.alloc(chunkBytes, 1))
})
