import test from 'ava'
import fc from 'fast-check'
import { PosixError } from '../../network/errors.ts'
import { firstListedBytes, maxFuseLent, readdirLimitBytes } from '../../network/limits.ts'
import type { FileSystem, OpenFile, ReadOptions } from '../fs/contract.ts'
import { noCaching } from './memory-file-system.ts'
import { opcode } from './protocol/numbers.ts'
import { createFile, namesOf, startSession, text, u32, u64 } from './session.test-support.ts'

const enoent = -2
const eio = -5
const enosys = -38
const estale = -116

test('INIT of a known kernel is answered byte for byte as linux/fuse.h wants it', async t => {
  const { channel, session, ready } = startSession()
  const offer = [u32(7), u32(45), u32(131072), u32(-1), u32(-1)]
  const reply = await channel.ask(session, opcode.init, 0, offer)
  t.is(
    reply.body.toString('hex'),
    [
      '07000000', // major
      '26000000', // minor 38
      '00000200', // max_readahead
      '29f06450', // flags
      '40003000', // max_background 64, congestion_threshold 48
      '00001000', // max_write 1 MiB
      '01000000', // time_gran
      '00010000', // max_pages 256, map_alignment
      '10000000', // flags2
      '00'.repeat(28),
    ].join(''),
  )
  t.deepEqual(ready, [null])
})

test('a newer major version is answered with ours, and the kernel asks again', async t => {
  const { channel, session, ready } = startSession()
  const reply = await channel.ask(session, opcode.init, 0, [u32(8), u32(0), u32(0), u32(0)])
  t.is(reply.body.readUInt32LE(0), 7)
  t.deepEqual(ready, [])
})

test('a kernel older than 7.31 is refused with a reason', async t => {
  const { channel, session, ready } = startSession()
  const reply = await channel.ask(session, opcode.init, 0, [u32(7), u32(23), u32(0), u32(0)])
  t.is(reply.error, -71)
  t.regex(String(ready[0]), /7\.23.*7\.31/)
})

test('GETATTR of node 1 is the root, whatever its inode number', async t => {
  const { channel, session, fileSystem } = startSession()
  const reply = await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  t.is(reply.length, 16 + 104)
  t.is(reply.body.readBigUInt64LE(16), BigInt(fileSystem.root))
  t.is(reply.body.readBigUInt64LE(16 + 24), 1_700_000_000n)
  t.is(reply.body.readUInt32LE(16 + 48), 123_456_789)
  t.is(reply.body.readUInt32LE(16 + 60), 0o40755)
})

test('times before 1970 travel as negative seconds and positive nanoseconds', async t => {
  const { channel, session, fileSystem } = startSession()
  await fileSystem.setattr(fileSystem.root, { mtimeNs: -1n })
  const reply = await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  t.is(reply.body.readBigInt64LE(16 + 32), -1n)
  t.is(reply.body.readUInt32LE(16 + 52), 999_999_999)
})

test('a directory that is gone keeps its attributes for who still refers to it', async t => {
  const { channel, session, fileSystem } = startSession()
  const made = await channel.ask(session, opcode.mkdir, 1, [u32(0o755), u32(0), text('d')])
  const node = Number(made.body.readBigUInt64LE(0))
  await fileSystem.rmdir(fileSystem.root, Buffer.from('d'))
  const reply = await channel.ask(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  t.is(reply.error, 0)
  t.is(reply.body.readBigUInt64LE(16), BigInt(node))
  t.is(reply.body.readUInt32LE(16 + 60), 0o40755)
  t.is(reply.body.readUInt32LE(16 + 64), 0, 'no links')
  const unknown = await channel.ask(session, opcode.getattr, node + 1, [u32(0), u32(0), u64(0n)])
  t.is(unknown.error, estale)
})

test('RMDIR and RENAME mean the directory that the kernel was told of, an exchange means none', async t => {
  const { channel, session, fileSystem } = startSession()
  const made = await channel.ask(session, opcode.mkdir, 1, [u32(0o755), u32(0), text('d')])
  const node = Number(made.body.readBigUInt64LE(0))
  const meant: unknown[] = []
  const asked: Pick<FileSystem, 'rmdir' | 'rename'> = {
    rmdir: async (_parent, _name, ino) => void meant.push(ino),
    rename: async (...all) => void meant.push(all[6]),
  }
  Object.assign(fileSystem, asked)
  await channel.ask(session, opcode.rmdir, 1, [text('d')])
  await channel.ask(session, opcode.rmdir, 1, [text('other')])
  const names = [text('other'), text('d')]
  await channel.ask(session, opcode.rename2, 1, [u64(1n), u32(2), u32(0), ...names])
  t.deepEqual(meant, [node, undefined, undefined])
  await channel.ask(session, opcode.lookup, 1, [text('d')])
  await channel.ask(session, opcode.rename2, 1, [u64(1n), u32(0), u32(0), ...names])
  t.is(meant[3], node)
})

test('a directory that is not the one meant is removed at the second try, and the one that was meant gets an alias', async t => {
  const { channel, session, fileSystem } = startSession()
  channel.thread = 7
  const made = await channel.ask(session, opcode.mkdir, 1, [u32(0o755), u32(0), text('d')])
  const node = made.body.readBigUInt64LE(0)
  const meant: unknown[] = []
  const asked: Pick<FileSystem, 'rmdir'> = {
    rmdir: async (_parent, _name, ino) => {
      meant.push(ino)
      if (ino !== undefined) throw new PosixError('ESTALE')
    },
  }
  Object.assign(fileSystem, asked)
  t.is((await channel.ask(session, opcode.rmdir, 1, [text('d')])).error, estale)
  const found = await channel.ask(session, opcode.lookup, 1, [text('d')])
  t.is(found.body.readBigUInt64LE(0), node)
  t.is((await channel.ask(session, opcode.rmdir, 1, [text('d')])).error, 0)
  t.deepEqual(meant, [Number(node), Number(node), undefined])
  const alias = (await channel.ask(session, opcode.lookup, 1, [text('d')])).body.readBigUInt64LE(0)
  t.is(alias, node + 2n ** 53n)
  const inside = [u32(0o700), u32(0), text('inside')]
  channel.sendRaw(session, opcode.mkdir, alias, Buffer.concat(inside), 0)
  await channel.settled()
  t.deepEqual((await fileSystem.lookup(Number(node), Buffer.from('inside'))).mode & 0o777, 0o700)
})

test('TMPFILE opens a file without a name, which a link gives one', async t => {
  const { channel, session, fileSystem } = startSession()
  const body = [u32(0o2), u32(0o100640), u32(0), u32(0), text('#1')]
  const made = await channel.ask(session, opcode.tmpfile, 1, body)
  t.is(made.length, 16 + 128 + 16)
  t.is(made.body.readUInt32LE(40 + 64), 0, 'no links')
  const node = Number(made.body.readBigUInt64LE(0))
  await t.throwsAsync(fileSystem.lookup(fileSystem.root, Buffer.from('#1')), { code: 'ENOENT' })
  const linked = await channel.ask(session, opcode.link, 1, [u64(BigInt(node)), text('name')])
  t.is(linked.body.readUInt32LE(40 + 64), 1)
})

test('READ tells of O_NOATIME, and that the kernel has asked unless it goes past its pages', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node, handle } = await createFile(channel, session, 'f')
  const told: (ReadOptions | undefined)[] = []
  const read = async (_file: OpenFile, _offset: number, _length: number, how?: ReadOptions) => {
    told.push(how)
    return []
  }
  Object.assign(fileSystem, { read })
  for (const flags of [0, 0o1000000, 0o40000]) {
    const body = [u64(handle), u64(0n), u32(4096), u32(0), u64(0n), u32(flags), u32(0)]
    await channel.ask(session, opcode.read, node, body)
  }
  t.deepEqual(told, [
    { quiet: false, asked: true },
    { quiet: true, asked: true },
    { quiet: false, asked: false },
  ])
})

test('a miss is ENOENT without authority, and a negative entry with it', async t => {
  const plain = startSession()
  t.is((await plain.channel.ask(plain.session, opcode.lookup, 1, [text('x')])).error, enoent)
  const cached = startSession({ cache: { ...noCaching, entryMs: () => 1500 } })
  const reply = await cached.channel.ask(cached.session, opcode.lookup, 1, [text('x')])
  t.is(reply.error, 0)
  t.is(reply.body.readBigUInt64LE(0), 0n)
  t.is(reply.body.readBigUInt64LE(16), 1n)
  t.is(reply.body.readUInt32LE(32), 500_000_000)
})

test('data written is read back in pieces, and a short read marks the end of the file', async t => {
  const { channel, session } = startSession()
  const { node, handle } = await createFile(channel, session, 'f')
  const data = Buffer.from('hello')
  const writeBody = [u64(handle), u64(3n), u32(5), u32(0), u64(0n), u32(0), u32(0), data]
  const wrote = await channel.ask(session, opcode.write, node, writeBody)
  t.is(wrote.body.readUInt32LE(0), 5)
  const readBody = [u64(handle), u64(0n), u32(4096), u32(0), u64(0n), u32(0), u32(0)]
  const got = await channel.ask(session, opcode.read, node, readBody)
  t.is(got.body.toString('latin1'), '\0\0\0hello')
})

test('what a file system is lent keeps its slot when it was answered, until it is given back', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node, handle } = await createFile(channel, session, 'f')
  const lent: ((() => void) | null)[] = []
  fileSystem.write = async (_file, _offset, _data, { lend }) => {
    lent.push(lend?.() ?? null)
  }
  const body = [u64(handle), u64(0n), u32(1), u32(0), u64(0n), u32(0), u32(0), Buffer.of(1)]
  channel.send(session, opcode.write, node, body)
  await channel.settled()
  t.deepEqual([channel.late.length, channel.late[0]?.error, channel.taken], [1, 0, 1])
  lent.pop()?.()
  t.deepEqual([channel.taken, channel.dropped], [0, 1])
  for (let count = 0; count < maxFuseLent; count++) {
    channel.send(session, opcode.write, node, body)
    await new Promise(setImmediate)
  }
  const { answered } = channel
  t.is((await channel.ask(session, opcode.write, node, body)).error, 0)
  t.is(lent.pop(), null, 'others need slots as well')
  t.is(channel.answered, answered + 1)
  lent.pop()?.()
  // Given back before it is answered.
  fileSystem.write = async (_file, _offset, _data, { lend }) => lend?.()?.()
  t.is((await channel.ask(session, opcode.write, node, body)).error, 0)
  t.is(channel.answered, answered + 2)
})

test('a write that claims more than it brings is EIO, and changes nothing', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node, handle } = await createFile(channel, session, 'f')
  const body = [u64(handle), u64(0n), u32(500), u32(0), u64(0n), u32(0), u32(0), Buffer.alloc(5)]
  t.is((await channel.ask(session, opcode.write, node, body)).error, eio)
  t.is((await fileSystem.getattr(node)).size, 0)
})

test('offsets and sizes beyond 2^53 are EFBIG', async t => {
  const { channel, session } = startSession()
  const { node, handle } = await createFile(channel, session, 'f')
  const far = 2n ** 60n
  const write = [u64(handle), u64(far), u32(1), u32(0), u64(0n), u32(0), u32(0), Buffer.of(1)]
  t.is((await channel.ask(session, opcode.write, node, write)).error, -27)
  const resize = [u32(8), u32(0), u64(0n), u64(far), Buffer.alloc(64)]
  t.is((await channel.ask(session, opcode.setattr, node, resize)).error, -27)
})

test('an unknown handle is EBADF', async t => {
  const { channel, session } = startSession()
  t.is((await channel.ask(session, opcode.flush, 1, [u64(77n), u64(0n), u64(0n)])).error, -9)
})

test('an unknown opcode is ENOSYS', async t => {
  const { channel, session } = startSession()
  t.is((await channel.ask(session, 48, 1, [])).error, enosys)
  t.is((await channel.ask(session, 4096, 1, [])).error, enosys)
})

test('INTERRUPT and ACCESS are declined once and for all, FORGET is not answered', async t => {
  const { channel, session } = startSession()
  t.is((await channel.ask(session, opcode.interrupt, 0, [u64(2n)])).error, enosys)
  t.is((await channel.ask(session, opcode.access, 1, [u32(4), u32(0)])).error, enosys)
  channel.send(session, opcode.forget, 1, [u64(1n)])
  t.is(channel.dropped, 1)
  t.is(channel.taken, 0)
})

test('an exception that is no PosixError is EIO, and reported', async t => {
  const { channel, session, fileSystem, unexpected } = startSession()
  fileSystem.getattr = () => {
    throw new TypeError('broken')
  }
  t.is((await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])).error, eio)
  fileSystem.getattr = () => Promise.reject(new PosixError('EDQUOT'))
  t.is((await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])).error, -122)
  t.is(unexpected.length, 1)
})

test('a reply that nobody waits for any more is no error', async t => {
  const { channel, session, unexpected } = startSession()
  channel.failWith = 2
  await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  t.deepEqual(unexpected, [])
})

test('a directory is read in any portions: dots first, every entry once', async t => {
  const { channel, session, fileSystem } = startSession()
  const wanted = ['.', '..']
  for (let index = 0; index < 300; index += 1) {
    wanted.push(`entry-${index}`)
    await fileSystem.mknod(16, Buffer.from(`entry-${index}`), 0o100644, 0, { uid: 0, gid: 0 })
  }
  for (const kind of ['readdir', 'readdirplus'] as const) {
    const opened = await channel.ask(session, opcode.opendir, 1, [u32(0), u32(0)])
    const handle = opened.body.readBigUInt64LE(0)
    const seen: string[] = []
    for (let offset = 0n; ; ) {
      const body = [u64(handle), u64(offset), u32(4096), u32(0), u64(0n), u32(0), u32(0)]
      const entries = namesOf(await channel.ask(session, opcode[kind], 1, body), kind)
      if (entries.length === 0) break
      /** The kernel may come back to the middle of what it was given. */
      const used = entries.slice(0, Math.ceil(entries.length / 2))
      seen.push(...used.map(entry => entry.name))
      offset = used.at(-1)!.offset
    }
    t.deepEqual(seen, wanted, kind)
  }
})

test('a directory is asked for once, also when the kernel comes back for its end', async t => {
  const { channel, session, fileSystem } = startSession()
  const { readdir } = fileSystem
  let calls = 0
  fileSystem.readdir = (...words) => {
    calls += 1
    return readdir.apply(fileSystem, words)
  }
  const opened = await channel.ask(session, opcode.opendir, 1, [u32(0), u32(0)])
  for (const offset of [0n, 2n]) {
    const handle = u64(opened.body.readBigUInt64LE(0))
    const body = [handle, u64(offset), u32(4096), u32(0), u64(0n), u32(0), u32(0)]
    await channel.ask(session, opcode.readdir, 1, body)
  }
  t.is(calls, 1)
})

test('attributes are fetched of some entries at first, of many when the kernel asks for them again', async t => {
  const { channel, session, fileSystem } = startSession({
    cache: { ...noCaching, keepsListed: true },
  })
  for (let index = 0; index < 2000; index += 1) {
    await fileSystem.mknod(16, Buffer.from(`entry-${index}`), 0o100644, 0, { uid: 0, gid: 0 })
  }
  const { readdirplus } = fileSystem
  const limits: number[] = []
  fileSystem.readdirplus = (ino, cookie, options) => {
    limits.push(options.limitBytes)
    return readdirplus.call(fileSystem, ino, cookie, options)
  }
  const opened = await channel.ask(session, opcode.opendir, 1, [u32(0), u32(0)])
  let offset = 0n
  const again = ['readdir', 'readdir', 'readdirplus', 'readdirplus'] as const
  for (const kind of ['readdirplus', 'readdirplus', ...again] as const) {
    const handle = u64(opened.body.readBigUInt64LE(0))
    const body = [handle, u64(offset), u32(32_768), u32(0), u64(0n), u32(0), u32(0)]
    const entries = namesOf(await channel.ask(session, opcode[kind], 1, body), kind)
    offset = entries.at(-1)!.offset
  }
  const one = [firstListedBytes, readdirLimitBytes]
  t.deepEqual(limits, [...one, ...one])
})

test('rewinding sees entries made since', async t => {
  const { channel, session, fileSystem } = startSession()
  const opened = await channel.ask(session, opcode.opendir, 1, [u32(0), u32(0)])
  const handle = opened.body.readBigUInt64LE(0)
  const body = [u64(handle), u64(0n), u32(4096), u32(0), u64(0n), u32(0), u32(0)]
  t.is(namesOf(await channel.ask(session, opcode.readdir, 1, body), 'readdir').length, 2)
  await fileSystem.mknod(16, Buffer.from('later'), 0o100644, 0, { uid: 0, gid: 0 })
  t.is(namesOf(await channel.ask(session, opcode.readdir, 1, body), 'readdir').length, 3)
})

test('extended attributes: sizes are asked for, too small a buffer is ERANGE', async t => {
  const { channel, session } = startSession()
  const value = Buffer.from('blue')
  const set = [u32(4), u32(0), text('user.colour'), value]
  t.is((await channel.ask(session, opcode.setxattr, 1, set)).error, 0)
  const get = (size: number) => [u32(size), u32(0), text('user.colour')]
  const asked = await channel.ask(session, opcode.getxattr, 1, get(0))
  t.is(asked.body.readUInt32LE(0), 4)
  t.is((await channel.ask(session, opcode.getxattr, 1, get(3))).error, -34)
  t.is((await channel.ask(session, opcode.getxattr, 1, get(10))).body.toString(), 'blue')
})

test('access control lists are refused rather than stored and not obeyed', async t => {
  const { channel, session } = startSession()
  const set = [u32(1), u32(0), text('system.posix_acl_access'), Buffer.from('x')]
  t.is((await channel.ask(session, opcode.setxattr, 1, set)).error, -95)
})

test('a file whose open ends after the mount is closed again', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node } = await createFile(channel, session, 'f')
  const { open } = fileSystem
  const later = Promise.withResolvers<void>()
  fileSystem.open = async (...words) => {
    const file = await open.apply(fileSystem, words)
    await later.promise
    return file
  }
  channel.send(session, opcode.open, node, [u32(0), u32(0)])
  await fileSystem.unlink(16, Buffer.from('f'))
  session.end()
  t.is((await fileSystem.getattr(node)).nlink, 0)
  later.resolve()
  await channel.settled()
  await t.throwsAsync(fileSystem.getattr(node), { code: 'ESTALE' })
})

test('a file that was made, and cannot be told of, is closed again', async t => {
  const { channel, session, fileSystem } = startSession({
    cache: { ...noCaching, attributesMs: () => 1000 },
  })
  channel.thread = 7
  await channel.ask(session, opcode.getattr, 1, [u32(0), u32(0), u64(0n)])
  channel.thread = 8
  channel.notify = async () => 22
  const body = [u32(0o102), u32(0o100644), u32(0o022), u32(0), text('f')]
  t.is((await channel.ask(session, opcode.create, 1, body)).error, eio)
  const { ino } = await fileSystem.lookup(fileSystem.root, Buffer.from('f'))
  await fileSystem.unlink(fileSystem.root, Buffer.from('f'))
  await t.throwsAsync(fileSystem.getattr(ino), { code: 'ESTALE' })
})

test('the end of the mount lets go of files that are still open', async t => {
  const { channel, session, fileSystem } = startSession()
  const { node } = await createFile(channel, session, 'f')
  await fileSystem.unlink(16, Buffer.from('f'))
  t.is((await fileSystem.getattr(node)).nlink, 0)
  session.end()
  await t.throwsAsync(fileSystem.getattr(node), { code: 'ESTALE' })
})

test('any bytes get exactly one answer, or are dropped', async t => {
  const { channel, session } = startSession()
  await createFile(channel, session, 'f')
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 70 }),
      fc.constantFrom(0n, 1n, 16n, 17n, 2n ** 53n, 2n ** 64n - 1n),
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 0, max: 41 }),
      async (operation, node, bytes, cut) => {
        const before = channel.answered + channel.dropped
        channel.sendRaw(session, operation, node, bytes, cut)
        await channel.settled()
        return channel.answered + channel.dropped === before + 1 && channel.taken === 0
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})
