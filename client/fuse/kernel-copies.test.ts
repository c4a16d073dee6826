import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { kernelKeepsMs, kernelSpareMs } from '../../network/limits.ts'
import type { RecallListener, UnleasedListener } from '../cluster/read-leases.ts'
import { KernelCopies } from './kernel-copies.ts'
import { noCaching } from './memory-file-system.ts'
import { opcode } from './protocol/numbers.ts'
import { createFile, startSession, text, u32, u64 } from './session.test-support.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  return { env, copies: new KernelCopies(env.clock) }
}

test('what a thread was told is on its way until it asks again, or has had the time', async t => {
  const { env, copies } = setUp()
  t.is(copies.tell(7, 1, kernelKeepsMs), kernelKeepsMs)
  t.true(copies.isOnTheWay(1))
  t.false(copies.isOnTheWay(2))
  copies.served(8)
  t.true(copies.isOnTheWay(1))
  copies.served(7)
  t.false(copies.isOnTheWay(1))
  copies.tell(7, 1, kernelKeepsMs)
  await env.advance(kernelSpareMs - 1)
  t.true(copies.isOnTheWay(1))
  await env.advance(1)
  t.false(copies.isOnTheWay(1), 'the kernel may have evicted it since')
})

test('what is told first after others have changed it is not kept, before the kernel has it', t => {
  const { copies } = setUp()
  copies.tell(7, 1, kernelKeepsMs)
  copies.outdate(1)
  t.true(copies.isKept(1))
  copies.dropping(1)()
  t.false(copies.isKept(1))
  t.is(copies.tell(7, 1, kernelKeepsMs), 0)
  t.is(copies.tell(8, 1, kernelKeepsMs), 0)
  copies.served(8)
  t.is(copies.tell(8, 1, kernelKeepsMs), kernelKeepsMs)
})

test('a thread without a number is told nothing that may be kept', t => {
  t.is(setUp().copies.tell(0, 1, kernelKeepsMs), 0)
})

test('who alone changes names in a directory is told what may be kept of it, others are not', async t => {
  const attributesMs = (_: unknown, isChangers: boolean) => (isChangers ? 1000 : 0)
  const { channel, session } = startSession({ cache: { ...noCaching, attributesMs } })
  const keptNs = async (thread: number) => {
    channel.thread = thread
    const { body } = await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
    return Number(body.readBigUInt64LE(0)) * 1e9 + body.readUInt32LE(8)
  }
  channel.thread = 7
  await createFile(channel, session, 'f')
  t.deepEqual([await keptNs(7), await keptNs(8)], [1e9, 0])
  channel.thread = 8
  await channel.ask(session, opcode.unlink, 1, [text('f')])
  t.deepEqual([await keptNs(7), await keptNs(8)], [0, 1e9])
})

/** What a thread was told of the top is kept; `recall` calls it back. */
async function startKept() {
  let listener: RecallListener = () => Promise.reject(new Error('nobody listens'))
  const onRecall = (heard: RecallListener) => {
    listener = heard
    return () => undefined
  }
  const cache = { ...noCaching, attributesMs: () => 1000, onRecall }
  const started = startSession({ cache })
  const { channel, session, fileSystem } = started
  channel.thread = 7
  await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  return { ...started, recall: () => listener({ inodes: [fileSystem.root], names: [] }) }
}

/** As `startKept`; `unlease` says that it is not leased. */
async function startUnleased() {
  let listener: UnleasedListener = () => Promise.reject(new Error('nobody listens'))
  const onUnleased = (heard: UnleasedListener) => {
    listener = heard
    return () => undefined
  }
  const cache = { ...noCaching, attributesMs: () => kernelKeepsMs, onUnleased }
  const started = startSession({ cache })
  const { channel, session, fileSystem } = started
  channel.thread = 7
  await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  return { ...started, unlease: () => listener(fileSystem.root) }
}

test('what is not leased the kernel drops, once, and may be told anew', async t => {
  const { channel, session, unlease } = await startUnleased()
  await unlease()
  await unlease()
  t.is(channel.notices.length, 1)
  const { body } = await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  t.is(Number(body.readBigUInt64LE(0)), kernelKeepsMs / 1000)
})

test('what was told after the kernel had dropped it, and before that was heard, is dropped by the next recall', async t => {
  const { channel, session, unlease } = await startUnleased()
  const { notify } = channel
  const heard = Promise.withResolvers<void>()
  channel.notify = async (...notice) => {
    const errno = await notify.apply(channel, notice)
    await heard.promise
    return errno
  }
  const dropping = unlease()
  await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  heard.resolve()
  await dropping
  await unlease()
  t.is(channel.notices.length, 2)
})

test('where the kernel does not drop it, others wait until its time is over, and a person is told', async t => {
  const { channel, unlease, unexpected } = await startUnleased()
  channel.notify = async () => 22
  const alive = setInterval(() => {}, 1000)
  const begunMs = performance.now()
  await unlease()
  clearInterval(alive)
  t.true(performance.now() - begunMs >= kernelKeepsMs - 50)
  t.is(unexpected.length, 1)
})

test('a recall waits for its turn behind other notices, and is answered when the kernel has dropped what it kept', async t => {
  const { channel, recall } = await startKept()
  const { notify } = channel
  channel.notify = async () => 11
  setImmediate(() => setImmediate(() => Object.assign(channel, { notify })))
  await recall()
  t.is(channel.notices.length, 1)
})

test('what others are being told of a directory is called in question before a listing from its start is answered', async t => {
  for (const operation of [opcode.readdir, opcode.readdirplus]) {
    const { channel, session } = await startKept()
    channel.thread = 8
    const { body } = await channel.ask(session, opcode.opendir, 1, [u32(0), u32(0)])
    const handle = body.readBigUInt64LE(0)
    const list = async (offset: bigint) => {
      const fields = [u64(handle), u64(offset), u32(4096), u32(0), u64(0n), u32(0), u32(0)]
      await channel.ask(session, operation, 1, fields)
      return channel.notices.length
    }
    t.is(await list(0n), 1, 'thread 7 may have it from before')
    t.is(await list(2n), 1, 'going on moves no access time')
  }
})

test('that the kernel refuses to drop what it kept is told to its server, and to a person', async t => {
  const { channel, recall, unexpected } = await startKept()
  channel.notify = async () => 22
  await t.throwsAsync(recall(), { code: 'EIO' })
  t.is(unexpected.length, 1)
})
