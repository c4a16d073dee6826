/** What programs hear when a server's machine lost what had not been synced. */
import test, { type ExecutionContext } from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { TestServers } from '../testing/servers.ts'
import type { FileSystem, OpenFile } from './contract.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const blockBytes = 64 * 1024
const lost = { code: 'EIO', message: /lost power/ }
const caller = { uid: 0, gid: 0 }

async function setUp(t: ExecutionContext) {
  const cluster = await new TestServers(3, 16).start()
  const client = cluster.client()
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await client.close()
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(client, 'v', { blockBytes, inlineBytes: 4096 })
  const fs = await openVolume(client, 'v')
  await fs.fsync(fs.root)
  const serverOf = (ino: number) => cluster.view.partitions[partitionOfIno(ino)]!.primary!
  return { cluster, fs, serverOf }
}

async function make(fs: FileSystem, name: string): Promise<OpenFile> {
  const how = { exclusive: true, truncate: false }
  return (await fs.create(fs.root, Buffer.from(name), 0o100644, caller, how)).file
}

test('fsync tells once of a small write that a loss of power took', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.fsync(file.ino, file)
  await fs.write(file, 0, Buffer.from('gone'), {})
  await cluster.losePower(serverOf(file.ino))
  t.is(cluster.store.get(file.ino).attributes.size, 0)
  await t.throwsAsync(fs.fsync(file.ino, file), lost)
  t.is((await fs.getattr(file.ino)).size, 0, 'what was known of it is forgotten')
  await fs.fsync(file.ino, file)
  await fs.write(file, 0, Buffer.from('stays'), {})
  await fs.fsync(file.ino, file)
})

test('fsync tells once of a truncation that a loss of power took', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const truncations = [
    (file: OpenFile) => fs.setattr(file.ino, { size: 10 }),
    (file: OpenFile) => fs.setattr(file.ino, { size: 0 }),
    (file: OpenFile) => fs.open(file.ino, { truncate: true }),
  ]
  for (const [index, truncate] of truncations.entries()) {
    for (const length of [100, 3 * blockBytes]) {
      const file = await make(fs, `f${index}.${length}`)
      await fs.write(file, 0, Buffer.alloc(length, 1), {})
      await fs.fsync(file.ino, file)
      await truncate(file)
      await cluster.losePower(serverOf(file.ino))
      await t.throwsAsync(fs.fsync(file.ino, file), lost)
      t.is((await fs.getattr(file.ino)).size, length)
      await fs.fsync(file.ino, file)
    }
  }
})

test('fsync tells of blocks that a server of data lost, though the inode is elsewhere', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, Buffer.alloc(20 * blockBytes, 1), {})
  const other = cluster.view.members.find(({ id }) => id !== serverOf(file.ino))!
  await cluster.losePower(other.id)
  await t.throwsAsync(fs.fsync(file.ino, file), lost)
  await fs.fsync(file.ino, file)
})

test('fsync asks whoever has the file now, when whom it asked is gone', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, Buffer.from('x'), {})
  const client = cluster.client()
  t.teardown(() => client.close())
  const other = await openVolume(client, 'v')
  const first = serverOf(file.ino)
  const next = cluster.view.members.find(({ id }) => id !== first)!.id
  cluster.fail('sync', {
    before: () => cluster.move(partitionOfIno(file.ino), next, true),
    error: new ClusterError('NOT_READY', 'about to go'),
  })
  cluster.fail('sync', { error: new ClusterError('NOT_READY', 'not there yet') })
  await other.fsync(file.ino)
  const asked = cluster.calls.filter(({ name }) => name === 'sync').map(({ server }) => server)
  t.deepEqual(asked.slice(-3), [first, next, next])
})

test('fsync does not go after a file for ever that goes from server to server', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, Buffer.from('x'), {})
  let lateMs = 0
  const { clock, timers, random } = cluster.env
  const late = {
    wallNs: () => clock.wallNs(),
    monotonicMs: () => clock.monotonicMs() + lateMs,
    uptimeMs: () => clock.uptimeMs() + lateMs,
  }
  const client = cluster.client({ clock: late, timers, random })
  t.teardown(() => client.close())
  const other = await openVolume(client, 'v')
  const moves = Array.from({ length: 20 }, () => ({
    before: () => {
      const next = cluster.view.members.find(({ id }) => id !== serverOf(file.ino))!.id
      cluster.move(partitionOfIno(file.ino), next, true)
      lateMs += 8_000
    },
    error: new ClusterError('NOT_READY', 'about to go'),
  }))
  cluster.fail('sync', ...moves)
  await t.throwsAsync(other.fsync(file.ino), { code: 'EIO', message: /from server to server/ })
})

test('the end of a process loses nothing, and fsync says so', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, Buffer.from('stays'), {})
  cluster.sessions.clear()
  await cluster.stopServer(serverOf(file.ino))
  await cluster.startServer(serverOf(file.ino))
  await fs.fsync(file.ino, file)
  t.is((await fs.getattr(file.ino)).size, 5)
})

test('what was synced before the loss of power is no error, neither is what was only read', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const [file, untouched] = [await make(fs, 'f'), await make(fs, 'g')]
  await fs.write(file, 0, Buffer.from('stays'), {})
  await fs.fsync(file.ino, file)
  await fs.fsync(untouched.ino)
  await cluster.losePower(serverOf(file.ino))
  await fs.fsync(file.ino, file)
  await t.notThrowsAsync(fs.fsync(untouched.ino, untouched))
})

test('each open file is told once, close as well as fsync, and not one opened later', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.fsync(file.ino, file)
  const again = await fs.open(file.ino, { truncate: false })
  const third = await fs.open(file.ino, { truncate: false })
  await fs.write(file, 0, Buffer.from('gone'), {})
  await cluster.losePower(serverOf(file.ino))
  await t.throwsAsync(fs.fsync(file.ino, again), lost)
  await t.throwsAsync(fs.flush(third), lost)
  await fs.flush(third)
  const later = await fs.open(file.ino, { truncate: false })
  await fs.fsync(file.ino, later)
  await t.throwsAsync(fs.fsync(file.ino, file), lost)
  for (const one of [file, again, third]) await fs.fsync(file.ino, one)
})

test('close tells of a loss that the client knows of already', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.fsync(file.ino, file)
  await fs.write(file, 0, Buffer.from('gone'), {})
  await cluster.losePower(serverOf(file.ino))
  await fs.getattr(file.ino)
  await t.throwsAsync(fs.flush(file), lost)
  await fs.fsync(file.ino, file)
})

test('a write whose reply the loss of power took is not taken for one made after it', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.fsync(file.ino, file)
  cluster.fail('setattr', { loseReply: true })
  const changing = fs.setattr(file.ino, { mode: 0o600 })
  while (cluster.count('setattr') === 0) await new Promise(setImmediate)
  await cluster.losePower(serverOf(file.ino))
  await changing
  await t.throwsAsync(fs.fsync(file.ino, file), lost)
})

test('fsync of a directory tells of names that either server of an entry lost', async t => {
  for (const losesParent of [true, false]) {
    const { cluster, fs, serverOf } = await setUp(t)
    let index = 0
    let made = await fs.mkdir(fs.root, Buffer.from('d0'), 0o755, caller)
    while (serverOf(made.ino) === serverOf(fs.root)) {
      made = await fs.mkdir(fs.root, Buffer.from(`d${++index}`), 0o755, caller)
    }
    // A server that was not known before is asked for its boot at once.
    await fs.getattr(made.ino)
    await cluster.losePower(serverOf(losesParent ? fs.root : made.ino))
    await t.throwsAsync(fs.fsync(fs.root), lost)
    await fs.fsync(fs.root)
  }
})

test('no open file of an inode that was lost altogether is told that all is well', async t => {
  const { cluster, fs, serverOf } = await setUp(t)
  const file = await make(fs, 'f')
  const again = await fs.open(file.ino, { truncate: false })
  await cluster.losePower(serverOf(file.ino))
  await t.throwsAsync(fs.write(file, 0, Buffer.from('x'), {}), { code: 'ESTALE' })
  await t.throwsAsync(fs.fsync(file.ino, file), lost)
  await t.throwsAsync(fs.fsync(file.ino, again), { code: 'ESTALE' })
})

test('fsync visits all that have blocks of a file, whoever wrote them, and once', async t => {
  const { cluster, fs } = await setUp(t)
  const file = await make(fs, 'f')
  await fs.write(file, 0, Buffer.alloc(16 * blockBytes, 1), {})
  const client = cluster.client()
  t.teardown(() => client.close())
  const other = await openVolume(client, 'v')
  const same = await other.open(file.ino, { truncate: false })
  const visited = async (): Promise<number> => {
    const before = cluster.count('sync')
    await other.fsync(same.ino, same)
    return cluster.count('sync') - before
  }
  t.is(await visited(), 3, 'what somebody else wrote')
  t.is(await visited(), 1, 'nothing new but perhaps beside the inode')
  await other.write(same, 0, Buffer.alloc(blockBytes, 2), {})
  t.true((await visited()) < 3, 'what it wrote itself')
  await fs.write(file, 0, Buffer.alloc(blockBytes, 3), {})
  t.is(await visited(), 3, 'what somebody else wrote again')
})
