/** Changes that programs were answered before their server has made them: nobody can tell, whoever ends meanwhile. */
import test from 'ava'
import type { Cluster } from '../../client/cluster/contract.ts'
import { contextOf } from '../../client/fs/context.ts'
import type { FileSystem } from '../../client/fs/contract.ts'
import { setQuota } from '../../client/fs/volumes.ts'
import type { PosixError } from '../../network/errors.ts'
import { leaseTermMs, readLeaseRestMs } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
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

/** A client that alone works in a directory, where it makes files behind. */
async function setUp(): Promise<Scene> {
  const cluster = await SimulatedCluster.start({
    seed: 3,
    servers: 2,
    slowestMs: 30,
    inlineBytes: 4096,
  })
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { fileSystem: here, client: heres, endpoint } = await cluster.connect()
  await cluster.env.advance(readLeaseRestMs)
  const { ino: directory } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, me))
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

async function make({ here, directory, made, wait }: Scene, text = ''): Promise<void> {
  const name = `f${made.length}`
  made.push(name)
  const { file } = await wait(here.create(directory, nameOf(name), 0o644, me, how))
  if (text !== '') await wait(here.write(file, 0, nameOf(text), {}))
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
  for (let count = 0; count < 10; count++) await make(scene, `text${count}`)
  t.true(isBehind())
  cluster.end(endpoint)
  const { there } = await scene.join()
  t.deepEqual(await namesIn(scene, there, directory), made.slice(1).sort())
  t.is(await textOf(scene, there, directory, made.at(-1)!), 'text9')
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
  const home = heres.view.partitions[partitionOfIno(directory)]!.primary!
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
