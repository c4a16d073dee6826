import test, { type ExecutionContext } from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { errnoByCode } from '../../network/errors.ts'
import {
  keptWriteBytes,
  kernelHangMs,
  kernelTimesMs,
  kernelTurnMs,
  maxDropsBeside,
  maxIgnoredTellings,
} from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { RecallListener } from '../cluster/read-leases.ts'
import type { CacheAuthority } from '../fs/contract.ts'
import type { Times } from './kernel-times.ts'
import { MemoryFileSystem, noCaching } from './memory-file-system.ts'
import { opcode } from './protocol/numbers.ts'
import { FakeChannel, text, u32, u64 } from './session.test-support.ts'
import { Session } from './session.ts'

const eagain = -11
const own = 99

/** A session with a file that is open, and what the kernel was made to ask for. */
async function setUp(cache: Partial<CacheAuthority> = {}, wallNs = () => 5n) {
  const env = new SimulatedEnv({ seed: 1 })
  const channel = new FakeChannel()
  const doubted: Ino[] = []
  const doubtPages = (ino: Ino) => void doubted.push(ino)
  const fileSystem = new MemoryFileSystem({
    wallNs,
    cache: { ...noCaching, mayKeepPages: () => true, doubtPages, ...cache },
  })
  const unexpected: unknown[] = []
  const events = { onReady: () => {}, onUnexpected: (error: unknown) => unexpected.push(error) }
  const session = new Session(fileSystem, channel, events, true, null, env)
  const asked: [number, bigint][] = []
  const times = { thread: own, errno: 0, ends: 0 }
  const set = async (node: number, mtimeNs: bigint) => {
    asked.push([node, mtimeNs])
    return times.errno
  }
  const close = () => void times.ends++
  session.writtenPages.times = Object.assign(times, { set, close }) satisfies Times
  const body = [u32(0o102), u32(0o100644), u32(0o022), u32(0), text('f')]
  const made = (await channel.ask(session, opcode.create, 1, body)).body
  const node = Number(made.readBigUInt64LE(0))
  const handle = made.readBigUInt64LE(128)
  const ask = (operation: number, parts: readonly Buffer[]) =>
    channel.ask(session, operation, node, parts)
  const closes = () => ask(opcode.flush, [u64(handle), u64(0n), u64(1n)])
  const writes = async (bytes: number) => {
    for (let left = bytes; left > 0; left -= 4096) {
      const head = [u64(handle), u64(0n), u32(4096), u32(0), u64(0n), u32(2), u32(0)]
      await ask(opcode.write, [...head, Buffer.alloc(4096)])
    }
  }
  return { env, channel, fileSystem, session, times, asked, doubted, node, ask, closes, writes }
}

/** struct fuse_setattr_in that sets an mtime. */
const setMtime = [u32(1 << 5), u32(0), ...Array.from({ length: 10 }, () => u64(0n))]

test('the kernel is told of what was written when it is closed, once, and not of little', async t => {
  const { asked, node, closes, writes } = await setUp()
  await writes(keptWriteBytes - 4096)
  await closes()
  t.deepEqual(asked, [])
  await writes(4096)
  await closes()
  t.deepEqual(asked, [[node, 5n]])
  await closes()
  t.is(asked.length, 1)
})

test('nothing is told of a file that others have changed', async t => {
  const { asked, closes, writes } = await setUp({ mayKeepPages: () => false })
  await writes(keptWriteBytes)
  t.is((await closes()).error, 0)
  t.deepEqual(asked, [])
})

test('what the kernel asks because it was made to changes nothing, and is refused when others have changed the file', async t => {
  let isKept = true
  const { channel, fileSystem, node, ask } = await setUp({ mayKeepPages: () => isKept })
  fileSystem.setattr = async () => t.fail() as never
  channel.thread = own
  const { error, body } = await ask(opcode.setattr, setMtime)
  t.is(error, 0)
  const { mtimeNs } = await fileSystem.getattr(node)
  t.is(body.readBigUInt64LE(16 + 32), mtimeNs / 1_000_000_000n)
  isKept = false
  t.is((await ask(opcode.setattr, setMtime)).error, eagain)
})

test('where root may not do so either, it is not tried again', async t => {
  const { times, asked, closes, writes } = await setUp()
  times.errno = errnoByCode.EPERM
  for (let round = 0; round < 2; round++) {
    await writes(keptWriteBytes)
    await closes()
  }
  t.is(asked.length, 1)
  t.is(times.ends, 1)
})

test('a close does not wait long for the kernel to ask', async t => {
  const { env, channel, session, node, writes } = await setUp()
  session.writtenPages.times!.set = () => new Promise(() => {})
  await writes(keptWriteBytes)
  const { answered } = channel
  channel.send(session, opcode.flush, node, [u64(1n), u64(0n), u64(1n)])
  await env.advance(kernelTimesMs - 1)
  t.is(channel.answered, answered)
  await env.advance(1)
  t.is(channel.answered, answered + 1)
})

test('while the kernel is late to ask for one file, no close waits for it, and no more is asked', async t => {
  const { env, channel, session, node, asked, ask, closes, writes } = await setUp()
  const times = session.writtenPages.times!
  const { set } = times
  const late = Promise.withResolvers<number>()
  times.set = () => late.promise
  await writes(keptWriteBytes)
  channel.send(session, opcode.flush, node, [u64(1n), u64(0n), u64(1n)])
  await env.advance(kernelTimesMs)
  times.set = set
  await writes(keptWriteBytes)
  t.is((await closes()).error, 0)
  t.deepEqual(asked, [])
  late.resolve(0)
  await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])
  await closes()
  t.is(asked.length, 1)
})

/** Steps that end when they are told to. */
function held(): { readonly step: () => Promise<void>; readonly end: () => Promise<void> } {
  const done = Promise.withResolvers<void>()
  const end = async () => {
    done.resolve()
    await new Promise(setImmediate)
  }
  return { step: () => done.promise, end }
}

test('pages that were read beside a write past them are in doubt, others are not', async t => {
  const { session, doubted } = await setUp()
  const { writtenPages } = session
  const [reading, writing, early] = [held(), held(), held()]
  const read = writtenPages.read(7, reading.step)
  const write = writtenPages.writePast(7, writing.step)
  await reading.end()
  await writing.end()
  await Promise.all([read, write])
  t.deepEqual(doubted, [7], 'one that was on its way')
  const second = writtenPages.writePast(7, early.step)
  await writtenPages.read(7, async () => {})
  await early.end()
  await second
  t.deepEqual(doubted, [7, 7], 'one that began meanwhile')
  await writtenPages.read(7, async () => {})
  await writtenPages.writePast(7, async () => {})
  t.is(doubted.length, 2)
})

async function asksBesideWrite(
  t: ExecutionContext,
  hears: boolean,
  ms: number,
  thread: number,
): Promise<number> {
  const { env, channel, ask, writes } = await setUp({ hearsOfChanges: () => hears })
  channel.thread = 7
  await writes(4096)
  await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])
  channel.notices.length = 0
  await env.advance(ms)
  channel.thread = thread
  t.is((await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])).error, 0)
  return channel.notices.length
}

test('pages are gone before a reader is answered whose answer the kernel may ignore for a write, unless changes are heard of', async t => {
  t.is(await asksBesideWrite(t, false, 0, 8), 1)
  t.is(await asksBesideWrite(t, true, 0, 8), 0)
  t.is(await asksBesideWrite(t, false, 0, 7), 0, 'the writer itself has had its turn')
  t.is(await asksBesideWrite(t, false, kernelTurnMs, 8), 0, 'so has it by now')
})

test('of another size the kernel is told: it would not take that after a notice', async t => {
  let ns = 0n
  const { env, channel, fileSystem, node, ask, writes } = await setUp({}, () => ns++)
  const asksBeside = async () => {
    channel.thread = 7
    await writes(4096)
    channel.thread = 8
    await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])
    return channel.notices.length
  }
  await fileSystem.setattr(node, { size: 9000 })
  for (let round = 0; round < maxIgnoredTellings; round++) {
    t.is(await asksBeside(), 0, 'the kernel may have ignored it each time')
  }
  t.is(await asksBeside(), 1, 'hardly so often')
  await fileSystem.setattr(node, { size: 9009 })
  t.is(await asksBeside(), 1)
  await env.advance(kernelTurnMs)
  await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])
  t.is(await asksBeside(), 2, 'no write was beside the last')
})

test('the reply to an open tells the kernel no size', async t => {
  const { channel, fileSystem, node, ask, writes } = await setUp()
  channel.thread = 7
  await writes(4096)
  await fileSystem.setattr(node, { size: 9 })
  await ask(opcode.open, [u32(0), u32(0)])
  channel.thread = 8
  await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])
  t.deepEqual(channel.notices, [])
})

test('others that are about to change a file that is open for writing wait until its pages are gone', async t => {
  let recall: RecallListener | undefined
  const onRecall = (listener: RecallListener) => {
    recall = listener
    return () => {}
  }
  const { channel, node, session, ask } = await setUp({ onRecall })
  const gone = Promise.withResolvers<number>()
  channel.notify = async message => (message.length === 40 && message[24] === 0 ? gone.promise : 0)
  let isAnswered = false
  const answer = recall?.({ inodes: [node], names: [] }).then(() => {
    isAnswered = true
  })
  await new Promise(setImmediate)
  t.false(isAnswered)
  gone.resolve(0)
  await answer
  const writing = held()
  const write = session.writtenPages.writeThrough(node, 1, writing.step)
  const dropped: number[] = []
  channel.notify = async message => {
    if (message[24] === 0) dropped.push(message.length)
    return 0
  }
  await recall?.({ inodes: [node], names: [] })
  t.deepEqual(dropped, [], 'not for those that a write may have locked, before it has ended')
  await writing.end()
  await write
  t.is(dropped.length, 1)
  let drops = 0
  channel.notify = async message => {
    if (message[24] === 0) drops += 1
    return 0
  }
  await recall?.({ inodes: [node], names: [] })
  t.is(drops, 1)
  session.handles.sawMapped(node)
  await recall?.({ inodes: [node], names: [] })
  t.is(drops, 1, 'not of what programs have mapped, which the kernel would have to write first')
  await ask(opcode.release, [u64(1n), u32(0), u32(0), u64(0n)])
  await recall?.({ inodes: [node], names: [] })
  t.is(drops, 1, 'nor of what nobody writes to any more')
})

test('who asks beside a write that hangs is answered all the same, and no notice waits for it', async t => {
  const { env, channel, node, session, writes, ask } = await setUp()
  await writes(4096)
  await ask(opcode.getattr, [u32(0), u32(0), u64(0n)])
  const writing = held()
  const write = session.writtenPages.writeThrough(node, 1, writing.step)
  let notices = 0
  channel.notify = () => {
    notices += 1
    return new Promise(() => {})
  }
  const asks = () => channel.send(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  const { answered } = channel
  asks()
  await env.advance(kernelHangMs - 1)
  t.is(channel.answered, answered, 'its pages are to go first')
  await env.advance(1)
  t.is(channel.answered, answered + 1)
  asks()
  await env.advance(0)
  t.is(channel.answered, answered + 2)
  t.is(notices, 1)
  await writing.end()
  await write
  t.is(notices, 2, 'when it has ended')
})

test('notices about other files find a thread beside those that wait for pages of writes', async t => {
  const { channel, session, env } = await setUp()
  const free: (() => void)[] = []
  channel.notify = () => new Promise(resolve => free.push(() => resolve(0)))
  const inodes = Array.from({ length: maxDropsBeside + 1 }, (_, index) => 7 + index)
  const drops = inodes.map(ino => session.pageDrops.beside(ino))
  await env.advance(0)
  t.is(free.length, maxDropsBeside)
  free[0]?.()
  await drops[0]
  await env.advance(0)
  t.is(free.length, maxDropsBeside + 1)
  await env.advance(kernelHangMs)
  await Promise.all(drops)
})

test('what could not be written does not stay in the pages', async t => {
  const { channel, fileSystem, ask } = await setUp()
  fileSystem.write = async () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' })
  }
  const head = [u64(1n), u64(0n), u32(4), u32(0), u64(0n), u32(2), u32(0)]
  t.not((await ask(opcode.write, [...head, Buffer.alloc(4)])).error, 0)
  t.is(channel.notices.length, 1)
})
