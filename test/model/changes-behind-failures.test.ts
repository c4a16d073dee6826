/** Changes that programs were answered before their server has made them, and what goes wrong meanwhile. */
import test from 'ava'
import { setQuota } from '../../client/fs/volumes.ts'
import { leaseTermMs, operationDeadlineMs } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { TestMoves } from '../../server/testing/moves.ts'
import {
  codeOf,
  homeOf,
  how,
  make,
  me,
  nameOf,
  namesIn,
  type Scene,
  setUp,
  textOf,
} from './behind-scene.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'

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
