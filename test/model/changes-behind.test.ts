/** Changes that programs were answered before their server has made them: nobody can tell, whoever ends meanwhile. */
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import type { Cluster } from '../../client/cluster/contract.ts'
import { contextOf } from '../../client/fs/context.ts'
import type { FileSystem } from '../../client/fs/contract.ts'
import { setQuota } from '../../client/fs/volumes.ts'
import type { PosixError } from '../../network/errors.ts'
import { leaseTermMs, operationDeadlineMs, readLeaseRestMs } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { entriesKey } from '../../server/metadata/keys.ts'
import { TestMoves } from '../../server/testing/moves.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const me = { uid: 0, gid: 0 }
const how = { exclusive: true, truncate: false }
const nameOf = (text: string) => Buffer.from(text)

interface Scene {
  readonly cluster: SimulatedCluster
  readonly here: FileSystem
  readonly heres: Cluster
  readonly endpoint: string
  readonly directory: number
  /** Files that were made there so far; the last ones may not be on their server. */
  readonly made: string[]
  readonly wait: <T>(promise: Promise<T>) => Promise<T>
  readonly isBehind: () => boolean
  /** One more client. */
  readonly join: () => Promise<{ readonly there: FileSystem; readonly theres: Cluster }>
}

/**
 * A client that alone works in a directory, where it makes files behind.
 * @param before what happens when the directory was just made.
 */
async function setUp(
  seed = 3,
  before: (cluster: SimulatedCluster, home: MemberId, partition: number) => unknown = () => null,
): Promise<Scene> {
  const cluster = await SimulatedCluster.start({
    ...{ seed, servers: 3, partitions: 3, slowestMs: 30, inlineBytes: 4096 },
  })
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { fileSystem: here, client: heres, endpoint } = await cluster.connect()
  const { ino: directory } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, me))
  await wait(here.fsync(directory))
  await before(cluster, homeOf(heres, directory), partitionOfIno(directory))
  await cluster.env.advance(readLeaseRestMs + leaseTermMs)
  await wait(here.getattr(directory))
  const made: string[] = []
  const { changes } = contextOf(heres)
  const isBehind = () => !changes.isEmpty
  const scene: Scene = {
    ...{ cluster, here, heres, endpoint, directory, made, wait, isBehind },
    join: async () => {
      const { fileSystem: there, client: theres } = await cluster.connect()
      return { there, theres }
    },
  }
  while (!isBehind()) await make(scene)
  return scene
}

function homeOf(client: Cluster, directory: number): MemberId {
  return client.view.partitions[partitionOfIno(directory)]!.primary!
}

async function make({ here, directory, made, wait }: Scene, text = ''): Promise<void> {
  const name = `f${made.length}`
  made.push(name)
  // As the kernel does.
  await codeOf(wait(here.lookup(directory, nameOf(name))))
  const { file } = await wait(here.create(directory, nameOf(name), 0o644, me, how))
  for (const offset of text === '' ? [] : [0, 2]) {
    await wait(here.write(file, offset, nameOf(text).subarray(offset, offset + 2), {}))
  }
  here.release(file)
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'done'
  } catch (error) {
    return (error as PosixError).code
  }
}

async function namesIn({ wait }: Scene, fileSystem: FileSystem, directory: number) {
  const { entries } = await wait(fileSystem.readdirplus(directory, 0, { limitBytes: 65_536 }))
  return entries.map(({ name }) => Buffer.from(name).toString()).sort()
}

async function textOf({ wait }: Scene, fileSystem: FileSystem, directory: number, name: string) {
  const { ino } = await wait(fileSystem.lookup(directory, nameOf(name)))
  const file = await wait(fileSystem.open(ino, { truncate: false }))
  const pieces = await wait(fileSystem.read(file, 0, 100))
  fileSystem.release(file)
  return Buffer.concat(pieces).toString()
}

test('files are made, written and removed behind', async t => {
  const scene = await setUp()
  const { here, directory, made, wait, isBehind } = scene
  await wait(here.fsync(directory))
  t.false(isBehind())
  await make(scene, 'text')
  t.true(isBehind())
  t.is((await wait(here.lookup(directory, nameOf(made.at(-1)!)))).size, 4)
  t.true(isBehind(), 'that needs nobody else')
  t.is((await wait(here.getattr(directory))).size, made.length)
  t.true(isBehind())
  t.is(await textOf(scene, here, directory, made.at(-1)!), 'text')
  await wait(here.fsync(directory))
  const { ino } = await wait(here.lookup(directory, nameOf(made.at(-1)!)))
  t.is((await wait(here.setattr(ino, { mode: 0o600 }))).mode, 0o100600)
  t.true(isBehind())
  t.is((await wait(here.getattr(ino))).mode, 0o100600)
  await wait(here.fsync(ino))
  t.false(isBehind())
  await wait(here.unlink(directory, nameOf(made[0]!)))
  t.true(isBehind())
  t.is(await codeOf(wait(here.lookup(directory, nameOf(made[0]!)))), 'ENOENT')
  await wait(here.close())
  t.false(isBehind())
  t.deepEqual(scene.cluster.faults(), [])
})

const looks: {
  readonly [title: string]: (scene: Scene, there: FileSystem, name: string) => Promise<unknown>
} = {
  lookup: async ({ wait, directory }, there, name) => {
    await wait(there.lookup(directory, nameOf(name)))
    return true
  },
  'a listing': async (scene, there, name) =>
    (await namesIn(scene, there, scene.directory)).includes(name),
  'the size of the directory': async ({ wait, directory, made }, there) =>
    (await wait(there.getattr(directory))).size === made.length,
  'an exclusive create': async ({ wait, directory }, there, name) =>
    (await codeOf(wait(there.create(directory, nameOf(name), 0o644, me, how)))) === 'EEXIST',
  'what is in it': async (scene, there, name) =>
    (await textOf(scene, there, scene.directory, name)) === 'text',
  'its mode and times': async ({ wait, directory, here }, there, name) => {
    const { ino } = await wait(here.lookup(directory, nameOf(name)))
    const set = { mode: 0o604, uid: 7, mtimeNs: 77n, atimeNs: 'now' } as const
    const told = await wait(here.setattr(ino, set))
    const seen = await wait(there.getattr(ino))
    return isDeepStrictEqual({ ...told, xattrFlags: 0 }, { ...seen, xattrFlags: 0 })
  },
  'a rename over it': async ({ wait, directory }, there, name) =>
    (await codeOf(wait(there.rename(directory, nameOf('f0'), directory, nameOf(name), 1)))) ===
    'EEXIST',
}

for (const [title, look] of Object.entries(looks)) {
  test(`what was made and written behind is seen by another client: ${title}`, async t => {
    const scene = await setUp()
    const { there } = await scene.join()
    for (let round = 0; round < 4; round++) {
      await make(scene, 'text')
      t.is(await look(scene, there, scene.made.at(-1)!), true)
      await scene.cluster.env.advance(20_000)
    }
  })
}

test('what was removed behind is not seen by another client, which knew it', async t => {
  const scene = await setUp()
  const { cluster, here, directory, wait, isBehind } = scene
  await wait(here.fsync(directory))
  const { there } = await scene.join()
  const { ino } = await wait(there.lookup(directory, nameOf('f0')))
  const file = await wait(there.open(ino, { truncate: false }))
  // Its leases have run out, as nobody asks it.
  await cluster.env.advance(100_000)
  while (!isBehind()) await make(scene)
  await wait(here.lookup(directory, nameOf('f0')))
  await wait(here.fsync(directory))
  await wait(here.unlink(directory, nameOf('f0')))
  t.true(isBehind())
  t.is((await wait(there.getattr(ino))).nlink, 0)
  t.is(await codeOf(wait(there.lookup(directory, nameOf('f0')))), 'ENOENT')
  there.release(file)
})

test('what another client goes by is not changed behind', async t => {
  const scene = await setUp()
  const { cluster, here, directory, wait } = scene
  const { there } = await scene.join()
  const { ino } = await wait(there.lookup(directory, nameOf('f0')))
  const file = await wait(there.open(ino, { truncate: false }))
  for (let count = 0; count < 10; count++) {
    await make(scene)
    await cluster.env.advance(500)
    t.is((await wait(there.getattr(ino))).nlink, 1)
  }
  await wait(here.lookup(directory, nameOf('f0')))
  await wait(here.unlink(directory, nameOf('f0')))
  t.is((await wait(there.getattr(ino))).nlink, 0)
  there.release(file)
})

test('what was answered is there though the client is killed at once', async t => {
  const scene = await setUp()
  const { cluster, here, directory, made, wait, isBehind, endpoint } = scene
  await wait(here.fsync(directory))
  await wait(here.unlink(directory, nameOf('f0')))
  for (let count = 0; count < 10; count++) await make(scene, `tex${count}`)
  t.true(isBehind())
  cluster.end(endpoint)
  const { there } = await scene.join()
  t.deepEqual(await namesIn(scene, there, directory), made.slice(1).sort())
  t.is(await textOf(scene, there, directory, made.at(-1)!), 'tex9')
  t.deepEqual(cluster.faults(), [])
})

test('nothing is changed behind where nobody can tell what has left', async t => {
  const scene = await setUp()
  const { cluster, here, heres, directory, made, wait, isBehind } = scene
  await wait(here.fsync(directory))
  Object.assign(heres, { handsOver: () => false })
  await make(scene, 'text')
  t.false(isBehind())
  await wait(here.unlink(directory, nameOf(made.shift()!)))
  t.false(isBehind())
  t.deepEqual(await namesIn(scene, here, directory), [...made].sort())
  t.deepEqual(cluster.faults(), [])
})

test('what was answered is made again when its server ends', async t => {
  const scene = await setUp()
  const { cluster, here, directory, made, wait, isBehind, heres } = scene
  await make(scene, 'text')
  t.true(isBehind())
  const home = homeOf(heres, directory)
  cluster.crash(home)
  await cluster.startServer(home)
  await wait(here.fsync(directory))
  const { there } = await scene.join()
  t.deepEqual(await namesIn(scene, there, directory), [...made].sort())
  t.is(await textOf(scene, there, directory, made.at(-1)!), 'text')
})

test('of a client that is not heard, what was answered comes late, and over nothing that others made', async t => {
  const scene = await setUp()
  const { cluster, here, directory, made, wait, isBehind, endpoint } = scene
  await wait(here.fsync(directory))
  cluster.keepOut(endpoint)
  // Handed to nobody: the program waits for these.
  const removing = codeOf(here.unlink(directory, nameOf('f0')))
  const making = codeOf(here.create(directory, nameOf('new'), 0o644, me, how))
  const { there } = await scene.join()
  await cluster.env.advance(leaseTermMs)
  await wait(there.unlink(directory, nameOf('f0')))
  const other = await wait(there.create(directory, nameOf('f0'), 0o644, me, how))
  await wait(there.write(other.file, 0, nameOf('other'), {}))
  there.release(other.file)
  cluster.letBack(endpoint)
  t.is(await wait(removing), 'ENOENT', 'another has removed it')
  t.is(await wait(making), 'done')
  t.is(await textOf(scene, there, directory, 'f0'), 'other')
  t.deepEqual(await namesIn(scene, there, directory), [...made, 'new'].sort())
  t.false(isBehind())
})

test('with a quota nothing more is made behind', async t => {
  const scene = await setUp()
  const { here, directory, wait, isBehind } = scene
  const { theres } = await scene.join()
  await wait(here.fsync(directory))
  await wait(setQuota(theres, 'v', { bytes: null, files: 1_000 }))
  for (let count = 0; count < 4; count++) {
    await make(scene)
    await wait(here.fsync(directory))
  }
  await make(scene)
  t.false(isBehind())
})

test('a small file is written twice after its server has lost power, and counts on from where it never was', async t => {
  const scene = await setUp(3, async (cluster, home) => {
    cluster.losePower(home)
    await cluster.startServer(home)
  })
  const { cluster, here, directory, wait, isBehind } = scene
  for (const pauseMs of [0, 500]) {
    await codeOf(wait(here.lookup(directory, nameOf(`after ${pauseMs}`))))
    const name = nameOf(`after ${pauseMs}`)
    const { file } = await wait(here.create(directory, name, 0o644, me, how))
    await wait(here.write(file, 0, nameOf('one '), {}))
    await cluster.env.advance(pauseMs)
    await wait(here.write(file, 4, nameOf('two'), {}))
    t.true(isBehind())
    await wait(here.fsync(file.ino, file))
    here.release(file)
    t.is(await textOf(scene, here, directory, `after ${pauseMs}`), 'one two')
  }
  t.deepEqual(cluster.warnings, [])
})

/** Requests that are on their way are sent again, in any order. */
async function breakConnections({ cluster, endpoint }: Scene): Promise<void> {
  cluster.keepOut(endpoint)
  await cluster.env.advance(1)
  cluster.letBack(endpoint)
}

test('what was written comes before what is done with the file next, though its connection breaks', async t => {
  for (let seed = 1; seed < 12; seed++) {
    const scene = await setUp(seed)
    const { cluster, here, directory, wait, isBehind } = scene
    await codeOf(wait(here.lookup(directory, nameOf('x'))))
    const { file } = await wait(here.create(directory, nameOf('x'), 0o644, me, how))
    await wait(here.fsync(directory))
    await wait(here.write(file, 0, nameOf('text'), {}))
    t.true(isBehind())
    const broken = breakConnections(scene)
    const removing = here.unlink(directory, nameOf('x'))
    await broken
    await wait(removing)
    const read = await wait(here.read(file, 0, 10))
    t.is(Buffer.concat(read).toString(), 'text', `seed ${seed}`)
    t.deepEqual(cluster.warnings, [])
  }
})

test('nothing is made behind while something that is made in the usual way waits for what is on its way', async t => {
  const scene = await setUp()
  const { cluster, here, directory, wait, isBehind } = scene
  await codeOf(wait(here.lookup(directory, nameOf('x'))))
  await wait(here.fsync(directory))
  await make(scene)
  t.true(isBehind())
  const calls: string[] = []
  cluster.onCall = name => void calls.push(name)
  const making = codeOf(here.mkdir(directory, nameOf('x'), 0o755, me))
  const creating = codeOf(here.create(directory, nameOf('x'), 0o644, me, how))
  const codes = [await wait(making), await wait(creating)]
  t.deepEqual(codes.sort(), ['EEXIST', 'done'])
  t.is(
    calls.filter(name => name === 'makeBehind').length,
    1,
    'that of before, which had not arrived',
  )
})

test('what could not be written to a file that was closed is told by the next fsync of it', async t => {
  const scene = await setUp()
  const { cluster, here, heres, directory, made, wait, isBehind } = scene
  await make(scene)
  await wait(here.fsync(directory))
  const { ino } = await wait(here.lookup(directory, nameOf(made.at(-1)!)))
  const file = await wait(here.open(ino, { truncate: false }))
  await wait(here.write(file, 0, nameOf('text'), {}))
  t.true(isBehind())
  here.release(file)
  const home = homeOf(heres, directory)
  cluster.crash(home)
  await cluster.env.advance(operationDeadlineMs + 10_000)
  t.false(isBehind())
  await cluster.startServer(home)
  const again = await wait(here.open(ino, { truncate: false }))
  t.is(await codeOf(wait(here.fsync(ino, again))), 'EIO')
  t.is(await codeOf(wait(here.fsync(ino, again))), 'done', 'once')
})

type Turn = (cluster: SimulatedCluster, moves: TestMoves, partition: number, home: MemberId) => void
const turns: { readonly [title: string]: Turn } = {
  'its partition goes to another server': ({ ids }, moves, partition, home) => {
    const to = ids.find(id => id !== home)!
    moves.show(partition, { replicas: [home, to], inSync: [home, to], primary: to })
  },
  'its partition begins to be copied': ({ ids }, moves, partition, home) => {
    const to = ids.find(id => id !== home)!
    moves.show(partition, { replicas: [home, to], inSync: [home], primary: home })
  },
  'its server is started again': (cluster, _moves, _partition, home) => {
    cluster.crash(home)
    void cluster.startServer(home)
  },
  // So it counts changes on from elsewhere.
  'its machine is started again, and lost nothing': (cluster, _moves, _partition, home) => {
    cluster.losePower(home, 0)
    void cluster.startServer(home)
  },
}

for (const [title, turn] of Object.entries(turns)) {
  test(`what was answered is what another client sees when ${title}`, async t => {
    for (let seed = 1; seed <= 5; seed++) {
      let moves: TestMoves | null = null
      const scene = await setUp(seed, async (cluster, home, partition) => {
        moves = new TestMoves(cluster.servers)
        const to = cluster.ids.find(id => id !== home)!
        if (title.includes('another server')) await moves.copy(partition, to)
      })
      const { cluster, here, heres, directory, made, wait, isBehind } = scene
      const { there } = await scene.join()
      await cluster.env.advance(leaseTermMs)
      while (!isBehind()) await make(scene)
      await make(scene, 'text')
      t.true(isBehind())
      turn(cluster, moves!, partitionOfIno(directory), homeOf(heres, directory))
      t.is(await textOf(scene, there, directory, made.at(-1)!), 'text', `seed ${seed}`)
      await make(scene, 'more')
      await codeOf(wait(here.fsync(directory)))
      t.deepEqual(await namesIn(scene, there, directory), [...made].sort())
      t.deepEqual(cluster.warnings, [])
    }
  })
}

/** A directory that is split, and one in its partition, where a new client makes files behind. */
async function besideSplit(isEmpty: boolean) {
  const init = { seed: 3, servers: 2, partitions: 2, slowestMs: 5, splitEntries: 3 }
  const cluster = await SimulatedCluster.start(init)
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const makers = [await cluster.connect(), await cluster.connect()]
  const [one] = makers
  const { root } = one!.fileSystem
  const { ino: split } = await wait(one!.fileSystem.mkdir(root, nameOf('d'), 0o755, me))
  const names = Array.from({ length: 12 }, (_, index) => nameOf(`n${index}`))
  for (const [index, name] of names.entries()) {
    const { fileSystem } = makers[index % 2]!
    const { file } = await wait(fileSystem.create(split, name, 0o644, me, how))
    fileSystem.release(file)
  }
  await cluster.env.advance(leaseTermMs)
  for (const name of isEmpty ? names : []) await wait(one!.fileSystem.unlink(split, name))
  for (const { client } of makers) await wait(client.close())
  const { fileSystem: here, client } = await cluster.connect()
  const home = partitionOfIno(split)
  let beside = split
  for (let count = 0; beside === split; count++) {
    const { ino } = await wait(here.mkdir(root, nameOf(`beside ${count}`), 0o755, me))
    if (partitionOfIno(ino) === home) beside = ino
  }
  await cluster.env.advance(2 * readLeaseRestMs)
  for (const ino of [split, beside]) await wait(here.getattr(ino))
  while (!client.partitions.mayWrite(home)) {
    const { file } = await wait(here.create(beside, nameOf('f'), 0o644, me, how))
    here.release(file)
    await wait(here.unlink(beside, nameOf('f')))
  }
  return { cluster, wait, here, split, names }
}

test('in a directory that is split nothing is changed behind: made in one that is empty again', async t => {
  const { cluster, wait, here, split, names } = await besideSplit(true)
  t.is((await wait(here.getattr(split))).size, 0)
  for (const name of names) {
    const { file } = await wait(here.create(split, name, 0o644, me, how))
    here.release(file)
  }
  await wait(here.fsync(split))
  t.is((await wait(here.getattr(split))).size, names.length)
  t.deepEqual(cluster.warnings, [])
})

test('in a directory that is split nothing is changed behind: removed', async t => {
  const { cluster, wait, here, split, names } = await besideSplit(false)
  const home = partitionOfIno(split)
  const store = cluster.servers.serverOf(home).partitions.storeOf(home)
  const isAtHome = (name: Uint8Array) =>
    store.get(entriesKey(home, split, entryHash(name))) !== undefined
  // By these nobody finds out that there are shards elsewhere.
  const removed = names.filter(isAtHome)
  t.true(removed.length > 0)
  for (const name of removed) {
    await wait(here.lookup(split, name))
    await wait(here.getattr(split))
    await wait(here.unlink(split, name))
  }
  await wait(here.fsync(split))
  t.is((await wait(here.getattr(split))).size, names.length - removed.length)
  t.deepEqual(cluster.warnings, [])
})
