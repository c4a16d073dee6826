/** What a directory that is split counts is what it counted at one moment, whoever changes its shards meanwhile. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { SeededRandom } from '../../network/env/xoshiro.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const owner = { uid: 0, gid: 0 }
const nameOf = (text: string) => Buffer.from(text)
const files = 24

/** What one client has made of the number of entries: all of its numbers, one behind the other. */
class Maker {
  /** From what is to be seen when it has begun, and when it has ended. */
  readonly counts = [0]
  begun = 0
  ended = 0

  async change(by: number, act: () => Promise<unknown>): Promise<void> {
    this.counts.push(this.counts.at(-1)! + by)
    this.begun++
    await act()
    this.ended++
  }
}

/** Makes names and removes them, in shards by chance, so that there is hardly ever more than one of them. */
async function makeAndRemove(
  fileSystem: FileSystem,
  ino: number,
  prefix: string,
  { maker, random, isOver }: { maker: Maker; random: SeededRandom; isOver: () => boolean },
): Promise<void> {
  const names: string[] = []
  for (let index = 0; !isOver(); index++) {
    if (names.length > 0 && (names.length > 2 || random.integer(2) === 0)) {
      const name = nameOf(names.shift()!)
      await maker.change(-1, () => fileSystem.unlink(ino, name))
    } else {
      names.push(`${prefix}.${index}`)
      const name = nameOf(names.at(-1)!)
      await maker.change(1, () => fileSystem.mknod(ino, name, 0o100644, 0, owner))
    }
  }
}

/** All numbers of entries that there can have been between two moments. */
function possible(makers: readonly Maker[], from: readonly number[], to: readonly number[]) {
  let sums = new Set([files])
  makers.forEach(({ counts }, index) => {
    const own = counts.slice(from[index]!, to[index]! + 1)
    sums = new Set([...sums].flatMap(sum => own.map(count => sum + count)))
  })
  return sums
}

interface Setting {
  readonly seed: number
  readonly makers: number
  readonly restarts: boolean
}

/** @returns what was seen that cannot have been there. */
async function watch({ seed, makers: count, restarts }: Setting): Promise<string[]> {
  const random = new SeededRandom(seed)
  const cluster = await SimulatedCluster.start({
    seed,
    splitEntries: 2,
    slowestMs: [1, 3, 10][seed % 3]!,
  })
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const first = (await cluster.connect()).fileSystem
  const { ino } = await wait(first.mkdir(first.root, nameOf('d'), 0o755, owner))
  for (let index = 0; index < files; index++) {
    await wait(first.mknod(ino, nameOf(`f${index}`), 0o100644, 0, owner))
  }
  await cluster.env.advance(5_000)
  const makers = Array.from({ length: count }, () => new Maker())
  let over = false
  const wrong: string[] = []
  const clients: FileSystem[] = []
  for (const _ of makers) clients.push((await cluster.connect()).fileSystem)
  const lookers = [first, (await cluster.connect()).fileSystem, clients[0]!]
  const working = makers.map((maker, index) =>
    makeAndRemove(clients[index]!, ino, `m${index}`, { maker, random, isOver: () => over }),
  )
  const looking = lookers.map(async fileSystem => {
    while (!over) {
      await cluster.env.timers.sleep(random.integer(40))
      const from = makers.map(({ ended }) => ended)
      const { size } = await fileSystem.getattr(ino)
      const to = makers.map(({ begun }) => begun)
      const all = possible(makers, from, to)
      if (!all.has(size)) wrong.push(`${size}, not one of ${[...all]}`)
    }
  })
  for (let round = 0; round < 10; round++) {
    await cluster.env.advance(100)
    if (!restarts || round % 3 !== 2) continue
    const id = cluster.ids[random.integer(cluster.ids.length)]!
    cluster.crash(id)
    await cluster.startServer(id)
    await cluster.env.advance(2_000)
  }
  over = true
  await wait(Promise.all([...working, ...looking]))
  const entries = files + makers.reduce((sum, { counts }) => sum + counts.at(-1)!, 0)
  const { size } = await wait(first.getattr(ino))
  if (size !== entries) wrong.push(`${size} at last, not ${entries}`)
  return wrong
}

for (const restarts of [false, true]) {
  for (const makers of [1, 2]) {
    const who = makers === 1 ? 'a client makes and removes' : 'clients make and remove'
    const sky = restarts ? ', and servers restart' : ''
    test(`what a split directory counts is true of one moment while ${who} names${sky}`, async t => {
      for (let seed = 0; seed < 12; seed++) {
        t.deepEqual(
          await watch({ seed: 100 * makers + seed, makers, restarts }),
          [],
          `seed ${seed}`,
        )
      }
    })
  }
}
