/** A directory that is listed again is told without asking a server, and is what any other client would be told. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { readdirLimitBytes, readLeaseRestMs } from '../../network/limits.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const owner = { uid: 0, gid: 0 }
const nameOf = (text: string) => Buffer.from(text)

/** Two clients, and a directory of as many files that the second has made. */
async function setUp(files: number, seed: number, splitEntries?: number) {
  const split = splitEntries === undefined ? {} : { splitEntries }
  const cluster = await SimulatedCluster.start({ seed, slowestMs: 3, ...split })
  const [here, there] = [(await cluster.connect()).fileSystem, (await cluster.connect()).fileSystem]
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { ino } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, owner))
  for (let index = 0; index < files; index++) {
    await wait(there.mknod(ino, nameOf(`f${index}`), 0o100644, 0, owner))
  }
  await cluster.env.advance(5_000)
  /** Names in their order, each with its number and its position. */
  const list = async (fileSystem: FileSystem, limitBytes = readdirLimitBytes) => {
    const found: string[] = []
    for (let [cookie, end] = [0, false]; !end; ) {
      // As the kernel does before it opens a directory.
      if (cookie === 0) await fileSystem.getattr(ino)
      const page = await fileSystem.readdir(ino, cookie, { limitBytes })
      for (const entry of entriesOfRecords(page.records)) {
        found.push(`${entry.cookie} ${Buffer.from(entry.name)} ${entry.ino}`)
      }
      ;({ next: cookie, end } = page)
    }
    return found
  }
  const asked: string[] = []
  cluster.onCall = name => void asked.push(name)
  return { cluster, here, there, ino, wait, list, asked }
}

type Setting = Awaited<ReturnType<typeof setUp>>

test('a directory that nobody changes is asked for once, in pages of any size', async t => {
  const { here, there, wait, list, asked } = await setUp(300, 1)
  const expected = await wait(list(there))
  for (const limitBytes of [4096, readdirLimitBytes]) {
    t.deepEqual(await wait(list(here, limitBytes)), expected)
    await wait(list(here, limitBytes))
    asked.length = 0
    t.deepEqual(await wait(list(here, limitBytes)), expected)
    t.false(asked.includes('readdir'), `${asked}`)
  }
})

test('who changes the directory lists it as it is then, and so does every other client', async t => {
  const { cluster, here, there, ino, wait, list, asked } = await setUp(20, 1)
  for (const who of [here, there]) {
    for (const change of ['make', 'rename', 'remove'] as const) {
      for (const lister of [here, there])
        for (let time = 0; time < 3; time++) await wait(list(lister))
      await wait(applyTo(who, ino, change))
      asked.length = 0
      // What somebody had to wait for is leased to nobody for a while: then a server is asked in any case.
      if (change !== 'rename') await cluster.env.advance(readLeaseRestMs)
      for (let time = 0; time < 3; time++) {
        const lists = [await wait(list(here)), await wait(list(there))]
        t.deepEqual(lists[0], lists[1])
        t.is(lists[0]!.length, change === 'remove' ? 20 : 21)
        t.is(lists[0]!.filter(entry => entry.includes('newer')).length, change === 'rename' ? 1 : 0)
        await cluster.env.advance(readLeaseRestMs)
      }
      t.true(asked.includes('readdir'))
    }
  }
})

async function applyTo(who: FileSystem, ino: number, change: 'make' | 'rename' | 'remove') {
  if (change === 'make') await who.mknod(ino, nameOf('new'), 0o100644, 0, owner)
  else if (change === 'rename') await who.rename(ino, nameOf('new'), ino, nameOf('newer'), 0)
  else await who.unlink(ino, nameOf('newer'))
}

test('.. is the directory that it was moved to', async t => {
  const { here, there, ino, wait, list } = await setUp(20, 1)
  const other = await wait(there.mkdir(there.root, nameOf('other'), 0o755, owner))
  for (let time = 0; time < 3; time++) await wait(list(here))
  await wait(there.rename(there.root, nameOf('d'), other.ino, nameOf('d'), 0))
  await wait(here.getattr(ino))
  const page = await wait(here.readdir(ino, 0, { limitBytes: readdirLimitBytes }))
  t.is(page.parent, other.ino)
})

/** Both change names and list; what both list at the end of a change is compared. */
async function changeAndList({ cluster, here, there, ino, list }: Setting): Promise<string[]> {
  const { random, timers } = cluster.env
  const wrong: string[] = []
  let isOver = false
  const scan = async (who: FileSystem) => {
    while (!isOver) {
      const listed = await list(who)
      if (new Set(listed).size < listed.length) wrong.push('a name is listed twice')
      if (listed.filter(entry => entry.includes(' stays')).length < 10)
        wrong.push('a name is left out')
      await timers.sleep(random.integer(1_000))
    }
  }
  const change = async () => {
    for (let count = 0; count < 40; count++) {
      await timers.sleep(random.integer(30))
      const who = random.integer(2) === 0 ? here : there
      const name = `g${random.integer(6)}`
      const makes = random.integer(2) === 0
      const isDone = await (makes
        ? who.mknod(ino, nameOf(name), 0o100644, 0, owner)
        : who.unlink(ino, nameOf(name))
      ).then(
        () => true,
        () => false,
      )
      if (!isDone) continue
      // What several have changed is leased to nobody for a while.
      if (random.integer(3) === 0) await timers.sleep(readLeaseRestMs)
      const lists = await Promise.all([list(here), list(there)])
      for (const listed of lists) {
        const isThere = listed.some(entry => entry.includes(` ${name} `))
        if (isThere !== makes) wrong.push(`${makes ? 'lacks' : 'still has'} ${name}`)
      }
      if (`${lists[0]}` !== `${lists[1]}`) wrong.push('they list different names')
    }
    isOver = true
  }
  await Promise.all([scan(here), scan(there), change()])
  return wrong
}

for (const splitEntries of [undefined, 40]) {
  const where = splitEntries === undefined ? 'a directory' : 'a directory that is split'
  test(`what anybody changes in ${where} is listed once it is done, each name once`, async t => {
    for (let seed = 1; seed <= 3; seed++) {
      const setting = await setUp(60, seed, splitEntries)
      for (let index = 0; index < 10; index++) {
        const { here, ino, wait } = setting
        await wait(here.mknod(ino, nameOf(`stays${index}`), 0o100644, 0, owner))
      }
      t.deepEqual(await setting.wait(changeAndList(setting)), [], `seed ${seed}`)
    }
  })
}
