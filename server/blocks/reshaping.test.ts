/** Holes and allocated space in blocks: what they read as, what they take, and where they are found. */
import test, { type ExecutionContext } from 'ava'
import { chunkBytes } from '../../network/limits.ts'
import {
  block,
  bytes,
  commit,
  type Fixture,
  get,
  MiB,
  open,
  put,
  setUp,
  syncAll,
  withReserve,
  write,
} from './block-store.test-support.ts'
import type { BlockKey } from './contract.ts'

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
