/** A disk that others use too: what it has room for counts, and what is free is given back to it. */
import test from 'ava'
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
  write,
} from './block-store.test-support.ts'

const enospc = { code: 'ENOSPC' }

/** Much is addressed, little is there. */
function thin(thinBytes: number): Promise<Fixture> {
  return setUp({ capacityBytes: 64 * MiB, thinBytes })
}

async function held(f: Fixture): Promise<number> {
  return (await f.device.space()).heldBytes
}

test('no more is given out than the disk below has room for', async t => {
  const f = await thin(5 * MiB)
  for (let number = 0; number < 4; number++) await put(f, block(number), 0, bytes(MiB, number))
  await t.throwsAsync(write(f, block(4), 0, bytes(MiB, 4)), enospc)
  t.is((await f.store.statistics()).freeBytes, 0)
  for (let number = 0; number < 4; number++) {
    t.true((await get(f, block(number), 0, MiB))!.equals(bytes(MiB, number)))
  }
})

test('on a full disk what was deleted is given back to it, and what is left stays whole', async t => {
  const f = await thin(5 * MiB)
  for (let number = 0; number < 4; number++) await put(f, block(number), 0, bytes(MiB, number))
  const full = await held(f)
  commit(f, await f.store.cut(block(1), 0))
  commit(f, await f.store.cut(block(3), 100_000))
  t.true((await f.store.statistics()).freeBytes > MiB)
  t.is(await held(f), full, 'the index that names it may still come back')
  await syncAll(f)
  await f.store.statistics()
  t.true((await held(f)) < full - MiB)
  t.true((await get(f, block(0), 0, MiB))!.equals(bytes(MiB, 0)))
  t.true((await get(f, block(2), 0, MiB))!.equals(bytes(MiB, 2)))
  t.true((await get(f, block(3), 0, 100_000))!.equals(bytes(MiB, 3).subarray(0, 100_000)))
})

test('a write on a full disk waits until what was deleted has been given back', async t => {
  const f = await thin(5 * MiB)
  for (let number = 0; number < 4; number++) await put(f, block(number), 0, bytes(MiB, number))
  commit(f, await f.store.cut(block(0), 0))
  f.onPressure = () => void syncAll(f)
  await put(f, block(9), 0, bytes(MiB, 9))
  t.true((await get(f, block(9), 0, MiB))!.equals(bytes(MiB, 9)))
})

test('what is free in the data file is told apart from what anybody may take', async t => {
  const f = await thin(32 * MiB)
  const shared = async () => {
    const { freeBytes, ownFreeBytes } = await f.store.statistics()
    return freeBytes - ownFreeBytes
  }
  for (let number = 0; number < 4; number++) await put(f, block(number), 0, bytes(MiB, number))
  t.is((await f.store.statistics()).ownFreeBytes, 0)
  const before = await shared()
  commit(f, await f.store.cut(block(1), 0))
  for (const isSynced of [false, true]) {
    if (isSynced) await syncAll(f)
    t.is((await f.store.statistics()).ownFreeBytes, MiB)
    t.is(await shared(), before)
  }
})

test('what was there can be written over on a full disk, again and again', async t => {
  const f = await thin(5 * MiB)
  for (let number = 0; number < 4; number++) await put(f, block(number), 0, bytes(MiB, number))
  f.onPressure = () => void syncAll(f)
  for (let round = 0; round < 10; round++) await put(f, block(2), 0, bytes(MiB, 20 + round))
  t.true((await get(f, block(2), 0, MiB))!.equals(bytes(MiB, 29)))
})

test('space that was allocated is there when others have filled the disk', async t => {
  const f = await thin(6 * MiB)
  commit(f, await f.store.allocate(block(0), { offset: 0, length: 2 * MiB }, false))
  t.is(await held(f), 2 * MiB)
  f.onPressure = () => void syncAll(f)
  for (let number = 1; number < 5; number++) {
    await put(f, block(number), 0, bytes(MiB, number)).catch(() => undefined)
  }
  await t.throwsAsync(write(f, block(7), 0, bytes(MiB, 7)), enospc)
  for (let at = 0; at < 2 * MiB; at += 65_536) await put(f, block(0), at, bytes(65_536, at))
  t.true((await get(f, block(0), MiB, 65_536))!.equals(bytes(65_536, MiB)))
})

test('what an earlier process left in free space is given back', async t => {
  const f = await thin(4 * MiB)
  await f.device.write(20 * MiB, [bytes(3.5 * MiB, 1)])
  await open(f)
  await f.store.statistics()
  t.is(await held(f), 0)
})
