import test from 'ava'
import { chunkBytes, maxBlockBytes, maxBlockChangesQueued } from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { MemoryDevice, noFaults } from '../device/memory.ts'
import {
  block,
  bytes,
  commit,
  get,
  MiB,
  open,
  passing,
  put,
  putPieces,
  setUp,
  syncAll,
  withReserve,
  write,
} from './block-store.test-support.ts'
import { blockKeyOf } from './index.ts'
import { encodeRecord } from './record.ts'

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
  const all = [{ offset: 0, length: data.length }]
  await t.throwsAsync(f.store.write(block(0), all, [data], wrong), { code: 'CHECKSUM' })
  await t.throwsAsync(f.store.write(block(0), all, [data], wrong.subarray(0, 8)), {
    code: 'CHECKSUM',
  })
  t.is((await f.store.statistics()).usedBytes, 0)
  await put(f, block(0), 0, data)
})

test('pieces of one write are merged with one another and with what there is, chunk by chunk', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(3 * chunkBytes, 1))
  const expected = Buffer.alloc(6 * chunkBytes)
  expected.set(bytes(3 * chunkBytes, 1))
  await putPieces(f, block(0), [
    { offset: 10, data: bytes(20, 2) },
    { offset: 30, data: bytes(5, 3) },
    { offset: 2 * chunkBytes - 7, data: bytes(14, 4) },
    { offset: 5 * chunkBytes + 9, data: bytes(100, 5) },
  ])
  expected.set(bytes(20, 2), 10)
  expected.set(bytes(5, 3), 30)
  expected.set(bytes(14, 4), 2 * chunkBytes - 7)
  expected.set(bytes(100, 5), 5 * chunkBytes + 9)
  t.true((await get(f, block(0), 0, expected.length))!.equals(expected))
  // A hole takes nothing; what lies before the last piece in its chunk is zeros.
  await syncAll(f)
  t.is((await f.store.statistics()).usedBytes, 3 * chunkBytes + 4096)
})

test('a chunk that pieces cover is not read, and one of which they leave a byte is', async t => {
  const f = await setUp()
  await put(f, block(0), 0, bytes(chunkBytes, 1))
  f.device.flipBit(100)
  const covers = [
    { offset: 0, data: bytes(40_000, 2) },
    { offset: 40_000, data: bytes(chunkBytes - 40_000, 3) },
  ]
  for (const [index, left] of [
    [0, covers.with(0, { offset: 1, data: bytes(39_999, 2) })],
    [1, covers.with(1, { offset: 40_001, data: bytes(chunkBytes - 40_001, 2) })],
    [2, covers.with(1, { offset: 40_000, data: bytes(chunkBytes - 40_001, 2) })],
  ] as const) {
    await t.throwsAsync(putPieces(f, block(0), left), { code: 'CHECKSUM' }, `${index}`)
  }
  await putPieces(f, block(0), covers)
  const expected = Buffer.concat(covers.map(({ data }) => data))
  t.true((await get(f, block(0), 0, chunkBytes))!.equals(expected))
})

test('ranges that no block has are refused', async t => {
  const f = await setUp()
  const refused = { code: 'MALFORMED' }
  await t.throwsAsync(f.store.read(block(0), -1, 1), refused)
  await t.throwsAsync(f.store.read(block(0), 0.5, 1), refused)
  await t.throwsAsync(f.store.read(block(0), maxBlockBytes, 1), refused)
  await t.throwsAsync(write(f, block(0), maxBlockBytes, bytes(1, 1)), refused)
  await t.throwsAsync(f.store.write(block(0), [], [], new Uint8Array(0)), refused)
  const twice = [
    { offset: 0, data: bytes(10, 1) },
    { offset: 9, data: bytes(10, 1) },
  ]
  await t.throwsAsync(putPieces(f, block(0), twice), refused)
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

test('a disk that grows gives its new room', async t => {
  const f = await setUp({ capacityBytes: withReserve(MiB) })
  await put(f, block(0), 0, bytes(MiB, 1))
  await t.throwsAsync(write(f, block(1), 0, bytes(1, 1)), { code: 'ENOSPC' })
  f.device.resize(withReserve(2 * MiB))
  await put(f, block(1), 0, bytes(MiB, 2))
  t.is((await f.store.statistics()).capacityBytes, withReserve(2 * MiB))
})
