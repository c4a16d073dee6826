import { constants } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import test, { type ExecutionContext } from 'ava'
import { openVolume } from './fs/volume.ts'
import { createVolume } from './fs/volumes.ts'
import { Connection } from './library.ts'
import { TestServers } from './testing/servers.ts'

async function setUpWithServers(t: ExecutionContext) {
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  const servers = await new TestServers(3, 16).start()
  const client = servers.client()
  await createVolume(client, 'v', { blockBytes: 65_536, inlineBytes: 4096 })
  const fileSystem = await openVolume(client, 'v')
  const caller = { uid: 1000, gid: 100 }
  const files = new Connection(client, { fileSystem, caller, umask: 0o022 })
  t.teardown(async () => {
    await files.close()
    await servers.stop()
    clearInterval(alive)
  })
  return { files, servers }
}

async function setUp(t: ExecutionContext): Promise<Connection> {
  return (await setUpWithServers(t)).files
}

test('text and bytes come back as they were written', async t => {
  const files = await setUp(t)
  await files.writeFile('/a.txt', 'grüße')
  t.is(await files.readFile('/a.txt', 'utf8'), 'grüße')
  await files.appendFile('a.txt', Buffer.from('!'))
  t.is(await files.readFile('/a.txt', { encoding: 'utf8' }), 'grüße!')
  const large = Buffer.alloc(300_000, 'xyz')
  await files.writeFile('/large', large)
  t.is(Buffer.compare(await files.readFile('/large'), large), 0)
  await files.writeFile('/large', ['a', Buffer.from('b'), 'c'])
  t.is(await files.readFile('/large', 'utf8'), 'abc')
})

test('what is opened to be synchronous is on the disks of servers when a write is done', async t => {
  const { files, servers } = await setUpWithServers(t)
  for (const [flags, syncs] of [
    ['as', true],
    ['w', false],
    [constants.O_RDWR | constants.O_DSYNC, true],
  ] as const) {
    const file = await files.open('/f', flags)
    const before = servers.count('sync')
    await file.write('x')
    t.is(servers.count('sync') > before, syncs, `${flags}`)
    await file.close()
  }
})

test('errors look like those of node:fs', async t => {
  const files = await setUp(t)
  const missing = await t.throwsAsync<NodeJS.ErrnoException>(files.readFile('/no/such'))
  t.is(missing?.message, "ENOENT: no such file or directory, open '/no/such'")
  t.like(missing, { code: 'ENOENT', errno: -2, syscall: 'open', path: '/no/such' })
  await files.writeFile('/f', '')
  await t.throwsAsync(files.readFile('/f/x'), { code: 'ENOTDIR' })
  await t.throwsAsync(files.readFile('/f/'), { code: 'ENOTDIR' })
  await t.throwsAsync(files.readFile('/'), { code: 'EISDIR' })
  await t.throwsAsync(files.writeFile('/f', '', { flag: 'wx' }), { code: 'EEXIST' })
  await t.throwsAsync(files.open('/f', 'q'), { code: 'EINVAL' })
  await t.throwsAsync(files.rename('/none', '/f'), { message: /rename '\/none' -> '\/f'/ })
  await t.throwsAsync(files.mkdir('/f'), { code: 'EEXIST' })
  await t.throwsAsync(files.stat(''), { code: 'ENOENT' })
  await t.throwsAsync(files.unlink('/'), { code: 'EBUSY' })
})

test('symbolic links are followed where they should be, and not for ever', async t => {
  const files = await setUp(t)
  await files.mkdir('/d/e', { recursive: true })
  await files.writeFile('/d/e/f', 'deep')
  await files.symlink('d/e', '/link')
  await files.symlink('/d/../link/f', '/d/absolute')
  t.is(await files.readFile('/link/f', 'utf8'), 'deep')
  t.is(await files.readFile('/d/absolute', 'utf8'), 'deep')
  t.is(await files.realpath('/link/../absolute'), '/d/e/f')
  t.is(await files.readlink('/link'), 'd/e')
  t.true((await files.lstat('/link')).isSymbolicLink())
  t.true((await files.lstat('/link/')).isDirectory())
  await files.symlink('round', '/round')
  await t.throwsAsync(files.stat('/round'), { code: 'ELOOP' })
  await files.symlink('target', '/dangling')
  await files.writeFile('/dangling', 'made')
  t.is(await files.readFile('/target', 'utf8'), 'made')
  await t.throwsAsync(files.open('/dangling', 'wx'), { code: 'EEXIST' })
  await t.throwsAsync(files.readlink('/target'), { code: 'EINVAL' })
})

test('directories are made with parents, listed, walked and removed with their contents', async t => {
  const files = await setUp(t)
  t.is(await files.mkdir('/a/b/c', { recursive: true }), '/a')
  t.is(await files.mkdir('/a/b/c', { recursive: true }), undefined)
  for (let index = 0; index < 300; index++) await files.writeFile(`/a/b/${index}`, '')
  t.is((await files.readdir('/a/b')).length, 301)
  const typed = await files.readdir('/a', { withFileTypes: true })
  t.deepEqual(
    typed.map(({ name, parentPath }) => [name, parentPath]),
    [['b', '/a']],
  )
  t.true(typed[0]?.isDirectory())
  const names: string[] = []
  for await (const { name } of await files.opendir('/a/b')) names.push(name)
  t.is(names.length, 301)
  await t.throwsAsync(files.rmdir('/a'), { code: 'ENOTEMPTY' })
  await t.throwsAsync(files.rm('/a'), { code: 'EISDIR' })
  await files.rm('/a', { recursive: true })
  await t.throwsAsync(files.rm('/a'), { code: 'ENOENT' })
  await files.rm('/a', { force: true })
  t.deepEqual(await files.readdir('/'), [])
})

test('an open file reads and writes where it is told, or where it was', async t => {
  const files = await setUp(t)
  const handle = await files.open('/f', 'w+')
  t.is((await handle.write('hello ')).bytesWritten, 6)
  await handle.write(Buffer.from('xworldx'), 1, 5)
  await handle.write('J', 0)
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(20), 0, 20, 0)
  t.is(buffer.toString('utf8', 0, bytesRead), 'Jello world')
  await handle.truncate(5)
  t.is((await handle.stat()).size, 5)
  await handle.sync()
  await handle.datasync()
  await handle.utimes(1, 2.5)
  t.is((await handle.stat()).mtimeNs, 2_500_000_000n)
  await handle.close()
  await t.throwsAsync(handle.stat(), { code: 'EBADF' })
  const reader = await files.open('/f')
  await t.throwsAsync(reader.write('x'), { code: 'EBADF' })
  t.is(await reader.readFile('utf8'), 'Jello')
  await files.unlink('/f')
  t.is((await reader.read(new Uint8Array(5), 0, 5, 0)).bytesRead, 5)
  await reader.close()
})

test('modes, owners and times are set and shown', async t => {
  const files = await setUp(t)
  await files.writeFile('/f', 'x')
  const made = await files.stat('/f')
  t.like(made, { mode: 0o100644, uid: 1000, gid: 100, size: 1, nlink: 1 })
  await files.chmod('/f', 0o600)
  await files.access('/f', constants.R_OK | constants.W_OK)
  await t.throwsAsync(files.access('/f', constants.X_OK), { code: 'EACCES' })
  await files.chown('/f', 7, 8)
  await t.throwsAsync(files.access('/f', constants.R_OK), { code: 'EACCES' })
  await files.utimes('/f', new Date(1000), '3')
  const stats = await files.stat('/f')
  t.is(stats.atime.getTime(), 1000)
  t.is(stats.mtimeMs, 3000)
  await files.link('/f', '/g')
  t.is((await files.stat('/g')).nlink, 2)
  await t.throwsAsync(files.link('/', '/h'), { code: 'EPERM' })
  t.is((await files.statfs()).bsize, 4096)
})

test('files are copied and streamed', async t => {
  const files = await setUp(t)
  const data = Buffer.alloc(500_000, 'abcdefg')
  await files.writeFile('/a', data, { mode: 0o600 })
  await files.copyFile('/a', '/b')
  t.is((await files.stat('/b')).mode & 0o777, 0o600)
  await t.throwsAsync(files.copyFile('/a', '/b', constants.COPYFILE_EXCL), { code: 'EEXIST' })
  await pipeline(files.createReadStream('/b'), files.createWriteStream('/c', { flush: true }))
  t.is(Buffer.compare(await files.readFile('/c'), data), 0)
  const part = files.createReadStream('/c', { start: 7, end: 13, encoding: 'utf8' })
  t.deepEqual(await part.toArray(), ['abcdefg'])
  const missing = files.createReadStream('/none')
  await t.throwsAsync(missing.toArray(), { code: 'ENOENT' })
})

test('a file that is copied onto itself, under whatever name, stays as it is', async t => {
  const files = await setUp(t)
  await files.writeFile('/a', 'the only copy')
  await files.link('/a', '/b')
  await files.symlink('a', '/c')
  for (const name of ['/a', '/b', '/c']) {
    await files.copyFile('/a', name)
    await files.copyFile(name, '/a')
  }
  t.is(await files.readFile('/a', 'utf8'), 'the only copy')
  await files.writeFile('/longer', 'more than there is to be copied')
  await files.copyFile('/a', '/longer')
  t.is(await files.readFile('/longer', 'utf8'), 'the only copy')
})

test('a directory that is moved away from a tree that is being removed keeps what is in it', async t => {
  const { files, servers } = await setUpWithServers(t)
  await files.mkdir('/tree/kept', { recursive: true })
  await files.writeFile('/tree/kept/file', 'the only copy')
  await files.writeFile('/tree/first', '')
  servers.fail('unlink', { before: () => files.rename('/tree/kept', '/kept') })
  await files.rm('/tree', { recursive: true })
  t.deepEqual(await files.readdir('/'), ['kept'])
  t.is(await files.readFile('/kept/file', 'utf8'), 'the only copy')
})

test('a path whose file is replaced while it is opened leads to the new one', async t => {
  const { files, servers } = await setUpWithServers(t)
  await files.writeFile('/f', 'old')
  const { ino } = await files.stat('/f')
  servers.fail('open', {
    before: async () => {
      await files.unlink('/f')
      servers.store.inodes.delete(ino)
      await files.writeFile('/f', 'new')
    },
  })
  t.is(await files.readFile('/f', 'utf8'), 'new')
})

test('names that are not UTF-8 are listed, followed and removed as bytes', async t => {
  const files = await setUp(t)
  const odd = Buffer.from([0xff, 0x61])
  const at = (...parts: readonly Buffer[]) =>
    Buffer.concat(parts.flatMap(part => [Buffer.from('/'), part]))
  const directory = Buffer.from('d')
  await files.mkdir(at(directory, odd, odd), { recursive: true })
  await files.writeFile(at(directory, odd, odd, odd), 'x')
  await files.symlink(at(directory, odd), '/link')
  t.deepEqual(await files.readdir('/d', 'buffer'), [odd])
  t.deepEqual(await files.readdir('/d', { encoding: 'latin1' }), ['\u00ffa'])
  const [entry] = await files.readdir('/d', { encoding: 'buffer', withFileTypes: true })
  t.deepEqual(entry?.name, odd)
  t.true(entry?.isDirectory())
  const handle = await files.opendir('/d', { encoding: 'buffer' })
  t.deepEqual((await handle.read())?.name, odd)
  await handle.close()
  t.deepEqual(await files.readlink('/link', { encoding: 'buffer' }), at(directory, odd))
  t.deepEqual(await files.realpath('/link', 'buffer'), at(directory, odd))
  await files.rm('/d', { recursive: true })
  t.deepEqual(await files.readdir('/'), ['link'])
})

test('stat gives every number as a bigint where one asks for it', async t => {
  const files = await setUp(t)
  await files.writeFile('/f', 'abc')
  const handle = await files.open('/f')
  const plain = await files.stat('/f')
  for (const stats of [
    await files.stat('/f', { bigint: true }),
    await files.lstat('/f', { bigint: true }),
    await handle.stat({ bigint: true }),
  ]) {
    t.is(stats.size, 3n)
    t.is(stats.ino, BigInt(plain.ino))
    t.is(stats.mtimeMs, stats.mtimeNs / 1_000_000n)
    t.is(stats.mtime.getTime(), plain.mtime.getTime())
    t.true(stats.isFile())
  }
  t.is((await handle.stat()).size, 3)
  await handle.close()
})

test('rmdir refuses paths that end in dots as Linux does', async t => {
  const files = await setUp(t)
  await files.mkdir('/x')
  await t.throwsAsync(files.rmdir('/x/.'), { code: 'EINVAL' })
  await t.throwsAsync(files.rmdir('/x/./'), { code: 'EINVAL' })
  await t.throwsAsync(files.rmdir('/x/..'), { code: 'ENOTEMPTY' })
  await t.throwsAsync(files.rmdir('/missing/.'), { code: 'ENOENT' })
  await t.throwsAsync(files.rmdir('/'), { code: 'EBUSY' })
  await files.rmdir('/x/')
})
