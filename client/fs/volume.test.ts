import test, { type ExecutionContext } from 'ava'
import { ClusterError, type PosixError } from '../../network/errors.ts'
import { chunkBytes } from '../../network/limits.ts'
import type { ClusterClient } from '../cluster/cluster.ts'
import { TestServers } from '../testing/servers.ts'
import type { FileSystem, OpenFile } from './contract.ts'
import { openVolume } from './volume.ts'
import { createVolume, deleteVolume, listVolumes } from './volumes.ts'

const caller = { uid: 7, gid: 8 }
const blockBytes = 64 * 1024
const inlineBytes = 4096
const anew = { exclusive: true, truncate: false }

function bytes(length: number, seed = 1): Buffer {
  const data = Buffer.alloc(length)
  for (let i = 0; i < length; i++) data[i] = (i * 31 + seed * 17 + (i >> 8)) & 0xff
  return data
}

async function setUp(t: { teardown(close: () => Promise<void>): void }, servers = 3) {
  const cluster = await new TestServers(servers, 16).start()
  const clients: ClusterClient[] = []
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  const client = () => {
    const made = cluster.client()
    clients.push(made)
    return made
  }
  t.teardown(async () => {
    await Promise.all(clients.map(one => one.close()))
    await cluster.stop()
    clearInterval(alive)
  })
  const first = client()
  await createVolume(first, 'v', { blockBytes, inlineBytes })
  return { cluster, client, fs: await openVolume(first, 'v') }
}

async function make(fs: FileSystem, name: string): Promise<OpenFile> {
  const { file } = await fs.create(fs.root, Buffer.from(name), 0o100644, caller, anew)
  return file
}

async function readAll(fs: FileSystem, file: OpenFile): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for (let offset = 0; ; ) {
    const part = Buffer.concat(await fs.read(file, offset, 100_000))
    if (part.length === 0) return Buffer.concat(pieces)
    pieces.push(part)
    offset += part.length
  }
}

/** As deepEqual, but a failure does not print megabytes. */
function same(t: ExecutionContext, actual: Uint8Array, expected: Uint8Array, what = ''): void {
  t.is(actual.length, expected.length, what)
  t.is(Buffer.compare(actual, expected), 0, what)
}

/** As another client sees it, who knows nothing yet. */
async function seenAfresh(other: ClusterClient, name: string): Promise<Buffer> {
  const fs = await openVolume(other, 'v')
  const { ino } = await fs.lookup(fs.root, Buffer.from(name))
  const file = await fs.open(ino, { truncate: false })
  const data = await readAll(fs, file)
  fs.release(file)
  return data
}

test('a create that meets a link made meanwhile asks to look again, unless it was to be new', async t => {
  const { fs } = await setUp(t)
  const name = Buffer.from('taken')
  await fs.symlink(fs.root, name, Buffer.from('target'), caller)
  const open = { exclusive: false, truncate: true }
  const race = fs.create(fs.root, name, 0o100644, caller, open)
  await t.throwsAsync(race, { code: 'ESTALE' })
  await t.throwsAsync(fs.create(fs.root, name, 0o100644, caller, anew), { code: 'EEXIST' })
})

test('volumes are made with settings, listed, and deleted when empty', async t => {
  const { client, fs } = await setUp(t)
  const other = client()
  await make(fs, 'a')
  const [volume] = await listVolumes(other)
  t.is(volume?.name, 'v')
  t.is(volume?.attributes.blockBytes, blockBytes)
  await t.throwsAsync(deleteVolume(other, 'v'), { code: 'ENOTEMPTY' })
  await fs.unlink(fs.root, Buffer.from('a'))
  await deleteVolume(other, 'v')
  t.deepEqual(await listVolumes(other), [])
  await t.throwsAsync(openVolume(other, 'v'), { message: /rookery volume create/ })
  await t.throwsAsync(createVolume(other, 'w', { blockBytes: 100_000 }), { code: 'EINVAL' })
  await t.throwsAsync(createVolume(other, 'w', { inlineBytes: 1e6 }), { code: 'EINVAL' })
  await t.throwsAsync(createVolume(other, 'a/b'), { code: 'EINVAL' })
})

test('a small file takes one request each to make, write and read, and no blocks', async t => {
  const { cluster, client, fs } = await setUp(t)
  const file = await make(fs, 'small')
  const data = bytes(1000)
  await fs.write(file, 0, data, {})
  t.is(cluster.count('create'), 1)
  t.is(cluster.count('writeInline'), 1)
  t.is(cluster.count('reserve'), 0)
  same(t, await seenAfresh(client(), 'small'), data)
  t.is(cluster.count('readInline') + cluster.count('readBlock'), 0)
})

test('a file that outgrows the inline limit moves to blocks with what it held', async t => {
  const { cluster, client, fs } = await setUp(t)
  for (const [index, [offset, length]] of [
    [1000, 4000],
    [0, 5000],
    [4000, 70_000],
    [200_000, 10],
    [500, blockBytes],
  ].entries()) {
    const name = `f${index}`
    const file = await make(fs, name)
    const before = bytes(2000, 1)
    const after = bytes(length!, 2)
    await fs.write(file, 0, before, {})
    await fs.write(file, offset!, after, {})
    const expected = Buffer.alloc(Math.max(2000, offset! + length!))
    before.copy(expected)
    after.copy(expected, offset)
    same(t, await readAll(fs, file), expected, name)
    same(t, await seenAfresh(client(), name), expected, name)
  }
  t.is(cluster.count('commitWrite'), 5)
})

test('a steady sequential writer needs no reservations but the first few', async t => {
  const { cluster, client, fs } = await setUp(t)
  const file = await make(fs, 'long')
  const data = bytes(40 * blockBytes)
  for (let at = 0; at < data.length; at += blockBytes) {
    await fs.write(file, at, data.subarray(at, at + blockBytes), {})
  }
  t.true(cluster.count('reserve') <= 2, `${cluster.count('reserve')} reservations`)
  same(t, await seenAfresh(client(), 'long'), data)
})

test('the end of a file is read in one round trip, and where it is now', async t => {
  const { cluster, client, fs } = await setUp(t)
  const file = await make(fs, 'f')
  const data = bytes(blockBytes + 1000)
  await fs.write(file, 0, data, {})
  cluster.calls.length = 0
  cluster.fail('getattr', {
    before: async () => {
      while (cluster.count('readBlock') === 0) await cluster.env.timers.sleep(1)
    },
  })
  same(t, Buffer.concat(await fs.read(file, blockBytes, 4096)), data.subarray(blockBytes))
  t.is(cluster.count('getattr') + cluster.count('readBlock'), 2)
  const other = await openVolume(client(), 'v')
  const theirs = await other.open(file.ino, { truncate: false })
  const more = bytes(500, 9)
  await other.write(theirs, data.length, more, {})
  const end = Buffer.concat([data.subarray(blockBytes), more])
  same(t, Buffer.concat(await fs.read(file, blockBytes, 4096)), end)
  await other.setattr(file.ino, { size: blockBytes + 10 })
  const cut = data.subarray(blockBytes, blockBytes + 10)
  same(t, Buffer.concat(await fs.read(file, blockBytes, 4096)), cut)
})

test('what a hole holds reads as zeros', async t => {
  const { fs } = await setUp(t)
  const file = await make(fs, 'sparse')
  await fs.write(file, 5 * blockBytes + 3, bytes(100), {})
  const all = await readAll(fs, file)
  t.is(all.length, 5 * blockBytes + 103)
  t.true(all.subarray(0, 5 * blockBytes + 3).every(byte => byte === 0))
  same(t, all.subarray(5 * blockBytes + 3), bytes(100))
})

test('a write that a truncation overtakes is done again on the newer file', async t => {
  const { cluster, client, fs } = await setUp(t)
  const file = await make(fs, 'cut')
  await fs.write(file, 0, bytes(3 * blockBytes), {})
  const other = await openVolume(client(), 'v')
  cluster.fail('commitWrite', {
    before: async () => void (await other.setattr(file.ino, { size: 0 })),
  })
  await fs.write(file, blockBytes, bytes(blockBytes, 5), {})
  const expected = Buffer.concat([Buffer.alloc(blockBytes), bytes(blockBytes, 5)])
  same(t, await seenAfresh(client(), 'cut'), expected)
})

test('a read that a truncation overtakes shows the newer file, never old blocks as a hole', async t => {
  const { cluster, client, fs } = await setUp(t)
  const file = await make(fs, 'cut')
  await fs.write(file, 0, bytes(2 * blockBytes), {})
  const other = await openVolume(client(), 'v')
  cluster.fail('readBlock', {
    before: async () => {
      await other.setattr(file.ino, { size: 0 })
      const opened = await other.open(file.ino, { truncate: false })
      await other.write(opened, 0, bytes(10, 9), {})
      for (const key of cluster.store.blocks.keys()) cluster.store.blocks.delete(key)
    },
  })
  same(t, Buffer.concat(await fs.read(file, 0, blockBytes)), bytes(10, 9))
})

test('data spilled while somebody else wrote inline is not lost', async t => {
  const { cluster, client, fs } = await setUp(t)
  const file = await make(fs, 'spill')
  await fs.write(file, 0, bytes(100), {})
  const other = await openVolume(client(), 'v')
  const theirs = await other.open(file.ino, { truncate: false })
  cluster.fail('commitWrite', { before: () => other.write(theirs, 0, bytes(50, 3), {}) })
  await fs.write(file, 100, bytes(blockBytes, 2), {})
  const expected = Buffer.concat([bytes(100), bytes(blockBytes, 2)])
  bytes(50, 3).copy(expected)
  same(t, await seenAfresh(client(), 'spill'), expected)
})

test('appends of two clients, inline and in blocks, are all there and whole', async t => {
  const { client, fs } = await setUp(t)
  const file = await make(fs, 'log')
  const other = await openVolume(client(), 'v')
  const theirs = await other.open(file.ino, { truncate: false })
  const line = (who: number, index: number) => Buffer.alloc(1500, who * 20 + index)
  const run = async (fs: FileSystem, file: OpenFile, who: number) => {
    for (let index = 0; index < 10; index++) {
      await fs.write(file, 0, line(who, index), { append: true })
    }
  }
  await Promise.all([run(fs, file, 1), run(other, theirs, 2), run(fs, file, 3)])
  const all = await seenAfresh(client(), 'log')
  t.is(all.length, 30 * 1500)
  const seen = new Set<number>()
  for (let at = 0; at < all.length; at += 1500) {
    const first = all[at]!
    t.true(all.subarray(at, at + 1500).every(byte => byte === first))
    seen.add(first)
  }
  t.is(seen.size, 30)
})

test('an append that fails gives its reservation back', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'log')
  await fs.write(file, 0, bytes(blockBytes), {})
  cluster.fail('writeBlock', { error: new ClusterError('DISK', 'gone') })
  await t.throwsAsync(fs.write(file, 0, bytes(10), { append: true }), { code: 'EIO' })
  t.is(cluster.grants.size, 0)
})

test('a damaged block is read again, and is EIO when it stays damaged', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  const data = bytes(4 * blockBytes)
  await fs.write(file, 0, data, {})
  cluster.fail('readBlock', { corrupt: true })
  same(t, Buffer.concat(await fs.read(file, 0, blockBytes)), data.subarray(0, blockBytes))
  cluster.fail('readBlock', { corrupt: true }, { corrupt: true })
  await t.throwsAsync(fs.read(file, 3 * blockBytes, chunkBytes), { code: 'EIO' })
})

test('damaged inline data is read again, and is EIO when it stays damaged', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, bytes(100), {})
  cluster.fail('open', { corrupt: true })
  const second = await fs.open(file.ino, { truncate: false })
  same(t, await readAll(fs, second), bytes(100))
  await fs.write(file, 0, bytes(100, 2), {})
  cluster.fail('readInline', { corrupt: true }, { corrupt: true })
  await t.throwsAsync(fs.read(second, 0, 10), { code: 'EIO' })
})

test('a sequential reader finds its blocks fetched ahead, and never older than a write', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  const data = bytes(20 * blockBytes)
  await fs.write(file, 0, data, {})
  const part = blockBytes / 4
  for (let at = 0; at < 10 * blockBytes; at += part) {
    same(t, Buffer.concat(await fs.read(file, at, part)), data.subarray(at, at + part))
  }
  t.true(cluster.count('readBlock') <= 30, `${cluster.count('readBlock')} requests`)
  const fresh = bytes(blockBytes, 77)
  await fs.write(file, 11 * blockBytes, fresh, {})
  same(t, Buffer.concat(await fs.read(file, 11 * blockBytes, blockBytes)), fresh)
})

test('pages of one surface are not kept for what another surface of this client wrote', async t => {
  const { cluster, client } = await setUp(t)
  const shared = client()
  const [mount, library] = [await openVolume(shared, 'v'), await openVolume(shared, 'v')]
  const file = await make(mount, 'f')
  const theirs = await library.open(file.ino, { truncate: false })
  await library.write(theirs, 0, bytes(10), {})
  t.false((await mount.open(file.ino, { truncate: false })).keepPages)
  t.is(cluster.count('writeInline'), 1)
})

test('times that no inode can hold become the nearest that one can', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.setattr(file.ino, { atimeNs: -(2n ** 70n), mtimeNs: 2n ** 70n })
  const { atimeNs, mtimeNs } = await fs.getattr(file.ino)
  t.is(atimeNs, -(2n ** 63n))
  t.is(mtimeNs, 2n ** 63n - 1n)
  await fs.setattr(file.ino, { atimeNs: -1n, mtimeNs: 'now' })
  t.is((await fs.getattr(file.ino)).atimeNs, -1n)
  t.is(cluster.count('setattr'), 2)
})

test('fsync visits every server that has a part of the file, once', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, bytes(20 * blockBytes), {})
  const before = cluster.count('sync')
  await fs.fsync(file.ino)
  t.is(cluster.count('sync') - before, 3)
  await fs.fsync(file.ino)
  t.is(cluster.count('sync') - before, 4)
  await fs.write(file, 0, bytes(20 * blockBytes), {})
  cluster.fail('sync', { error: new ClusterError('DISK', 'full of errors') })
  await t.throwsAsync(fs.fsync(file.ino), { code: 'EIO' })
  await fs.fsync(file.ino)
  t.is(cluster.count('sync') - before, 10)
})

test('directories, links and names behave', async t => {
  const { client, fs } = await setUp(t)
  const name = (text: string) => Buffer.from(text)
  const directory = await fs.mkdir(fs.root, name('d'), 0o755, caller)
  t.is((await fs.lookup(fs.root, name('d'))).ino, directory.ino)
  for (let index = 0; index < 5; index++)
    await fs.mkdir(directory.ino, name(`s${index}`), 0o700, caller)
  const page = await fs.readdirplus(directory.ino, 0, { limitBytes: 65_536 })
  t.is(page.entries.length, 5)
  t.true(page.entries.every(entry => entry.attributes?.uid === 7))
  const link = await fs.symlink(directory.ino, name('l'), name('target'), caller)
  t.is(Buffer.from(await fs.readlink(link.ino)).toString(), 'target')
  const file = await make(fs, 'f')
  t.is((await fs.link(file.ino, directory.ino, name('g'))).nlink, 2)
  await fs.rename(directory.ino, name('g'), fs.root, name('f'), 0)
  await t.throwsAsync(fs.rename(fs.root, name('f'), fs.root, name('x'), 3), { code: 'EINVAL' })
  await t.throwsAsync(fs.lookup(fs.root, Buffer.alloc(256, 97)), { code: 'ENAMETOOLONG' })
  await t.throwsAsync(fs.lookup(fs.root, name('')), { code: 'EINVAL' })
  await t.throwsAsync(fs.unlink(fs.root, name('..')), { code: 'EINVAL' })
  const other = await openVolume(client(), 'v')
  await t.throwsAsync(other.rmdir(other.root, name('d')), { code: 'ENOTEMPTY' })
})

test('an entry whose inode vanished between two requests is looked up again', async t => {
  const { cluster, fs } = await setUp(t)
  const { ino } = await fs.mkdir(fs.root, Buffer.from('d'), 0o755, caller)
  cluster.fail('getattr', { before: () => fs.rmdir(fs.root, Buffer.from('d')) })
  const error = await t.throwsAsync<PosixError>(fs.lookup(fs.root, Buffer.from('d')))
  t.is(error?.code, 'ENOENT')
  t.false(cluster.store.inodes.has(ino))
})

test('open files outlast a session that the server forgot, but for those it has removed', async t => {
  const { cluster, fs } = await setUp(t)
  const [kept, removed] = [await make(fs, 'kept'), await make(fs, 'removed')]
  await fs.write(removed, 0, bytes(2 * blockBytes), {})
  await fs.unlink(fs.root, Buffer.from('removed'))
  cluster.sessions.clear()
  cluster.store.inodes.delete(removed.ino)
  await fs.write(kept, 0, bytes(10), {})
  same(t, await readAll(fs, kept), bytes(10))
  await t.throwsAsync(fs.write(removed, 0, bytes(10), {}), { code: 'ESTALE' })
  const written = cluster.count('writeBlock')
  await t.throwsAsync(fs.write(removed, 0, bytes(10), {}), { code: 'ESTALE' })
  t.is(cluster.count('writeBlock'), written, 'no more blocks for it')
  for (const file of [kept, removed]) fs.release(file)
})

test('a closed file refuses to be used, and its server hears of it', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  fs.release(file)
  await t.throwsAsync(fs.read(file, 0, 1), { code: 'EBADF' })
  await fs.close()
  const releases = () => cluster.calls.filter(call => call.name === 'release')
  for (let round = 0; round < 500 && releases().length === 0; round++) {
    await cluster.env.timers.sleep(10)
  }
  t.deepEqual(
    releases().map(call => call.body),
    [{ inos: [file.ino] }],
  )
})
