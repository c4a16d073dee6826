/** A directory whose names one client has all made is listed from its memory, and is what any other client would be told. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { readdirLimitBytes } from '../../network/limits.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const owner = { uid: 0, gid: 0 }
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
    const { file } = await fileSystem.create(ino, nameOf(`f${index}`), 0o100644, owner, {
      exclusive: true,
      truncate: false,
    })
    fileSystem.release(file)
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
