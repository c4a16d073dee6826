/** A directory whose names one client has all made is listed from its memory, and is what any other client would be told. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import type { Random } from '../../network/env/env.ts'
import { operationDeadlineMs, readdirLimitBytes, readLeaseRestMs } from '../../network/limits.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { setUp as beginBehind, homeOf, make as makeBehind } from './behind-scene.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const owner = { uid: 0, gid: 0 }
const anew = { exclusive: true, truncate: false }
const nameOf = (text: string) => Buffer.from(text)

async function setUp(seed: number, splitEntries?: number) {
  const split = splitEntries === undefined ? {} : { splitEntries }
  const cluster = await SimulatedCluster.start({ seed, slowestMs: 3, ...split })
  const [here, there] = [(await cluster.connect()).fileSystem, (await cluster.connect()).fileSystem]
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { ino } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, owner))
  await wait(here.getattr(ino))
  /** Names in their order, each with its number, position and type. */
  const list = async (fileSystem: FileSystem, limitBytes = readdirLimitBytes) => {
    const found: string[] = []
    for (let [cookie, end] = [0, false]; !end; ) {
      const page = await fileSystem.readdir(ino, cookie, { limitBytes })
      for (const entry of entriesOfRecords(page.records)) {
        found.push(`${entry.cookie} ${Buffer.from(entry.name)} ${entry.ino} ${entry.type}`)
      }
      ;({ next: cookie, end } = page)
    }
    return found
  }
  const asked: string[] = []
  cluster.onCall = name => void asked.push(name)
  return { cluster, here, there, ino, wait, list, asked }
}

async function makeAll(fileSystem: FileSystem, ino: number): Promise<void> {
  for (let index = 0; index < 300; index++) {
    await make(fileSystem, ino, nameOf(`f${index}`), anew)
  }
  await fileSystem.mkdir(ino, nameOf('directory'), 0o755, owner)
  await fileSystem.mkdir(ino, nameOf('gone'), 0o755, owner)
  await fileSystem.symlink(ino, nameOf('symlink'), nameOf('f1'), owner)
  await fileSystem.mknod(ino, nameOf('fifo'), 0o010644, 0, owner)
  const { ino: linked } = await fileSystem.lookup(ino, nameOf('f2'))
  await fileSystem.link(linked, ino, nameOf('hard link'))
  for (let index = 0; index < 100; index++) await fileSystem.unlink(ino, nameOf(`f${index * 3}`))
  await fileSystem.rmdir(ino, nameOf('gone'))
}

test('what this client has made and removed is listed by one question, in pages of any size', async t => {
  const { here, there, ino, wait, list, asked } = await setUp(1)
  await wait(makeAll(here, ino))
  const before = await wait(here.getattr(ino))
  asked.length = 0
  const found = await wait(list(here))
  t.deepEqual(asked, ['readdir', 'getattr'])
  t.is(found.length, 204)
  t.true((await wait(here.getattr(ino))).atimeNs > before.atimeNs)
  for (const limitBytes of [1, 100, 4096]) t.deepEqual(await wait(list(here, limitBytes)), found)
  t.deepEqual(await wait(list(there)), found)
  t.deepEqual(await wait(list(here)), found)
})

test('.. is the directory that it was moved to by another client', async t => {
  const { here, there, ino, wait } = await setUp(1)
  await wait(makeAll(here, ino))
  const other = await wait(there.mkdir(there.root, nameOf('other'), 0o755, owner))
  await wait(there.rename(there.root, nameOf('d'), other.ino, nameOf('d'), 0))
  const page = await wait(here.readdir(ino, 0, { limitBytes: readdirLimitBytes }))
  t.is(page.parent, other.ino)
})

for (const who of ['here', 'there'] as const) {
  test(`a directory is listed by one question after something was renamed in it, ${who}`, async t => {
    const setting = await setUp(1)
    const { cluster, here, ino, wait, list, asked } = setting
    await wait(makeAll(here, ino))
    await wait(setting[who].rename(ino, nameOf('f1'), ino, nameOf('g1'), 0))
    await cluster.env.advance(200_000)
    for (const fileSystem of [here, setting[who]]) {
      await wait(here.getattr(ino))
      asked.length = 0
      const found = await wait(list(fileSystem))
      t.true(found.some(entry => entry.includes(' g1 ')))
      t.deepEqual(asked, ['readdir'])
    }
  })
}

test('what was made behind and failed is in no later listing', async t => {
  const scene = await beginBehind()
  const { cluster, here, heres, directory, wait, isBehind } = scene
  await wait(here.fsync(directory))
  const list = async (fileSystem: FileSystem) => {
    const options = { limitBytes: readdirLimitBytes, quiet: true }
    const { records } = await fileSystem.readdir(directory, 0, options)
    return entriesOfRecords(records).map(({ name }) => `${Buffer.from(name)}`)
  }
  // The first is made, the second never arrives.
  let seen = 0
  cluster.onCall = name =>
    name === 'makeBehind' && ++seen > 1 ? new Promise<void>(() => {}) : undefined
  await makeBehind(scene)
  const listing = list(here)
  await makeBehind(scene)
  await wait(listing)
  const home = homeOf(heres, directory)
  cluster.crash(home)
  await cluster.env.advance(operationDeadlineMs + 10_000)
  t.false(isBehind())
  cluster.onCall = () => undefined
  await cluster.startServer(home)
  const { there } = await scene.join()
  await wait(there.mknod(directory, nameOf('other'), 0o100644, 0, owner))
  await cluster.env.advance(readLeaseRestMs + 1000)
  for (let tries = 0; tries < 20 && !heres.leases.attributes(directory); tries++) {
    await cluster.env.advance(300)
    await wait(here.getattr(directory))
  }
  t.deepEqual(await wait(list(here)), await wait(list(there)))
})

for (const [how, splitEntries] of [
  ['stays whole', undefined],
  ['is split', 40],
] as const) {
  for (let seed = 1; seed <= 12; seed++) {
    test(`changes of two clients, one after the other, in a directory that ${how} (seed ${seed})`, async t => {
      const { cluster, here, there, ino, wait, list } = await setUp(seed, splitEntries)
      const { random } = cluster.env
      for (let count = 0; count < 150; count++) {
        const who = random.integer(30) === 0 ? there : here
        const [name, other] = [nameOf(`g${random.integer(60)}`), nameOf(`g${random.integer(60)}`)]
        const act = random.integer(10)
        const acting =
          act < 6
            ? who.mknod(ino, name, 0o100644, 0, owner)
            : act < 9
              ? who.unlink(ino, name)
              : who.rename(ino, name, ino, other, 0)
        await wait(acting.then(() => null).catch(() => null))
        if (random.integer(6) > 0) continue
        const limitBytes = random.integer(2) === 0 ? 300 : readdirLimitBytes
        t.deepEqual(await wait(list(here, limitBytes)), await wait(list(there)))
      }
    })
  }
}

/** One change of a name in the directory; what fails is as well. */
async function changeOne(who: FileSystem, ino: number, random: Random, fresh: number) {
  const isFresh = random.integer(2) === 0
  const name = nameOf(isFresh ? `n${fresh}` : `g${random.integer(30)}`)
  const other = nameOf(`g${random.integer(30)}`)
  const act = random.integer(12)
  if (act < 4) await make(who, ino, name, { ...anew, exclusive: random.integer(2) === 0 })
  else if (act < 5) await who.symlink(ino, name, other, owner)
  else if (act < 6) await who.mkdir(ino, name, 0o755, owner)
  else if (act < 7) await who.rmdir(ino, name)
  else if (act < 8) await who.rename(ino, name, ino, other, 0)
  else if (act < 9) await who.link((await who.lookup(ino, other)).ino, ino, name)
  else await who.unlink(ino, name)
}

async function make(who: FileSystem, ino: number, name: Uint8Array, how: typeof anew) {
  const { file } = await who.create(ino, name, 0o100644, owner, how)
  who.release(file)
}

for (let seed = 1; seed <= 16; seed++) {
  test(`whoever lists while three change names has each that stays once, and at rest what is there (seed ${seed})`, async t => {
    const splitEntries = seed % 4 === 0 ? 40 : undefined
    const { cluster, here, there, ino, wait, list } = await setUp(seed, splitEntries)
    const { random, timers } = cluster.env
    for (let index = 0; index < 12; index++) await wait(make(here, ino, nameOf(`s${index}`), anew))
    for (let round = 0; round < 4; round++) {
      let left = 3
      let fresh = 1000 * round
      const actor = async (who: FileSystem) => {
        for (let count = 0; count < 20; count++) {
          await timers.sleep(random.integer(20))
          await changeOne(who, ino, random, fresh++).catch(() => undefined)
        }
        left--
      }
      const scan = async () => {
        while (left > 0) {
          const cookies: number[] = []
          let stay = 0
          for (const entry of await list(here, 100 + random.integer(400))) {
            cookies.push(Number(entry.split(' ')[0]))
            if (entry.split(' ')[1]!.startsWith('s')) stay++
          }
          t.is(stay, 12)
          t.deepEqual(
            cookies,
            [...new Set(cookies)].sort((a, b) => a - b),
          )
          await timers.sleep(random.integer(30))
        }
      }
      const others = round === 2 ? there : here
      await wait(Promise.all([actor(here), actor(here), actor(others), scan(), scan()]))
      t.deepEqual(await wait(list(here, 300)), await wait(list(there)))
    }
  })
}
