/** Changes that programs were answered before their server has made them: nobody can tell, whoever ends meanwhile. */
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import { PosixError } from '../../network/errors.ts'
import { kernelKeepsMs, leaseTermMs, readLeaseRestMs, wallLateMs } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { entriesKey } from '../../server/metadata/keys.ts'
import {
  codeOf,
  how,
  make,
  me,
  nameOf,
  namesIn,
  type Scene,
  setUp,
  textOf,
} from './behind-scene.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

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

test("what is changed behind is changed after it was last, though its server's clock were known late, unless that was set back", async t => {
  const scene = await setUp()
  const { here, heres, directory, made, wait, isBehind } = scene
  const known = heres.wallNs.bind(heres)
  let lateMs = 0
  heres.wallNs = partition => known(partition)! - BigInt(lateMs) * 1_000_000n
  const changed = async () => {
    await make(scene, 'text')
    t.true(isBehind())
    const { ino, ctimeNs } = await wait(here.lookup(directory, nameOf(made.at(-1)!)))
    const set = await wait(here.setattr(ino, { mode: 0o700 }))
    t.true(isBehind())
    return [ctimeNs, set.ctimeNs] as const
  }
  await changed()
  const { ctimeNs: before } = await wait(here.getattr(directory))
  lateMs = wallLateMs / 2
  const [madeNs, setNs] = await changed()
  t.true(before < madeNs && madeNs < setNs && setNs < before + 1_000n)
  lateMs = 2 * wallLateMs
  const [laterNs] = await changed()
  t.true(laterNs < before)
})

test('a file of which one name is removed behind is changed after it was last', async t => {
  const scene = await setUp()
  const { cluster, here, heres, directory, made, wait, isBehind } = scene
  await make(scene, 'text')
  const { ino } = await wait(here.lookup(directory, nameOf(made.at(-1)!)))
  await wait(here.link(ino, directory, nameOf('other')))
  await cluster.env.advance(readLeaseRestMs + leaseTermMs)
  await wait(here.getattr(directory))
  do await make(scene)
  while (!isBehind())
  await wait(here.lookup(directory, nameOf('other')))
  const { ctimeNs } = await wait(here.setattr(ino, { mode: 0o700 }))
  await wait(here.fsync(directory))
  const known = heres.wallNs.bind(heres)
  heres.wallNs = partition => known(partition)! - 250_000_000n
  await wait(here.unlink(directory, nameOf('other')))
  t.true(isBehind())
  t.true((await wait(here.getattr(ino))).ctimeNs > ctimeNs)
})

/** As the kernel is told of a file that is made behind. */
async function madeForKernel(scene: Scene) {
  const { directory, heres, wait, isBehind } = scene
  const sole = await wait(openVolume(heres, 'v', { isSole: true }))
  const name = nameOf(`kept ${scene.made.length}`)
  await codeOf(wait(sole.lookup(directory, name)))
  const { file, attributes } = await wait(sole.create(directory, name, 0o644, me, how))
  const keptMs = () => sole.cache.attributesMs(attributes, false)
  return { sole, name, file, attributes, keptMs, wasBehind: isBehind() }
}

test('the kernel may go by what a file that is made behind says of itself, and need not be told when it is leased', async t => {
  const scene = await setUp()
  const { here, directory, wait, isBehind } = scene
  const { sole, file, attributes, keptMs, wasBehind } = await madeForKernel(scene)
  let told = 0
  sole.cache.onUnleased(async () => void told++)
  t.true(wasBehind)
  t.is(keptMs(), kernelKeepsMs)
  t.is((await wait(sole.getattr(file.ino))).change, attributes.change)
  await wait(here.fsync(directory))
  t.false(isBehind())
  t.is(keptMs(), kernelKeepsMs)
  t.is(told, 0)
})

for (const isRefused of [false, true]) {
  const why = isRefused ? 'could not be made' : 'is leased to nobody'
  test(`the kernel goes no longer by a file that ${why} before another client is served`, async t => {
    const scene = await setUp()
    const { cluster, directory, heres, wait } = scene
    const { there } = await scene.join()
    await cluster.env.advance(readLeaseRestMs + leaseTermMs)
    do await make(scene)
    while (!scene.isBehind())
    await wait(scene.here.fsync(directory))
    heres.leases.keepAttributes = () => undefined
    if (isRefused) {
      cluster.onCall = async name => {
        if (name === 'makeBehind') throw new PosixError('EIO', 'the disk')
      }
    }
    const { sole, name, file, keptMs } = await madeForKernel(scene)
    const letGo = Promise.withResolvers<void>()
    const told: number[] = []
    sole.cache.onUnleased(ino => {
      told.push(ino)
      return letGo.promise
    })
    t.true(keptMs() > 0)
    let isServed = false
    const looking = codeOf(there.lookup(directory, name)).finally(() => {
      isServed = true
    })
    await cluster.env.advance(500)
    t.deepEqual([told, keptMs(), isServed], [[file.ino], 0, false])
    letGo.resolve()
    t.is(await wait(looking), isRefused ? 'ENOENT' : 'done')
  })
}

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
