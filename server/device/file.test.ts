import { type FileHandle, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { directAlignmentBytes, directIo } from '../../network/disk/direct-io.ts'
import type { Clock } from '../../network/env/env.ts'
import { realEnv } from '../../network/env/real.ts'
import {
  directMeanWrites,
  directRestMs,
  directRoomBytes,
  directSlowMs,
  directWriteBytes,
  directWritesAtOnce,
  doneGenerations,
  earlyWriteBytes,
  maxDirectRestMs,
} from '../../network/limits.ts'
import { alignedMemory } from '../../network/memory/process-memory.ts'
import { cachedRead } from './cached-read.ts'
import { deviceCompliance } from './compliance.ts'
import { DirectWrites, openDirectWrites } from './direct-writes.ts'
import { openFileDevice } from './file.ts'
import { fileRange } from './file-range.ts'

async function emptyPath(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-device-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return join(directory, 'blocks.dat')
}

deviceCompliance(test, 'file', async t => {
  const path = await emptyPath(t)
  const device = await openFileDevice(path)
  t.teardown(() => device.close())
  return {
    device,
    async reopen() {
      await device.close()
      return await openFileDevice(path)
    },
  }
})

test('what the page cache has is read at once, by the addon and whole by the device', async t => {
  const path = await emptyPath(t)
  const device = await openFileDevice(path)
  const written = Uint8Array.from({ length: 600_000 }, (_, index) => (index * 7) & 255)
  await device.write(0, [written])
  const file = await open(path)
  const target = new Uint8Array(100_000)
  t.is(cachedRead.read(file.fd, target, 5000), target.length)
  t.deepEqual(Buffer.from(target), Buffer.from(written.subarray(5000, 105_000)))
  t.is(cachedRead.read(file.fd, target, written.length), 0)
  await file.close()
  t.is(cachedRead.read(-1, target, 0), -1)
  for (const length of [100_000, 500_000]) {
    const read = new Uint8Array(length)
    await device.read(50_000, read)
    t.deepEqual(Buffer.from(read), Buffer.from(written.subarray(50_000, 50_000 + length)))
  }
  await device.close()
})

test('much that is written begins to go to the disk, which nobody hears of', async t => {
  const path = await emptyPath(t)
  const device = await openFileDevice(path)
  const part = Buffer.alloc(earlyWriteBytes / 2, 'x')
  for (let at = 0; at < 4 * earlyWriteBytes; at += part.length) await device.write(at, [part])
  const last = device.write(4 * earlyWriteBytes, [part, part])
  await device.close()
  await last
  const file = await open(path)
  t.is(await fileRange.send(file.fd, new Float64Array(0)), 0)
  await file.close()
  t.is(await fileRange.send(-1, new Float64Array(0)), constants.errno.EBADF)
  t.is((await stat(path)).size, 5 * earlyWriteBytes)
})

/** By which every disk is fast. */
const clock = { ...realEnv().clock, monotonicMs: () => 0 }

/** By which every disk is fast, but not infinitely. */
function tickingClock(): Clock {
  let ms = 0
  return { ...realEnv().clock, monotonicMs: () => ms++ }
}

const large = new Uint8Array(directWriteBytes).fill(1)

/** @returns null where the file system knows no such writes. */
async function directOn(t: ExecutionContext, path: string, by: Pick<Clock, 'monotonicMs'> = clock) {
  const handle = await open(path, 'a+')
  const direct = await openDirectWrites(handle, by)
  await handle.close()
  t.teardown(() => direct?.close())
  if (direct === null) t.pass('skipped: this file system knows no such writes')
  return direct
}

/** Where the file system itself keeps nothing of what is written past its page cache. */
async function isPastCache(t: ExecutionContext, path: string): Promise<boolean> {
  const direct = await directOn(t, path)
  await direct?.write(0, [large], large.length)
  return direct !== null && !(await isCached(path, 0))
}

async function isCached(path: string, position: number): Promise<boolean> {
  const file = await open(path)
  const isThere = cachedRead.read(file.fd, new Uint8Array(4096), position) > 0
  await file.close()
  return isThere
}

test('what is large goes past the page cache while the disk keeps up, but not what is short, not whole, or better kept', async t => {
  const path = await emptyPath(t)
  const device = await openFileDevice(path, { env: { clock } })
  t.teardown(() => device.close())
  if (!(await isPastCache(t, path))) {
    t.pass('skipped: this file system writes nothing past its page cache')
    return
  }
  const places = [0, 1, 2, 3, 4, 5].map(at => at * directWriteBytes)
  await Promise.all(places.map(position => device.write(position, [large])))
  const cached = await Promise.all(places.map(position => isCached(path, position)))
  t.true(cached.filter(isThere => !isThere).length >= directWritesAtOnce)
  t.true(cached.includes(true), 'there are more at a time than go past it')
  const short = 8 * directWriteBytes
  await device.write(short, [large.subarray(4096)])
  t.true(await isCached(path, short))
  const ragged = 16 * directWriteBytes
  await device.write(ragged + 10, [large])
  t.true(await isCached(path, ragged + 4096))
  await device.write(ragged, [large], true)
  t.true(await isCached(path, ragged))
  await device.write(ragged, [large])
  t.false(await isCached(path, ragged))
})

for (const isFast of [true, false]) {
  const what = isFast ? 'lets go' : 'keeps what is on a disk that has not shown to be fast'
  test(`the page cache ${what} of what was written a while ago`, async t => {
    const path = await emptyPath(t)
    const device = await openFileDevice(path, { env: { clock: tickingClock() } })
    t.teardown(() => device.close())
    if (!(await isPastCache(t, path))) {
      t.pass('skipped: this file system writes nothing past its page cache')
      return
    }
    if (isFast) await device.write(0, [large])
    const data = new Uint8Array(earlyWriteBytes).fill(2)
    const at = (round: number) => (round + 1) * earlyWriteBytes
    // It is done beside, less often while that takes long; and to look for what is not there has it read.
    let round = 0
    let isThere = true
    while (round < doneGenerations + 2 || (isFast && isThere && round < 50)) {
      await device.write(at(round), [data], true)
      await device.sync()
      await sleep(10)
      if (++round >= doneGenerations + 2) isThere = await isCached(path, at(0))
    }
    t.is(isThere, !isFast)
    t.true(await isCached(path, at(round - 1)))
    const read = new Uint8Array(4096)
    await device.read(at(0), read)
    t.true(read.every(byte => byte === 2))
  })
}

test('what is written past the page cache is what was given, where a disk could take it as it lies and where not', async t => {
  const path = await emptyPath(t)
  const direct = await directOn(t, path)
  if (direct === null) return
  const bytes = 3 * directRoomBytes
  const memory = alignedMemory(bytes + directAlignmentBytes, directAlignmentBytes)
  for (const index of memory.keys()) memory[index] = (index * 7919) >> 8
  const elsewhere = Buffer.from(memory)
  const inPieces = (from: Uint8Array, at: number) =>
    [0, 65_536, 65_537, directRoomBytes, bytes].flatMap((start, index, starts) =>
      index === 0 ? [] : [from.subarray(at + starts[index - 1]!, at + start)],
    )
  const [, ...behind] = inPieces(memory, 0)
  for (const pieces of [
    [memory.subarray(0, bytes)],
    inPieces(memory, 0),
    inPieces(memory, directAlignmentBytes),
    inPieces(memory, 1),
    [elsewhere.subarray(0, 65_536), ...behind],
    [...inPieces(memory, 0).toReversed()],
  ]) {
    t.true(await direct.write(directAlignmentBytes, pieces, bytes))
    const written = await readFile(path)
    t.true(written.subarray(directAlignmentBytes).equals(Buffer.concat(pieces)))
  }
})

test('a disk that takes nothing past the page cache gets it through that', async t => {
  const direct = await directOn(t, await emptyPath(t))
  if (direct === null) return
  t.true(direct.takes(0, large.length))
  const isDone = await direct.write(100, [large], large.length)
  t.is(direct.takes(0, large.length), isDone)
})

test('a disk that does not keep up is left to the page cache, for longer each time that it does not', async t => {
  let nowMs = 0
  const slowMs = (directSlowMs + 1) * directMeanWrites
  let tookMs = slowMs
  const passing = { monotonicMs: () => nowMs }
  const direct = await directOn(t, await emptyPath(t), passing)
  if (direct === null) return
  const write = async () => {
    const writing = direct.write(0, [large], large.length)
    nowMs += tookMs
    await writing
  }
  for (const restMs of [directRestMs, 2 * directRestMs, 4 * directRestMs]) {
    t.true(direct.takes(0, large.length))
    await write()
    nowMs += restMs - 1
    t.false(direct.takes(0, large.length))
    nowMs += 1
  }
  tookMs = 1
  for (let count = 0; count < 8 * directMeanWrites; count++) await write()
  nowMs += maxDirectRestMs
  t.true(direct.takes(0, large.length))
  tookMs = 2 * directSlowMs
  await write()
  t.true(direct.takes(0, large.length), 'one that is slow counts for little')
  tookMs = slowMs
  await write()
  t.false(direct.takes(0, large.length))
  nowMs += directRestMs
  t.true(direct.takes(0, large.length), 'it had kept up meanwhile')
})

test('what cannot be opened for direct writes is written to all the same', async t => {
  const device = await openFileDevice('/dev/null')
  await device.write(0, [large])
  await device.close()
  t.is(await openDirectWrites({ fd: -1 } as FileHandle, clock), null)
})

test('a direct write that fails tells why', async t => {
  const path = await emptyPath(t)
  await writeFile(path, '')
  const direct = new DirectWrites(await open(path), clock)
  t.teardown(() => direct.close())
  await t.throwsAsync(direct.write(0, [large], large.length), { code: 'EBADF' })
  t.true(direct.takes(0, directWriteBytes))
  t.throws(() => directIo.write(-1, 0, [], new Uint8Array(directAlignmentBytes - 1)), {
    instanceOf: TypeError,
  })
})

test('the file is sparse and only its owner may read it', async t => {
  const path = await emptyPath(t)
  const device = await openFileDevice(path)
  await device.write(64 * 1024 * 1024, [new Uint8Array(4096)])
  const status = await stat(path)
  t.true(status.blocks * 512 < 1024 * 1024)
  t.is(status.mode & 0o777, 0o600)
  await device.close()
})

test('room that the file takes up already still counts as room', async t => {
  const device = await openFileDevice(await emptyPath(t))
  const before = await device.space()
  await device.write(0, [new Uint8Array(32 * 1024 * 1024).fill(1)])
  await device.sync()
  const after = await device.space()
  // Others write to the same file system meanwhile, so only the size of the difference is told.
  t.true(Math.abs(after.capacityBytes - before.capacityBytes) < 1024 ** 3)
  await device.close()
})

test('the file holds what it is to hold, and lets go of what it gives back', async t => {
  const path = await emptyPath(t)
  const device = await openFileDevice(path)
  await device.hold(0, 4 * 1024 * 1024)
  t.true((await device.space()).heldBytes >= 4 * 1024 * 1024)
  t.true(await device.giveBack(0, 4 * 1024 * 1024))
  t.true((await device.space()).heldBytes < 64 * 1024)
  await device.close()
})

test('where others need the same disk, more is left free, for overwriting less', async t => {
  const path = await emptyPath(t)
  const alone = await openFileDevice(path)
  const shared = await openFileDevice(path, { neededByOthers: total => total / 16 })
  const [a, b] = [await alone.space(), await shared.space()]
  t.true(b.roomBytes + b.reserveBytes < a.roomBytes + a.reserveBytes)
  await alone.close()
  await shared.close()
})

test('a directory that is not there is told as a disk error that names the file', async t => {
  const path = join(await emptyPath(t), 'missing', 'blocks.dat')
  const error = await t.throwsAsync(openFileDevice(path), { code: 'DISK' })
  t.true(error?.message.includes(path))
  t.truthy(error?.cause)
})

test('a full disk is told as ENOSPC with the path', async t => {
  const device = await openFileDevice('/dev/full')
  const error = await t.throwsAsync(device.write(0, [new Uint8Array(10)]), { code: 'ENOSPC' })
  t.true(error?.message.includes('/dev/full'))
  await device.close()
})
