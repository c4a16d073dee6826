/** What a client says without asking is what it would be told, whoever has changed it meanwhile. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { ClusterError } from '../../network/errors.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const owner = { uid: 0, gid: 0 }
const nameOf = (text: string) => Buffer.from(text)
const noReplace = 1

/** Two clients and a directory that the first of them has made, with as many files as asked for. */
async function setUp(files: number, splitEntries?: number) {
  const cluster = await SimulatedCluster.start({
    seed: 7,
    slowestMs: 1,
    ...(splitEntries === undefined ? {} : { splitEntries }),
  })
  const [here, there] = [(await cluster.connect()).fileSystem, (await cluster.connect()).fileSystem]
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { ino } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, owner))
  const make = (fileSystem: FileSystem, name: string) =>
    wait(fileSystem.mknod(ino, nameOf(name), 0o100644, 0, owner))
  await wait(here.getattr(ino))
  for (let index = 0; index < files; index++) await make(here, `f${index}`)
  const has = async (fileSystem: FileSystem, name: string) => {
    try {
      await wait(fileSystem.lookup(ino, nameOf(name)))
      return true
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return false
      throw error
    }
  }
  const size = async (fileSystem: FileSystem) => (await wait(fileSystem.getattr(ino))).size
  return { cluster, here, there, ino, wait, make, has, size }
}

/** Nothing gets to this client for so long. */
async function cutFor(cluster: SimulatedCluster, endpoint: string, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed++) await cluster.cut(endpoint)
}

/** Names of the operations that servers are asked for from now on. */
function listen(cluster: SimulatedCluster): string[] {
  const asked: string[] = []
  cluster.onCall = name => {
    if (name !== 'renewLeases') asked.push(name)
  }
  return asked
}

test('a name that is made in a directory whose names are all known takes one call', async t => {
  const { cluster, here, make, has, size } = await setUp(3)
  const asked = listen(cluster)
  t.is(await size(here), 3)
  t.false(await has(here, 'g'))
  await make(here, 'g')
  t.is(await size(here), 4)
  t.true(await has(here, 'g'))
  t.deepEqual(
    asked.filter(name => name !== 'lookup'),
    ['create'],
  )
})

test('a name that another client has made is found by one that knew all the others', async t => {
  const { here, there, make, has, size } = await setUp(3)
  t.false(await has(here, 'g'))
  await make(there, 'g')
  t.true(await has(here, 'g'))
  await make(there, 'h')
  await size(here)
  t.true(await has(here, 'h'))
  t.false(await has(here, 'i'))
})

test('which names a directory that is split does not have, its shards are asked', async t => {
  const { cluster, here, ino, wait, make, has, size } = await setUp(16, 2)
  for (let index = 0; index < 16; index++) await wait(here.unlink(ino, nameOf(`f${index}`)))
  await cluster.env.advance(5_000)
  t.is(await size(here), 0)
  await make(here, 'g')
  await size(here)
  const asked = listen(cluster)
  t.false(await has(here, 'h'))
  t.deepEqual(asked, ['lookup'])
})

type Setting = Awaited<ReturnType<typeof setUp>>

const unchanging: { readonly [title: string]: (setting: Setting) => Promise<void> } = {
  'an open of what is there': async ({ here, ino, wait }) => {
    const options = { exclusive: false, truncate: false }
    const opened = await wait(here.create(ino, nameOf('f0'), 0o644, owner, options))
    here.release(opened.file)
  },
  'a rename to another name of the same': async ({ here, ino, wait }) =>
    await wait(here.rename(ino, nameOf('f0'), ino, nameOf('same'), 0)),
}

for (const [title, act] of Object.entries(unchanging)) {
  test(`${title} does not hide what another client has made`, async t => {
    const setting = await setUp(1)
    const { cluster, here, there, ino, wait, make, has } = setting
    const file = await wait(here.lookup(ino, nameOf('f0')))
    await wait(here.link(file.ino, ino, nameOf('same')))
    const asked = listen(cluster)
    t.false(await has(here, 'other'))
    t.deepEqual(asked, [], 'all names are known')
    await make(there, 'other')
    // What somebody had to wait for is leased again.
    await cluster.env.advance(5_000)
    await act(setting)
    t.true(await has(here, 'other'))
  })
}

test('a directory that is split is told as it is, whoever has changed a shard', async t => {
  const { cluster, here, there, ino, wait, make, size } = await setUp(16, 2)
  await cluster.env.advance(5_000)
  const asked = listen(cluster)
  t.is(await size(here), 16)
  t.is(await size(here), 16)
  t.is(asked.filter(name => name === 'getattr').length, 1, 'it is leased')
  for (let index = 0; index < 8; index++) {
    await cluster.env.advance(5_000)
    t.is(await size(here), 16 + index)
    await make(there, `g${index}`)
    t.is(await size(here), 17 + index)
  }
  const elsewhere = (await wait(there.mkdir(there.root, nameOf('e'), 0o755, owner))).ino
  for (let index = 0; index < 8; index++) {
    await wait(there.mknod(elsewhere, nameOf('h'), 0o100644, 0, owner))
    await cluster.env.advance(5_000)
    t.is(await size(here), 24 + index)
    await wait(there.rename(elsewhere, nameOf('h'), ino, nameOf(`h${index}`), 0))
    t.is(await size(here), 25 + index)
  }
})

test('who makes names in a directory that is split is told its attributes with the answer', async t => {
  const { cluster, here, make, size } = await setUp(16, 2)
  await cluster.env.advance(5_000)
  await size(here)
  const asked = listen(cluster)
  for (let index = 0; index < 8; index++) {
    await make(here, `g${index}`)
    t.is(await size(here), 17 + index)
  }
  t.false(asked.includes('getattr'))
})

test('that an inode has no extended attributes is said without asking, until another client sets one', async t => {
  const { cluster, here, there, ino, wait } = await setUp(1)
  const file = await wait(here.lookup(ino, nameOf('f0')))
  const [user, security] = [nameOf('user.a'), nameOf('security.selinux')]
  const asked = listen(cluster)
  for (const name of [user, security]) {
    await t.throwsAsync(wait(here.getxattr(file.ino, name)), { message: /ENODATA/ })
  }
  t.is((await wait(here.listxattr(file.ino))).length, 0)
  t.deepEqual(asked, [])
  await wait(there.setxattr(file.ino, user, nameOf('x'), 0))
  t.is(`${Buffer.from(await wait(here.getxattr(file.ino, user)))}`, 'x')
  await cluster.env.advance(5_000)
  await wait(here.getattr(file.ino))
  t.is(`${Buffer.from(await wait(here.getxattr(file.ino, user)))}`, 'x')
  await t.throwsAsync(wait(here.getxattr(file.ino, security)), { message: /ENODATA/ })
  await wait(there.removexattr(file.ino, user))
  await t.throwsAsync(wait(here.getxattr(file.ino, user)), { message: /ENODATA/ })
})

test('a listing with attributes, and names that are not there, are said again without asking', async t => {
  const { cluster, here, there, ino, wait, make, has } = await setUp(3)
  const other = (await cluster.connect()).fileSystem
  const options = { limitBytes: 65_536 }
  await wait(other.getattr(ino))
  await cluster.env.advance(100)
  const { entries } = await wait(other.readdirplus(ino, 0, options))
  t.is(entries.length, 3)
  t.false(await has(other, 'g'))
  const asked = listen(cluster)
  for (const { name, attributes } of entries) {
    t.deepEqual(await wait(other.lookup(ino, name)), attributes)
  }
  t.false(await has(other, 'g'))
  t.deepEqual(asked, [])
  await make(there, 'g')
  await wait(here.unlink(ino, nameOf('f0')))
  await wait(
    here.setattr(entries.find(({ name }) => `${Buffer.from(name)}` === 'f1')!.ino, { mode: 0o600 }),
  )
  t.true(await has(other, 'g'))
  t.false(await has(other, 'f0'))
  t.is((await wait(other.lookup(ino, nameOf('f1')))).mode & 0o777, 0o600)
})

test('a directory stays leased while it is listed, but where that moves its access time', async t => {
  const { cluster, here, there, ino, wait, make } = await setUp(3)
  const options = { limitBytes: 65_536 }
  await wait(here.readdir(ino, 0, options))
  const read = await wait(here.getattr(ino))
  await cluster.env.advance(5_000)
  await wait(here.getattr(ino))
  const asked = listen(cluster)
  // What was listed before is known, but not in pages of another size.
  await wait(here.readdir(ino, 0, options))
  await wait(here.readdir(ino, 0, { limitBytes: 4096 }))
  t.deepEqual(await wait(here.getattr(ino)), read)
  t.deepEqual(asked, ['readdir'])
  await cluster.env.advance(5_000)
  await make(there, 'g')
  await cluster.env.advance(5_000)
  const changed = await wait(here.getattr(ino))
  t.true(changed.mtimeNs > changed.atimeNs)
  await wait(here.readdir(ino, 0, options))
  const { atimeNs } = await wait(here.getattr(ino))
  t.true(atimeNs > changed.mtimeNs)
  t.is((await wait(there.getattr(ino))).atimeNs, atimeNs)
})

test('an answer that comes late does not have another client’s name taken for the own change', async t => {
  const { cluster, here, there, ino, wait, make, has, size } = await setUp(1)
  let asked = 0
  let held = true
  cluster.onCall = name => {
    if (name !== 'unlink') return
    asked++
    // It is done, and the answer is lost; the repeat has to wait.
    if (asked === 1) void cutFor(cluster, 'client1', 100)
    else if (held) throw new ClusterError('NOT_READY', 'not yet')
  }
  const removing = here.unlink(ino, nameOf('f0'))
  await cluster.env.advance(500)
  t.is(await size(here), 0)
  await make(there, 'other')
  held = false
  await wait(removing)
  t.true(asked > 1)
  await cluster.env.advance(5_000)
  t.is(await size(here), 1)
  t.true(await has(here, 'other'))
})

test('who is refused for a name in a directory that is split is not told of it before the others', async t => {
  const { cluster, here, there, ino, wait, has, size } = await setUp(16, 2)
  const third = (await cluster.connect()).fileSystem
  const elsewhere = (await wait(third.mkdir(third.root, nameOf('e'), 0o755, owner))).ino
  let refused = 0
  for (let index = 0; index < 60; index++) {
    const [own, name] = [nameOf(`h${index}`), nameOf(`g${index}`)]
    await wait(third.mknod(elsewhere, own, 0o100644, 0, owner))
    t.false(await has(there, `g${index}`), 'it has learnt where names are')
    await cluster.env.advance(5_000)
    const renaming = third.rename(elsewhere, own, ino, name, noReplace).catch(() => refused++)
    await cluster.env.advance((index % 5) + 1)
    const making = there.mknod(ino, name, 0o100644, 0, owner)
    making.catch(() => undefined)
    // It has a lease from before what the others are told.
    const looking = here.getattr(ino)
    await wait(renaming)
    t.is(await size(here), 17 + index)
    await wait(Promise.allSettled([making, looking]))
  }
  t.true(refused > 0)
})
