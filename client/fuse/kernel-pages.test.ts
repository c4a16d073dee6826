/** Which pages the kernel is told to keep or to drop, and when it is to go past them. */
import test from 'ava'
import { noCaching } from './memory-file-system.ts'
import { opcode } from './protocol/numbers.ts'
import { createFile, startSession, text, u32, u64, wallNs } from './session.test-support.ts'

const eio = -5

test('a file that is appended to, or was there and is read and written, goes past the pages of the kernel where it may be mapped all the same', async t => {
  const [append, truncate, writeOnly, readWrite, direct] = [0o2000, 0o1000, 1, 2, 1]
  for (const [flags2, mapped] of [
    [0, false],
    [1 << 4, true],
  ] as const) {
    const { channel, session } = startSession()
    const offer = [u32(7), u32(45), u32(131072), u32(-1), u32(flags2)]
    await channel.ask(session, opcode.init, 0, offer)
    const { node, handle } = await createFile(channel, session, 'f')
    const goesDirect = async (flags: number) => {
      const reply = await channel.ask(session, opcode.open, node, [u32(flags), u32(0)])
      return (reply.body.readUInt32LE(8) & direct) !== 0
    }
    t.false(await goesDirect(writeOnly))
    t.false(await goesDirect(readWrite), 'as whoever made it')
    t.is(await goesDirect(readWrite | append), mapped)
    await channel.ask(session, opcode.release, node, [u64(handle), u32(0), u32(0), u64(0n)])
    t.false(await goesDirect(readWrite), 'as the others that are still there')
    const again = await createFile(channel, session, 'g')
    await channel.ask(session, opcode.release, again.node, [
      ...[u64(again.handle), u32(0), u32(0), u64(0n)],
    ])
    const alone = await channel.ask(session, opcode.open, again.node, [u32(readWrite), u32(0)])
    t.is((alone.body.readUInt32LE(8) & direct) !== 0, mapped)
    const empties = [u32(readWrite | truncate), u32(0)]
    const emptied = await channel.ask(session, opcode.open, again.node, empties)
    t.is(emptied.body.readUInt32LE(8) & direct, 0)
    t.true(await goesDirect(writeOnly | append))
    t.is(await goesDirect(readWrite | append), mapped)
  }
})

test('what is written past the pages with O_DSYNC is synced before it is answered, as the kernel does not ask for that', async t => {
  const [write, readWrite, append, dataSync, fromMapped] = [1, 2, 0o2000, 0o10000, 1]
  const { channel, session, fileSystem } = startSession()
  await channel.ask(session, opcode.init, 0, [u32(7), u32(45), u32(131072), u32(-1), u32(1 << 4)])
  const { node, handle } = await createFile(channel, session, 'f')
  await channel.ask(session, opcode.release, node, [u64(handle), u32(0), u32(0), u64(0n)])
  let syncs = 0
  fileSystem.fsync = async () => {
    syncs += 1
  }
  const syncsOf = async (flags: number, writeFlags = 0): Promise<number> => {
    const reply = await channel.ask(session, opcode.open, node, [u32(flags), u32(0)])
    const where = [u64(reply.body.readBigUInt64LE(0)), u64(0n), u32(2), u32(writeFlags), u64(0n)]
    syncs = 0
    const body = [...where, u32(flags), u32(0), Buffer.from('xy')]
    t.is((await channel.ask(session, opcode.write, node, body)).error, 0)
    return syncs
  }
  t.is(await syncsOf(readWrite | dataSync), 1)
  t.is(await syncsOf(write | append | dataSync), 1)
  t.is(await syncsOf(readWrite | append), 0)
  t.is(await syncsOf(readWrite | dataSync, fromMapped), 0)
  // Through its pages: then it asks for that itself.
  t.is(await syncsOf(write | dataSync), 0)
})

test('an open that is to be heard of when it is read keeps all pages but the first, or none', async t => {
  const { channel, session, fileSystem, unexpected } = startSession()
  const { node } = await createFile(channel, session, 'f')
  await fileSystem.setattr(node, { size: 5 })
  const file = await fileSystem.open(node, { truncate: false })
  const attributes = { ...file.attributes, reach: 1 }
  const opened = { ...file, attributes, keepPages: true, accessDue: true }
  Object.assign(fileSystem, { open: async () => opened })
  const flagsAfter = async (flags: number): Promise<number> =>
    (await channel.ask(session, opcode.open, node, [u32(flags), u32(0)])).body.readUInt32LE(8) & 2
  t.is(await flagsAfter(0o1), 2, 'for writing alone')
  t.is(await flagsAfter(0o1000000), 2, 'with O_NOATIME')
  t.deepEqual(channel.notices, [])
  t.is(await flagsAfter(0), 2)
  t.is(channel.notices.length, 1)
  Object.assign(opened.attributes, { reach: 0 })
  t.is(await flagsAfter(0), 0, 'of a small file')
  t.is(channel.notices.length, 1)
  Object.assign(opened.attributes, { reach: 1 })
  channel.notify = async () => 11
  t.is(await flagsAfter(0), 0, 'the kernel could not be told')
  t.is(unexpected.length, 1)
})

test('pages of an open file are invalidated when it changed behind an unchanged mtime', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node } = await createFile(channel, session, 'f')
  const ask = () => channel.ask(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  await ask()
  t.deepEqual(channel.notices, [])
  await fileSystem.setattr(node, { mtimeNs: wallNs() })
  await ask()
  await ask()
  t.deepEqual(channel.notices, [
    `2800000002000000${'00'.repeat(8)}1100000000000000${'00'.repeat(16)}`,
  ])
  await fileSystem.setattr(node, { mtimeNs: 5n })
  await ask()
  t.is(channel.notices.length, 1)
})

test('a size that others have changed is told without a notice, after which the kernel would ignore it', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node } = await createFile(channel, session, 'f')
  const ask = () => channel.ask(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  await ask()
  await fileSystem.setattr(node, { mtimeNs: wallNs() })
  await channel.ask(session, opcode.lookup, 1, [text('f')])
  await fileSystem.setattr(node, { size: 10 })
  t.is((await ask()).body.readBigUInt64LE(24), 10n)
  t.deepEqual(channel.notices, [])
})

test('pages that others have changed go also where the kernel hears of it by a change of attributes', async t => {
  let isOwn = false
  const cache = { ...noCaching, attributesMs: () => 1000, mayKeepPages: () => isOwn }
  const { channel, session, fileSystem } = startSession({ cache })
  channel.thread = 5
  const { node } = await createFile(channel, session, 'f')
  const change = async (): Promise<bigint> => {
    const body = Buffer.alloc(88)
    body.writeUInt32LE(1, 0)
    const reply = await channel.ask(session, opcode.setattr, node, [body])
    t.is(reply.error, 0)
    return reply.body.readBigUInt64LE(0)
  }
  const ask = () => channel.ask(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  await fileSystem.setattr(node, { mtimeNs: 5n })
  t.is(await change(), 0n, 'the kernel asks before it reads')
  await ask()
  t.is(channel.notices.length, 1)
  t.is(await change(), 1n)
  isOwn = true
  await fileSystem.setattr(node, { mtimeNs: 6n })
  t.is(await change(), 1n)
  await ask()
  t.is(channel.notices.length, 1)
})

test('no reader of suspect pages is answered before they are gone', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node } = await createFile(channel, session, 'f')
  const body = [u32(0), u32(0), u64(0n)]
  await fileSystem.setattr(node, { mtimeNs: wallNs() })
  const answered = channel.answered
  const gone = Promise.withResolvers<number>()
  channel.notify = () => gone.promise
  channel.send(session, opcode.getattr, node, body)
  channel.send(session, opcode.getattr, node, body)
  await channel.settled()
  t.is(channel.answered, answered)
  gone.resolve(0)
  await channel.settled()
  t.is(channel.answered, answered + 2)
})

test('pages stay suspect when the kernel could not drop them', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node } = await createFile(channel, session, 'f')
  const ask = () => channel.ask(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  await fileSystem.setattr(node, { mtimeNs: wallNs() })
  const { notify } = channel
  channel.notify = async () => 11
  t.is((await ask()).error, eio)
  channel.notify = notify
  t.is((await ask()).error, 0)
  t.is(channel.notices.length, 1)
})
