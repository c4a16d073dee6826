/** Locks as the kernel asks for them: requests in, answers out, without a kernel. */
import test from 'ava'
import { PosixError } from '../../network/errors.ts'
import type { FileLock, FileLocks } from '../fs/contract.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import { initFlag, opcode } from './protocol/numbers.ts'
import { FakeChannel, text, u32, u64 } from './session.test-support.ts'
import { Session } from './session.ts'

const wallNs = () => 0n
const eintr = -4
const eagain = -11
const einval = -22

/** A file system whose locks are what a test says, and a file that is open. */
async function setUp() {
  const asked: FileLock[] = []
  const closed: bigint[] = []
  let exclusive = false
  const holdExclusive = (value: boolean) => {
    exclusive = value
  }
  const waits: { readonly signal: AbortSignal; readonly end: PromiseWithResolvers<void> }[] = []
  const locks: FileLocks = {
    test: async (_file, lock) =>
      lock.flock ? null : { start: 5n, end: 9n, exclusive: true, pid: 77 },
    async set(_file, lock, signal) {
      asked.push(lock)
      if (signal === null && lock.type === 1) throw new PosixError('EAGAIN')
      if (signal === null) return
      const end = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => end.reject(new PosixError('EINTR')))
      waits.push({ signal, end })
      await end.promise
    },
    givesUpExclusive: (_file, lock, below) => exclusive && lock.type !== 1 && below > 0n,
    closed(_file, owner) {
      closed.push(owner)
      return owner === 3n ? Promise.resolve() : null
    },
  }
  const channel = new FakeChannel()
  const fileSystem = Object.assign(new MemoryFileSystem({ wallNs }), { locks })
  const unexpected: unknown[] = []
  const events = { onReady: () => {}, onUnexpected: (error: unknown) => unexpected.push(error) }
  const session = new Session(fileSystem, channel, events)
  const body = [u32(0o102), u32(0o100644), u32(0o022), u32(0), text('f')]
  const { body: made } = await channel.ask(session, opcode.create, 1, body)
  const node = Number(made.readBigUInt64LE(0))
  const handle = made.readBigUInt64LE(128)
  const lock = (type: number, range: readonly [bigint, bigint] = [0n, 9n], flags = 0) => [
    ...[u64(handle), u64(42n), u64(range[0]), u64(range[1])],
    ...[u32(type), u32(77), u32(flags), u32(0)],
  ]
  const ask = (operation: number, parts: readonly Buffer[]) =>
    channel.ask(session, operation, node, parts)
  const answers = { channel, session, node, handle, lock, ask, unexpected, made }
  return { ...answers, fileSystem, asked, closed, waits, holdExclusive }
}

const turn = () => new Promise(setImmediate)

test('the kernel keeps no locks where the file system has them, and tells of each close', async t => {
  const { channel, session, made } = await setUp()
  const init = await channel.ask(session, opcode.init, 0, [
    u32(7),
    u32(38),
    u32(0),
    u32(-1),
    Buffer.alloc(48),
  ])
  const both = initFlag.posixLocks | initFlag.flockLocks
  t.is(init.body.readUInt32LE(12) & both, both)
  const noFlush = 1 << 5
  t.is(made.readUInt32LE(128 + 8) & noFlush, 0)
})

test('GETLK says which lock is in the way, or that none is', async t => {
  const { ask, lock } = await setUp()
  const { body } = await ask(opcode.getlk, lock(0))
  t.deepEqual([body.readBigInt64LE(0), body.readBigInt64LE(8)], [5n, 9n])
  t.deepEqual([body.readUInt32LE(16), body.readUInt32LE(20)], [1, 77])
  const none = await ask(opcode.getlk, lock(0, [0n, 2n ** 63n - 1n], 1))
  t.is(none.body.readUInt32LE(16), 2)
})

test('SETLK is done or refused at once, with all that was asked for', async t => {
  const { ask, lock, asked } = await setUp()
  t.is((await ask(opcode.setlk, lock(0, [3n, 2n ** 63n - 1n], 1))).error, 0)
  const rest = { flock: true, start: 3n, end: 2n ** 63n - 1n, type: 0 as const, pid: 77 }
  t.deepEqual(asked, [{ owner: 42n, ...rest }])
  t.is((await ask(opcode.setlk, lock(1))).error, eagain)
  t.is((await ask(opcode.setlk, lock(3))).error, einval)
  t.is((await ask(opcode.setlk, lock(1, [9n, 3n]))).error, einval)
})

test('a wait gives its slot back at once, and is answered when it ends', async t => {
  const { channel, session, node, lock, waits } = await setUp()
  const taken = channel.taken
  const unique = channel.send(session, opcode.setlkw, node, lock(1))
  t.is(channel.taken, taken)
  t.deepEqual(channel.late, [])
  waits[0]!.end.resolve()
  await turn()
  t.deepEqual(
    channel.late.map(({ error, unique: one }) => [error, one]),
    [[0, unique]],
  )
  t.is(session.waits.size, 0)
})

test('INTERRUPT ends the wait it names with EINTR, and no other', async t => {
  const { channel, session, node, lock, waits } = await setUp()
  const first = channel.send(session, opcode.setlkw, node, lock(1))
  const second = channel.send(session, opcode.setlkw, node, lock(1))
  const dropped = channel.dropped
  channel.send(session, opcode.interrupt, 0, [u64(first)])
  channel.send(session, opcode.interrupt, 0, [u64(99n)])
  t.is(channel.dropped, dropped + 2)
  await turn()
  t.deepEqual(
    channel.late.map(({ error, unique }) => [error, unique]),
    [[eintr, first]],
  )
  waits[1]!.end.resolve()
  await turn()
  t.is(channel.late[1]?.unique, second)
  channel.send(session, opcode.interrupt, 0, [u64(first)])
  await turn()
  t.is(channel.late.length, 2)
})

test('a mount that ends gives up its waits', async t => {
  const { channel, session, node, lock, waits } = await setUp()
  channel.send(session, opcode.setlkw, node, lock(1))
  session.end()
  t.true(waits[0]!.signal.aborted)
  await turn()
  t.is(session.waits.size, 0)
})

test('FLUSH ends the record locks of the process that closes', async t => {
  const { ask, handle, closed } = await setUp()
  for (const owner of [3n, 4n]) {
    const { error } = await ask(opcode.flush, [u64(handle), u64(0n), u64(owner)])
    t.is(error, 0)
  }
  t.deepEqual(closed, [3n, 4n])
})

/** struct fuse_write_in and four bytes. @param flags 1: from pages that a program changed in memory. */
function writeOf(handle: bigint, flags: number): readonly Buffer[] {
  return [u64(handle), u64(0n), u32(4), u32(flags), u64(0n), u32(2), u32(0), Buffer.from('text')]
}

test('what was changed in mapped pages is written before an exclusive lock is given up', async t => {
  const { channel, ask, lock, asked, handle, holdExclusive } = await setUp()
  t.is((await ask(opcode.write, writeOf(handle, 0))).error, 0)
  const written = Promise.withResolvers<number>()
  channel.notify = () => written.promise
  holdExclusive(true)
  const giving = ask(opcode.setlk, lock(2))
  await turn()
  t.deepEqual(asked, [], 'not yet')
  written.resolve(0)
  t.is((await giving).error, 0)
  t.is(asked.length, 1)
  t.is(asked[0]?.mapped, undefined)
  t.is((await ask(opcode.write, writeOf(handle, 1))).error, 0)
  await ask(opcode.setlk, lock(2))
  t.true(asked[1]?.mapped, 'seen from what the kernel wrote')
})

test('a lock is told when stale pages are gone, and is given up when they cannot go', async t => {
  const { channel, fileSystem, session, ask, lock, asked, handle } = await setUp()
  await ask(opcode.write, writeOf(handle, 0))
  const end = 2n ** 63n - 1n
  session.handles.isReadWrittenThrough = () => false
  t.is((await ask(opcode.setlk, lock(0, [4n, end]))).error, 0)
  t.deepEqual(channel.notices, [], 'no byte of the file is locked')
  session.handles.isReadWrittenThrough = () => true
  t.is((await ask(opcode.setlk, lock(0, [4n, end]))).error, 0)
  t.is(channel.notices.splice(0).length, 1, 'of what goes through pages any byte may be meant')
  session.handles.isReadWrittenThrough = () => false
  t.is((await ask(opcode.setlk, lock(0, [3n, end]))).error, 0)
  t.is(channel.notices.length, 1)
  channel.notify = async () => 11
  t.is((await ask(opcode.setlk, lock(0))).error, -5)
  t.deepEqual(
    asked.map(({ type }) => type),
    [0, 0, 0, 0, 2],
  )
  Object.assign(fileSystem, { cache: { ...fileSystem.cache, arePagesTrue: () => true } })
  t.is((await ask(opcode.setlk, lock(0))).error, 0)
})
