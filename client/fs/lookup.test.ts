/** Looking up a directory that lives in another partition than its entry. */
import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { EntryHints } from '../cache/entry-hints.ts'
import { TestServers } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const caller = { uid: 7, gid: 8 }
const name = Buffer.from('far away')

/** Two clients; the first has looked up `name`, made by the second. */
async function setUp(t: { teardown(close: () => Promise<void>): void }) {
  const cluster = await new TestServers(3, 16).start()
  const clients = [cluster.client(), cluster.client()] as const
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await Promise.all(clients.map(one => one.close()))
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(clients[0], 'v')
  const [here, there] = [await openVolume(clients[0], 'v'), await openVolume(clients[1], 'v')]
  const { root } = here
  const { ino } = await there.mkdir(root, name, 0o755, caller)
  if (partitionOfIno(ino) === partitionOfIno(root)) throw new Error('choose another name')
  await here.lookup(root, name)
  cluster.calls.length = 0
  const asked = () => cluster.calls.map(call => call.name)
  return { cluster, here, there, root, ino, asked }
}

test('a directory that was looked up before takes one round trip, and is told as it is now', async t => {
  const { cluster, here, there, root, ino, asked } = await setUp(t)
  await there.setattr(ino, { mode: 0o700 })
  cluster.calls.length = 0
  cluster.fail('lookup', {
    before: async () => {
      while (cluster.count('getattr') === 0) await cluster.env.timers.sleep(1)
    },
  })
  const attributes = await here.lookup(root, name)
  t.is(attributes.ino, ino)
  t.is(attributes.mode & 0o777, 0o700)
  t.deepEqual(asked().sort(), ['getattr', 'lookup'])
})

test('an entry that names another inode now is told with that one’s attributes', async t => {
  const { here, there, root, ino } = await setUp(t)
  await there.rename(root, name, root, Buffer.from('elsewhere'), 0)
  const another = await there.mkdir(root, name, 0o711, caller)
  const attributes = await here.lookup(root, name)
  t.not(attributes.ino, ino)
  t.is(attributes.ino, another.ino)
  t.is(attributes.mode & 0o777, 0o711)
  t.is((await here.lookup(root, Buffer.from('elsewhere'))).ino, ino)
})

test('a directory that is gone is ENOENT, and not asked for again', async t => {
  const { here, there, root, asked } = await setUp(t)
  await there.rmdir(root, name)
  await t.throwsAsync(here.lookup(root, name), { code: 'ENOENT' })
  const before = asked().length
  await t.throwsAsync(here.lookup(root, name), { code: 'ENOENT' })
  t.deepEqual(asked().slice(before), ['lookup'])
})

test('a name that is never free is found, however often it is given to another inode meanwhile', async t => {
  const { cluster, here, there, root } = await setUp(t)
  let last = 0
  const replaced = async () => {
    await there.rmdir(root, name)
    last = (await there.mkdir(root, name, 0o755, caller)).ino
  }
  cluster.fail('getattr', ...Array.from({ length: 6 }, () => ({ before: replaced })))
  t.is((await here.lookup(root, name)).ino, last)
})

test('what becomes of an inode that the entry no longer names is nobody’s error', async t => {
  const { cluster, here, there, root } = await setUp(t)
  await there.rmdir(root, name)
  const another = await there.mkdir(root, name, 0o755, caller)
  cluster.fail('getattr', { error: new ClusterError('DISK', 'sector 7') })
  t.is((await here.lookup(root, name)).ino, another.ino)
})

test('an inode that cannot be asked is the lookup’s error', async t => {
  const { cluster, here, root } = await setUp(t)
  cluster.fail('getattr', { error: new ClusterError('DISK', 'sector 7') })
  await t.throwsAsync(here.lookup(root, name), { code: 'EIO' })
})

test('hints are bounded, the least lately seen go first, and names are bytes', t => {
  const hints = new EntryHints(4)
  const names = [Uint8Array.of(0xff), Uint8Array.of(0xfe), Uint8Array.of(0xc3, 0xbf)]
  hints.saw(16, names[0]!, 1)
  hints.saw(16, names[1]!, 2)
  hints.saw(16, names[0]!, 1)
  hints.saw(16, names[2]!, 3)
  t.deepEqual(
    names.map(one => hints.get(16, one)),
    [1, undefined, 3],
  )
  t.is(hints.get(17, names[0]!), undefined)
  hints.forget(16, names[0]!)
  t.is(hints.get(16, names[0]!), undefined)
})
