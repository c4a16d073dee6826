/** Names of a directory that was listed are looked up with few calls, and are what any other client would be told. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { ClusterError } from '../../network/errors.ts'
import { lookAheadMisses, lookAheadWaitMs } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const owner = { uid: 0, gid: 0 }
const nameOf = (text: string) => Buffer.from(text)
const listOptions = { limitBytes: 65_536 }

/** Two clients, and a directory of as many files that the second has made. */
async function setUp(files: number, seed: number, splitEntries?: number) {
  const split = splitEntries === undefined ? {} : { splitEntries }
  const cluster = await SimulatedCluster.start({ seed, slowestMs: 3, ...split })
  const [here, there] = [(await cluster.connect()).fileSystem, (await cluster.connect()).fileSystem]
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { ino } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, owner))
  const names = Array.from({ length: files }, (_, index) => `f${index}`)
  for (const name of names) await wait(there.mknod(ino, nameOf(name), 0o100644, 0, owner))
  await cluster.env.advance(5_000)
  const list = async (fileSystem: FileSystem) => {
    const found: string[] = []
    for (let [cookie, end] = [0, false]; !end; ) {
      const page = await fileSystem.readdir(ino, cookie, listOptions)
      found.push(...entriesOfRecords(page.records).map(({ name }) => `${Buffer.from(name)}`))
      ;({ next: cookie, end } = page)
    }
    return found
  }
  const look = async (fileSystem: FileSystem, name: string): Promise<Attributes | null> => {
    try {
      return await fileSystem.lookup(ino, nameOf(name))
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return null
      throw error
    }
  }
  const asked: string[] = []
  cluster.onCall = name => void asked.push(name)
  return { cluster, here, there, ino, names, wait, list, look, asked }
}

test('names are looked up in the order of a listing, or in another, with few calls', async t => {
  for (const isSorted of [false, true]) {
    const { here, there, names, wait, list, look, asked } = await setUp(300, 1)
    const listed = await wait(list(here))
    t.deepEqual([...listed].sort(), [...names].sort())
    const order = isSorted ? [...listed].sort() : listed
    asked.length = 0
    for (const name of order) {
      t.deepEqual(await wait(look(here, name)), await wait(look(there, name)))
    }
    const lookups = asked.filter(name => name === 'lookup').length
    // The other client has made them, and knows them.
    t.true(lookups <= (isSorted ? names.length / 8 : lookAheadMisses + 1), `${lookups} look-ups`)
    t.true(asked.filter(name => name === 'readdirplus').length <= 6)
  }
})

test('names of a directory that was not listed are looked up one by one', async t => {
  const { here, names, wait, look, asked } = await setUp(50, 1)
  asked.length = 0
  for (const name of names) await wait(look(here, name))
  t.is(asked.filter(name => name === 'lookup').length, names.length)
  t.false(asked.includes('readdirplus'))
})

test('names that are not there have nothing fetched', async t => {
  const { here, wait, list, look, asked } = await setUp(50, 1)
  await wait(list(here))
  asked.length = 0
  for (let index = 0; index < 20; index++) t.is(await wait(look(here, `none${index}`)), null)
  t.false(asked.includes('readdirplus'))
})

test('a batch that does not come, or fails, keeps nobody for long and is nobody’s error', async t => {
  for (const fails of [false, true]) {
    const { cluster, here, names, wait, list, look, asked } = await setUp(50, 1)
    await wait(list(here))
    const held = Promise.withResolvers<void>()
    cluster.onCall = async name => {
      asked.push(name)
      if (name !== 'readdirplus') return
      if (fails) throw new ClusterError('DISK', 'sector 7')
      await held.promise
    }
    asked.length = 0
    const begunMs = cluster.env.clock.monotonicMs()
    for (const name of names) t.not(await wait(look(here, name)), null)
    const tookMs = cluster.env.clock.monotonicMs() - begunMs
    t.true(asked.includes('readdirplus'))
    t.true(tookMs < lookAheadWaitMs + names.length * 20, `${tookMs} ms`)
    held.resolve()
  }
})

/** What the second client does to a name; and the names that are to be looked at afterwards. */
const changes: readonly ((
  setting: Pick<Awaited<ReturnType<typeof setUp>>, 'there' | 'ino'>,
  name: string,
  other: string,
) => Promise<readonly string[]>)[] = [
  async ({ there, ino }, name) => {
    const { ino: file, mode } = await there.lookup(ino, nameOf(name))
    await there.setattr(file, { mode: mode ^ 0o111 })
    return [name]
  },
  async ({ there, ino }, name) => {
    const { ino: file, size } = await there.lookup(ino, nameOf(name))
    await there.setattr(file, { size: size + 1 })
    return [name]
  },
  async ({ there, ino }, name) => {
    await there.unlink(ino, nameOf(name))
    return [name]
  },
  async ({ there, ino }, name) => {
    await there.rename(ino, nameOf(name), ino, nameOf(`${name}x`), 0)
    return [name, `${name}x`]
  },
  async ({ there, ino }, name, other) => {
    await there.rename(ino, nameOf(name), ino, nameOf(other), 0)
    return [name, other]
  },
  async ({ there, ino }, name) => {
    await there.unlink(ino, nameOf(name))
    await there.mknod(ino, nameOf(name), 0o100600, 0, owner)
    return [name]
  },
]

async function changeBeside(setting: Awaited<ReturnType<typeof setUp>>): Promise<string[]> {
  const { cluster, here, there, names, list, look } = setting
  const { random, timers } = cluster.env
  const wrong: string[] = []
  let left = [...names]
  let isOver = false
  const scan = async () => {
    while (!isOver) {
      for (const name of await list(here)) await look(here, name)
      await timers.sleep(random.integer(50))
    }
  }
  const change = async () => {
    for (let count = 0; count < 40; count++) {
      await timers.sleep(random.integer(40))
      const [name, other] = [0, 1].map(() => left[random.integer(left.length)]!)
      const one = changes[random.integer(changes.length)]!
      if (name === other) continue
      const changed = await one(setting, name!, other!)
      for (const each of changed) {
        const [shown, is] = await Promise.all([look(here, each), look(there, each)])
        if (is === null) left = left.filter(existing => existing !== each)
        else if (!left.includes(each)) left.push(each)
        if (JSON.stringify(shown, text) !== JSON.stringify(is, text)) wrong.push(`${one} ${each}`)
      }
    }
    isOver = true
  }
  await Promise.all([scan(), change()])
  return wrong
}

const text = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

for (const splitEntries of [undefined, 40]) {
  const where = splitEntries === undefined ? 'a directory' : 'a directory that is split'
  test(`what another client changes in ${where} is seen once it is done, whatever is fetched meanwhile`, async t => {
    for (let seed = 1; seed <= 6; seed++) {
      const setting = await setUp(150, seed, splitEntries)
      setting.asked.length = 0
      t.deepEqual(await setting.wait(changeBeside(setting)), [], `seed ${seed}`)
      t.true(setting.asked.filter(name => name === 'readdirplus').length > 5, `seed ${seed}`)
    }
  })
}
