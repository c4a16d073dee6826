import test, { type ExecutionContext } from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import {
  chunkBytes,
  maxBlockBytes,
  maxBlockChangesQueued,
  replacingReserveFraction,
} from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { MemoryDevice, noFaults } from '../device/memory.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockKey, BlockStore, StagedBlock } from './contract.ts'
import { blockKeyOf } from './index.ts'
import { IndexDouble } from './index-double.ts'
import { encodeRecord } from './record.ts'

const MiB = 1024 * 1024

interface Fixture {
  readonly env: SimulatedEnv
  readonly device: MemoryDevice
  readonly index: IndexDouble
  readonly logged: unknown[]
  store: BlockStore
  pressure: number
  onPressure: () => void
}

/** A disk that takes so much of new data. */
function withReserve(bytes: number): number {
  return bytes + bytes * replacingReserveFraction
}

interface FixtureOptions {
  readonly capacityBytes?: number
  readonly slowestMs?: number
}

async function setUp(options: FixtureOptions = {}): Promise<Fixture> {
  const env = new SimulatedEnv({ seed: 5 })
  const device = new MemoryDevice({ env, capacityBytes: 64 * MiB, ...options })
  const fixture: Fixture = {
    env,
    device,
    index: new IndexDouble(),
    logged: [],
    store: undefined as never,
    pressure: 0,
    onPressure: () => {},
  }
  await open(fixture)
  return fixture
}

async function open(fixture: Fixture): Promise<void> {
  const { env, device, index, logged } = fixture
  const opening = openBlockStore({
    env,
    device,
    index,
    partitions: [0, 1, 2, 3],
    fallenBack: () => [],
    log: { error: (...entry) => logged.push(entry) },
    onPressure: () => {
      fixture.pressure++
      fixture.onPressure()
    },
  })
  fixture.store = await passing(env, opening)
}

/** Lets simulated time pass until the promise is settled. */
async function passing<T>(env: SimulatedEnv, promise: Promise<T>): Promise<T> {
  let settled = false
  const done = () => {
    settled = true
  }
  promise.then(done, done)
  await env.run(() => settled)
  return await promise
}

function block(number: number): BlockKey {
  return { partition: 3, ino: 3 * 2 ** 40 + 77, generation: 1, block: number }
}

function bytes(length: number, seed: number): Buffer {
  return Buffer.from(
    Uint8Array.from({ length }, (_, at) => (at * 13 + seed * 101 + (at >>> 8)) & 255),
  )
}

function write(f: Fixture, key: BlockKey, offset: number, data: Buffer): Promise<StagedBlock> {
  return f.store.write(key, offset, [data], checksumsOf([data], offset, chunkBytes))
}

function commit(f: Fixture, change: StagedBlock | null): void {
  if (!change) return
  f.index.stage(change.mutations)
  change.staged()
}

async function put(f: Fixture, key: BlockKey, offset: number, data: Buffer): Promise<void> {
  commit(f, await write(f, key, offset, data))
}

async function get(
  f: Fixture,
  key: BlockKey,
  offset: number,
  length: number,
): Promise<Buffer | null> {
  const data = await f.store.read(key, offset, length)
  if (!data) return null
  const whole = Buffer.concat(data.pieces)
  if (!checksumsOf([whole], offset, chunkBytes).every((byte, at) => byte === data.checksums[at])) {
    throw new Error('checksums do not fit the pieces')
  }
  return whole
}

async function syncAll(f: Fixture): Promise<void> {
  f.index.sync(await f.store.sync())
  f.store.indexSynced()
}

test('a block is not there until its change is staged, and then it is', async t => {
  const f = await setUp()
  const change = await write(f, block(0), 0, bytes(MiB, 1))
  t.is(await get(f, block(0), 0, 10), null)
  t.is(change.blockDelta, 1)
  t.is(change.byteDelta, MiB)
  commit(f, change)
  t.true((await get(f, block(0), 0, MiB))!.equals(bytes(MiB, 1)))
  t.is((await f.store.statistics()).blocks, 1)
})

test('a whole block is one write and one read of the device', async t => {
  const f = await setUp()
  const calls: string[] = []
  const { read, write: deviceWrite } = MemoryDevice.prototype
  f.device.read = (position, target) => {
    calls.push(`read ${target.length}`)
    return read.call(f.device, position, target)
  }
  f.device.write = (position, pieces) => {
    calls.push(`write ${Buffer.concat(pieces).length}`)
    return deviceWrite.call(f.device, position, pieces)
  }
  await put(f, block(0), 0, bytes(MiB, 1))
  const data = await f.store.read(block(0), 0, MiB)
  t.deepEqual(calls, [`write ${MiB}`, `read ${MiB}`])
  t.is(data?.pieces.length, 16)
})

test('parts of chunks are merged with what was there', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(200_000, 1))
  await put(f, block(0), 60_000, bytes(80_000, 2))
  const expected = bytes(200_000, 1)
  expected.set(bytes(80_000, 2), 60_000)
  t.true((await get(f, block(0), 0, 200_000))!.equals(expected))
  t.true((await get(f, block(0), 65_000, 1000))!.equals(expected.subarray(65_000, 66_000)))
})

test('gaps, holes and what is behind the end read as zeros', async t => {
  const f = await setUp()
  await put(f, block(0), 10, bytes(20, 1))
  await put(f, block(0), 300_000, bytes(5, 2))
  const expected = Buffer.alloc(400_000)
  expected.set(bytes(20, 1), 10)
  expected.set(bytes(5, 2), 300_000)
  t.true((await get(f, block(0), 0, 400_000))!.equals(expected))
  t.deepEqual(await get(f, block(0), 350_000, 10), Buffer.alloc(10))
  t.deepEqual(await get(f, block(0), MiB, 70_000), Buffer.alloc(70_000))
  t.is((await f.store.statistics()).usedBytes, (1 + 10) * 4096)
})

test('a read of nothing has no pieces', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(20, 1))
  for (const offset of [0, 10, chunkBytes]) {
    const data = await f.store.read(block(0), offset, 0)
    t.is(data?.pieces.length, 0)
    t.is(data?.checksums.length, 0)
  }
})

test('a checksum that does not fit the data changes nothing', async t => {
  const f = await setUp()
  const data = bytes(100_000, 1)
  const wrong = checksumsOf([data], 0, chunkBytes)
  wrong[9]! ^= 1
  await t.throwsAsync(f.store.write(block(0), 0, [data], wrong), { code: 'CHECKSUM' })
  await t.throwsAsync(f.store.write(block(0), 0, [data], wrong.subarray(0, 8)), {
    code: 'CHECKSUM',
  })
  t.is((await f.store.statistics()).usedBytes, 0)
  await put(f, block(0), 0, data)
})

test('ranges that no block has are refused', async t => {
  const f = await setUp()
  const refused = { code: 'MALFORMED' }
  await t.throwsAsync(f.store.read(block(0), -1, 1), refused)
  await t.throwsAsync(f.store.read(block(0), 0.5, 1), refused)
  await t.throwsAsync(f.store.read(block(0), maxBlockBytes, 1), refused)
  await t.throwsAsync(write(f, block(0), maxBlockBytes, bytes(1, 1)), refused)
  await t.throwsAsync(f.store.write(block(0), 0, [], new Uint8Array(0)), refused)
})

test('a cut drops the bytes behind it, moves nothing, and a cut at 0 removes the block', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(MiB, 1))
  const change = await f.store.cut(block(0), 100_000)
  t.is(change?.byteDelta, 100_000 - MiB)
  t.is(change?.blockDelta, 0)
  commit(f, change)
  const expected = Buffer.alloc(MiB)
  expected.set(bytes(100_000, 1))
  t.true((await get(f, block(0), 0, MiB))!.equals(expected))
  t.is(await f.store.cut(block(0), 100_000), null)
  const removal = await f.store.cut(block(0), 0)
  t.is(removal?.blockDelta, -1)
  commit(f, removal)
  t.is(await get(f, block(0), 0, 10), null)
  t.is(await f.store.cut(block(0), 0), null)
  await syncAll(f)
  t.like(await f.store.statistics(), { blocks: 0, usedBytes: 0, freeBytes: 63 * MiB })
})

test('an abandoned change leaves the block and the space as they were', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(100_000, 1))
  const before = await f.store.statistics()
  const change = await write(f, block(0), 50_000, bytes(100_000, 2))
  change.abandoned()
  t.throws(() => change.staged(), { name: 'AssertionError' })
  t.deepEqual(await f.store.statistics(), before)
  t.true((await get(f, block(0), 0, 100_000))!.equals(bytes(100_000, 1)))
})

test('a bit that flips on the disk is an error for reads, merges and cuts, never wrong bytes', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(200_000, 1))
  t.true(await f.store.verify(block(0)))
  f.device.flipBit(70_000)
  const failed = { code: 'CHECKSUM' }
  await t.throwsAsync(f.store.read(block(0), 0, 200_000), failed)
  await t.throwsAsync(f.store.read(block(0), 65_536, 1), failed)
  await t.throwsAsync(write(f, block(0), 100_000, bytes(10, 2)), failed)
  await t.throwsAsync(f.store.cut(block(0), 100_000), failed)
  t.false(await f.store.verify(block(0)))
  t.true((await get(f, block(0), 0, 65_536))!.equals(bytes(65_536, 1)))
  t.is((await f.store.statistics()).checksumErrors, 5)
  await put(f, block(0), 65_536, bytes(65_536, 3))
  t.true(await f.store.verify(block(0)))
})

test('a disk error is told as such, and a failed write gives its space back', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(1000, 1))
  const before = await f.store.statistics()
  f.device.faults = { ...noFaults, readError: 1, writeError: 1 }
  await t.throwsAsync(f.store.read(block(0), 0, 10), { code: 'DISK' })
  await t.throwsAsync(f.store.verify(block(0)), { code: 'DISK' })
  await t.throwsAsync(write(f, block(1), 0, bytes(1000, 1)), { code: 'DISK' })
  f.device.faults = noFaults
  t.deepEqual(await f.store.statistics(), before)
  t.true((await get(f, block(0), 0, 1000))!.equals(bytes(1000, 1)))
  await put(f, block(1), 0, bytes(1000, 1))
})

test('after a failed sync nothing is written or synced any more, but reads go on', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(1000, 1))
  f.device.faults = { ...noFaults, syncError: 1 }
  const both = await Promise.allSettled([f.store.sync(), f.store.sync()])
  t.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  f.device.faults = noFaults
  await t.throwsAsync(f.store.sync(), { code: 'DISK' })
  await t.throwsAsync(write(f, block(0), 0, bytes(10, 1)), { code: 'DISK' })
  t.true((await get(f, block(0), 0, 1000))!.equals(bytes(1000, 1)))
})

test('a full disk leaves all as it was, and deleting makes room after a sync', async t => {
  const f = await setUp({ capacityBytes: withReserve(4 * MiB) })
  for (let number = 0; number < 4; number++) await put(f, block(number), 0, bytes(MiB, number))
  await t.throwsAsync(write(f, block(4), 0, bytes(1, 1)), { code: 'ENOSPC' })
  for (let number = 0; number < 4; number++) {
    t.true((await get(f, block(number), 0, MiB))!.equals(bytes(MiB, number)))
  }
  commit(f, await f.store.cut(block(2), 0))
  await syncAll(f)
  await put(f, block(4), 0, bytes(MiB, 4))
  t.is((await f.store.statistics()).freeBytes, 0)
})

test('space that a sync would free is asked for, and the write waits for it', async t => {
  const f = await setUp({ capacityBytes: withReserve(2 * MiB) })
  await put(f, block(0), 0, bytes(MiB, 0))
  await put(f, block(0), 0, bytes(MiB, 1))
  const writing = write(f, block(1), 0, bytes(MiB, 2))
  f.onPressure = () => void syncAll(f)
  commit(f, await writing)
  t.is(f.pressure, 1)
  t.true((await get(f, block(0), 0, MiB))!.equals(bytes(MiB, 1)))
  t.true((await get(f, block(1), 0, MiB))!.equals(bytes(MiB, 2)))
})

test('a write that waits for space in vain is told ENOSPC', async t => {
  const f = await setUp({ capacityBytes: withReserve(2 * MiB) })
  await put(f, block(0), 0, bytes(MiB, 0))
  await put(f, block(0), 0, bytes(MiB, 1))
  const refused = t.throwsAsync(write(f, block(1), 0, bytes(MiB, 2)), { code: 'ENOSPC' })
  await f.env.advance(60_000)
  await refused
  t.is(f.pressure, 1)
  await syncAll(f)
  await put(f, block(1), 0, bytes(MiB, 2))
})

test('a scattered disk still takes what fits', async t => {
  const f = await setUp({ capacityBytes: withReserve(4 * MiB) })
  for (let number = 0; number < 1024; number++) await put(f, block(number), 0, bytes(4096, number))
  for (let number = 0; number < 1024; number += 2) commit(f, await f.store.cut(block(number), 0))
  await syncAll(f)
  await put(f, block(2000), 0, bytes(2 * MiB, 7))
  t.true((await get(f, block(2000), 0, 2 * MiB))!.equals(bytes(2 * MiB, 7)))
  await open(f)
  t.true(
    (await get(f, block(2000), 100_001, MiB))!.equals(
      bytes(2 * MiB, 7).subarray(100_001, 100_001 + MiB),
    ),
  )
  commit(f, await f.store.cut(block(2000), 70_001))
  t.true((await get(f, block(2000), 0, 70_001))!.equals(bytes(70_001, 7)))
  await syncAll(f)
  t.is((await f.store.statistics()).usedBytes, (512 + 18) * 4096)
})

test('a read that overlaps overwriting, syncing and reuse of its space sees the old bytes', async t => {
  const f = await setUp({ capacityBytes: withReserve(2 * MiB) })
  await put(f, block(0), 0, bytes(MiB, 0))
  const release = Promise.withResolvers<void>()
  const { read } = MemoryDevice.prototype
  f.device.read = async (position, target) => {
    await release.promise
    await read.call(f.device, position, target)
  }
  const reading = get(f, block(0), 0, MiB)
  await put(f, block(0), 0, bytes(MiB, 1))
  await syncAll(f)
  const writing = write(f, block(1), 0, bytes(MiB, 2))
  await f.env.advance(100)
  t.is(f.pressure, 0, 'a sync does not end a read')
  release.resolve()
  t.true((await reading)!.equals(bytes(MiB, 0)))
  commit(f, await writing)
  t.true((await get(f, block(0), 0, MiB))!.equals(bytes(MiB, 1)))
})

test('freed space is not reused before the index that forgot it is on the disk', async t => {
  const f = await setUp({ capacityBytes: withReserve(3 * MiB) })
  await put(f, block(0), 0, bytes(MiB, 0))
  await syncAll(f)
  const mark = f.store.stagedMark()
  await put(f, block(0), 0, bytes(MiB, 1))
  f.store.indexSynced(mark)
  await put(f, block(1), 0, bytes(MiB, 2))
  f.index.crash()
  f.device.crash('tear')
  await open(f)
  t.true((await get(f, block(0), 0, MiB))!.equals(bytes(MiB, 0)))
  t.is(await get(f, block(1), 0, 1), null)
})

test('changes of one block take their turns in order, and others do not wait', async t => {
  const f = await setUp({ slowestMs: 5 })
  const first = await passing(f.env, write(f, block(0), 0, bytes(1000, 0)))
  const order: number[] = []
  const later = Array.from({ length: 20 }, async (_, at) => {
    const change = await write(f, block(0), at * 10, bytes(10, at + 1))
    order.push(at)
    commit(f, change)
  })
  await passing(f.env, put(f, block(1), 0, bytes(10, 1)))
  t.deepEqual(order, [])
  commit(f, first)
  await passing(f.env, Promise.all(later))
  t.deepEqual(order, [...order.keys()])
  const expected = bytes(1000, 0)
  for (let at = 0; at < 20; at++) expected.set(bytes(10, at + 1), at * 10)
  t.true((await passing(f.env, get(f, block(0), 0, 1000)))!.equals(expected))
})

test('the queue of one block is bounded, and waiting in it has an end', async t => {
  const f = await setUp()
  const first = await write(f, block(0), 0, bytes(10, 0))
  const waiting = Array.from({ length: maxBlockChangesQueued }, () => f.store.cut(block(0), 5))
  await t.throwsAsync(f.store.cut(block(0), 5), { code: 'OVERLOADED' })
  const all = Promise.allSettled(waiting)
  await f.env.advance(60_000)
  for (const result of await all) {
    t.like(result, { status: 'rejected', reason: { code: 'TIMEOUT' } })
  }
  commit(f, first)
  await put(f, block(0), 0, bytes(10, 1))
})

test('a closed store refuses everything and turns away who waits', async t => {
  const f = await setUp()
  const first = await write(f, block(0), 0, bytes(10, 0))
  const waiting = t.throwsAsync(write(f, block(0), 0, bytes(10, 1)), { code: 'CLOSED' })
  await f.store.close()
  await f.store.close()
  await waiting
  first.abandoned()
  await t.throwsAsync(f.store.read(block(0), 0, 1), { code: 'CLOSED' })
  await t.throwsAsync(write(f, block(0), 0, bytes(1, 1)), { code: 'CLOSED' })
  await t.throwsAsync(f.store.cut(block(0), 0), { code: 'CLOSED' })
  await t.throwsAsync(async () => f.store.sync(), { code: 'CLOSED' })
})

test('a store that is opened again has its blocks and their space', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(300_000, 1))
  await put(f, block(7), 70_000, bytes(10, 2))
  await put(f, { ...block(7), partition: 0 }, 0, bytes(10, 3))
  await syncAll(f)
  const before = await f.store.statistics()
  await f.store.close()
  f.device.reopen()
  await open(f)
  t.deepEqual(await f.store.statistics(), before)
  t.true((await get(f, block(0), 0, 300_000))!.equals(bytes(300_000, 1)))
  t.deepEqual(f.logged, [])
})

test('records that share space, lie outside or cannot be read are told and served as errors', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(100_000, 1))
  await put(f, block(1), 0, bytes(100_000, 2))
  const [stolen, alien, broken, fine] = [block(2), block(3), block(4), block(5)]
  await put(f, fine, 0, bytes(1000, 5))
  const checksum = new Uint8Array(8)
  f.index.stage([
    {
      key: blockKeyOf(stolen),
      value: encodeRecord([
        {
          length: 4096,
          checksum,
          extents: [{ unit: 3, units: 1 }],
          unsynced: null,
          unwritten: false,
        },
      ]),
    },
    {
      key: blockKeyOf(alien),
      value: encodeRecord([
        {
          length: 4096,
          checksum,
          extents: [{ unit: 16_384, units: 1 }],
          unsynced: null,
          unwritten: false,
        },
      ]),
    },
    { key: blockKeyOf(broken), value: Uint8Array.of(1, 1, 1) },
  ])
  await open(f)
  t.is(f.logged.length, 1 + 4)
  for (const damaged of [block(0), stolen, alien, broken]) {
    await t.throwsAsync(f.store.read(damaged, 0, 10), { code: 'DISK' })
    await t.throwsAsync(write(f, damaged, 0, bytes(10, 1)), { code: 'DISK' })
  }
  t.true((await get(f, block(1), 0, 100_000))!.equals(bytes(100_000, 2)))
  t.true((await get(f, fine, 0, 1000))!.equals(bytes(1000, 5)))
  for (const damaged of [block(0), stolen, alien, broken]) {
    const removal = await f.store.cut(damaged, 0)
    t.is(removal?.blockDelta, -1)
    commit(f, removal)
    t.is(await get(f, damaged, 0, 10), null)
  }
  await put(f, broken, 0, bytes(10, 1))
  await syncAll(f)
  await open(f)
  t.is(f.logged.length, 1 + 4)
  t.is((await f.store.statistics()).usedBytes, (25 + 1 + 1) * 4096)
})

test('a record that has decayed is told and served as an error, until its block is removed', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(1000, 1))
  await put(f, block(1), 0, bytes(1000, 2))
  f.index.rotten.add(blockKeyOf(block(0)))
  await open(f)
  t.is(f.logged.length, 1 + 1)
  await t.throwsAsync(f.store.read(block(0), 0, 10), { code: 'CHECKSUM' })
  t.true((await get(f, block(1), 0, 1000))!.equals(bytes(1000, 2)))
  const removal = await f.store.cut(block(0), 0)
  t.is(removal?.blockDelta, -1)
  commit(f, removal!)
  t.is(await get(f, block(0), 0, 10), null)
})

/** As the bytes of one block are after all that was done to them. */
class Model {
  readonly bytes = Buffer.alloc(4 * chunkBytes)

  async check(t: ExecutionContext, f: Fixture, key: BlockKey): Promise<void> {
    const { length } = this.bytes
    t.true(((await get(f, key, 0, length)) ?? Buffer.alloc(length)).equals(this.bytes))
  }
}

test('what is punched is zeros, and whole chunks give back their space', async t => {
  const f = await setUp()
  const model = new Model()
  bytes(4 * chunkBytes, 1).copy(model.bytes)
  await put(f, block(0), 0, bytes(4 * chunkBytes, 1))
  const ranges = [
    { offset: 100, length: 50, space: 0 },
    { offset: chunkBytes + 5000, length: chunkBytes, space: -14 * 4096 },
    { offset: 3 * chunkBytes - 1, length: chunkBytes + 1, space: -16 * 4096 },
    { offset: 0, length: 4 * chunkBytes, space: -34 * 4096 },
  ]
  for (const { offset, length, space } of ranges) {
    const change = await f.store.punch(block(0), { offset, length })
    t.is(change?.spaceDelta, space, `${length} from ${offset}`)
    commit(f, change)
    model.bytes.fill(0, offset, offset + length)
    await model.check(t, f, block(0))
    await open(f)
    await model.check(t, f, block(0))
  }
  await syncAll(f)
  t.is(await get(f, block(0), 0, 1), null)
  t.like(await f.store.statistics(), { blocks: 0, usedBytes: 0 })
  t.is(await f.store.punch(block(0), { offset: 0, length: 100 }), null)
})

test('a punch that is abandoned leaves everything as it was', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(4 * chunkBytes, 1))
  const change = await f.store.punch(block(0), { offset: 10, length: 3 * chunkBytes })
  change?.abandoned()
  t.true((await get(f, block(0), 0, 4 * chunkBytes))!.equals(bytes(4 * chunkBytes, 1)))
  await syncAll(f)
  t.is((await f.store.statistics()).usedBytes, 4 * chunkBytes)
})

test('what is allocated is zeros where nothing was, takes its space, and is a hole', async t => {
  const f = await setUp()
  await put(f, block(0), chunkBytes, bytes(100, 1))
  const change = await f.store.allocate(block(0), { offset: 5, length: 3 * chunkBytes }, false)
  t.is(change?.spaceDelta, (16 + 15 + 16 + 1) * 4096)
  commit(f, change)
  const model = new Model()
  bytes(100, 1).copy(model.bytes, chunkBytes)
  await model.check(t, f, block(0))
  await open(f)
  await model.check(t, f, block(0))
  t.is(f.store.seek(block(0), 0, 'data'), chunkBytes)
  t.is(f.store.seek(block(0), 3 * chunkBytes, 'data'), -1)
  t.is(f.store.seek(block(0), 3 * chunkBytes, 'hole'), 3 * chunkBytes)
  t.is(await f.store.allocate(block(0), { offset: 5, length: 3 * chunkBytes }, false), null)
  await put(f, block(0), 10, bytes(100, 2))
  bytes(100, 2).copy(model.bytes, 10)
  await model.check(t, f, block(0))
})

test('what is zeroed keeps its space, and is a hole where whole chunks are', async t => {
  const f = await setUp()
  const model = new Model()
  bytes(4 * chunkBytes, 1).copy(model.bytes)
  await put(f, block(0), 0, bytes(4 * chunkBytes, 1))
  const range = { offset: 1000, length: 2 * chunkBytes }
  const change = await f.store.allocate(block(0), range, true)
  t.is(change?.spaceDelta, 0)
  commit(f, change)
  model.bytes.fill(0, range.offset, range.offset + range.length)
  await model.check(t, f, block(0))
  t.is(f.store.seek(block(0), 0, 'hole'), chunkBytes)
  t.is(f.store.seek(block(0), chunkBytes, 'data'), 2 * chunkBytes)
  await syncAll(f)
  await open(f)
  await model.check(t, f, block(0))
  t.is((await f.store.statistics()).usedBytes, 4 * chunkBytes)
  commit(f, await f.store.cut(block(0), chunkBytes + 10))
  model.bytes.fill(0, chunkBytes + 10)
  await model.check(t, f, block(0))
})

test('a full disk still lets what is there be written over, punched, and filled in', async t => {
  const f = await setUp({ capacityBytes: withReserve(12 * MiB) })
  f.onPressure = () => void syncAll(f)
  commit(f, await f.store.allocate(block(0), { offset: 0, length: MiB }, false))
  for (let number = 1; number < 12; number++) await put(f, block(number), 0, bytes(MiB, number))
  t.is((await f.store.statistics()).freeBytes, 0)
  await t.throwsAsync(write(f, block(16), 0, bytes(1, 1)), { code: 'ENOSPC' })
  const refused = f.store.allocate(block(16), { offset: 0, length: 1 }, false)
  await t.throwsAsync(refused, { code: 'ENOSPC' })
  for (let at = 0; at < MiB; at += chunkBytes) {
    await put(f, block(0), at, bytes(chunkBytes, at))
    await put(f, block(1), at, bytes(chunkBytes, at))
    commit(f, await f.store.punch(block(2), { offset: at + 1, length: 10 }))
  }
  const expected = Array.from({ length: 16 }, (_, at) => bytes(chunkBytes, at * chunkBytes))
  t.true((await get(f, block(0), 0, MiB))!.equals(Buffer.concat(expected)))
  t.true((await get(f, block(1), 0, MiB))!.equals(Buffer.concat(expected)))
})

test('data and holes are found by pages', async t => {
  const f = await setUp()
  t.is(f.store.seek(block(0), 7, 'data'), -1)
  t.is(f.store.seek(block(0), 7, 'hole'), 7)
  await put(f, block(0), 0, bytes(5000, 1))
  await put(f, block(0), 2 * chunkBytes, bytes(2 * chunkBytes, 1))
  t.is(f.store.seek(block(0), 7, 'data'), 7)
  t.is(f.store.seek(block(0), 7, 'hole'), 8192)
  t.is(f.store.seek(block(0), 8192, 'data'), 2 * chunkBytes)
  t.is(f.store.seek(block(0), 2 * chunkBytes, 'hole'), 4 * chunkBytes)
  t.is(f.store.seek(block(0), 4 * chunkBytes, 'data'), -1)
})

test('a disk that grows gives its new room', async t => {
  const f = await setUp({ capacityBytes: withReserve(MiB) })
  await put(f, block(0), 0, bytes(MiB, 1))
  await t.throwsAsync(write(f, block(1), 0, bytes(1, 1)), { code: 'ENOSPC' })
  f.device.resize(withReserve(2 * MiB))
  await put(f, block(1), 0, bytes(MiB, 2))
  t.is((await f.store.statistics()).capacityBytes, withReserve(2 * MiB))
})
