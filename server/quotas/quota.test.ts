/** Quotas between the home of a volume and the partitions that use it, with servers that end at any step. */
import test from 'ava'
import { PosixError } from '../../network/errors.ts'
import { sessionTimeoutMs } from '../../network/limits.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { shareOf } from '../metadata/inode.ts'
import { isKeyOf, keyKind } from '../metadata/keys.ts'
import { faultsIn } from '../testing/checker.ts'
import { type Step, TestCluster } from '../testing/cluster.ts'
import { makeDirectory, makeFile, remove } from '../testing/tree.ts'

interface World {
  readonly cluster: TestCluster
  readonly volume: Ino
  /** Directories of the volume in all partitions. */
  readonly directories: readonly Ino[]
}

const partitions = 4

async function makeWorld(seed = 1): Promise<World> {
  const cluster = new TestCluster({ servers: 3, partitions, seed })
  await cluster.start()
  // Behind their grace, servers know that nobody has open what is deleted.
  await cluster.env.advance(sessionTimeoutMs)
  const volume = await makeDirectory(cluster, clusterRootIno, 'volume')
  const directories: Ino[] = []
  for (let partition = 0; partition < partitions; partition++) {
    directories.push(await makeDirectory(cluster, volume, cluster.nameIn(volume, partition)))
  }
  return { cluster, volume, directories }
}

function limit({ cluster, volume }: World, bytes: number | null, files: number | null) {
  return cluster.ask('setQuota', partitionOfIno(volume), { ino: volume, bytes, files })
}

function filesIn({ cluster, volume }: World): number {
  let files = 0
  for (const content of cluster.contents.values()) {
    for (const [key, value] of content) {
      if (isKeyOf(key, keyKind.inode) && shareOf(value).volume === volume) files++
    }
  }
  return files
}

async function isMade(step: Promise<unknown>): Promise<boolean> {
  try {
    await step
    return true
  } catch (error) {
    if (error instanceof PosixError && error.code === 'EDQUOT') return false
    throw error
  }
}

function create(cluster: TestCluster, parent: Ino, name: string): Promise<unknown> {
  const mode = fileType.regular | 0o644
  const request = { parent, name: Buffer.from(name), mode, uid: 0, gid: 0, rdev: 0 }
  const rest = { target: new Uint8Array(0), exclusive: true, open: false }
  return cluster.names.mutate('create', { ...request, ...rest })
}

function mkdir(cluster: TestCluster, parent: Ino, name: string): Promise<unknown> {
  const request = { parent, name: Buffer.from(name), mode: 0o755, uid: 0, gid: 0 }
  return cluster.names.mutate('mkdir', request)
}

/** Three more files may be made; five files and four directories are wanted at once. */
async function crowd(world: World): Promise<boolean[]> {
  const { cluster, directories } = world
  const wanted = [0, 1, 2, 3, 0].map((index, file) =>
    isMade(create(cluster, directories[index]!, `file${file}`)),
  )
  const more = directories.map((parent, index) => isMade(mkdir(cluster, parent, `more${index}`)))
  return await Promise.all([...wanted, ...more])
}

test('whoever ends at whichever step, no more is made than the quota allows, and what is counted is there', async t => {
  for (let fatal = 0, count = 1; fatal <= count; fatal += 23) {
    const world = await makeWorld()
    const { cluster } = world
    const before = filesIn(world)
    await cluster.passing(limit(world, null, before + 3))
    const steps: Step[] = []
    let restarted = Promise.resolve()
    cluster.onStep = step => {
      steps.push(step)
      if (steps.length !== fatal + 1) return
      cluster.crash(step.server)
      restarted = cluster.env.timers.sleep(5).then(async () => {
        await cluster.startServer(step.server)
      })
    }
    const made = await cluster.passing(crowd(world))
    cluster.onStep = () => undefined
    await cluster.passing(restarted)
    await cluster.env.advance(5_000)
    count = Math.max(count, steps.length)
    const at = `${steps[fatal]?.server} ${steps[fatal]?.what} (step ${fatal})`
    t.true(made.filter(Boolean).length <= 3, at)
    t.is(filesIn(world), before + made.filter(Boolean).length, at)
    // What was under way may have stood in the way of others; afterwards there is exactly what is left.
    const left = before + 3 - filesIn(world)
    for (let index = 0; index < left; index++) {
      const parent = world.directories[index]!
      t.true(await cluster.passing(isMade(create(cluster, parent, `rest${index}`))), at)
    }
    t.false(await cluster.passing(isMade(create(cluster, world.directories[3]!, 'over'))), at)
    t.is(filesIn(world), before + 3, at)
    t.deepEqual(faultsIn(cluster.contents.values()), [], at)
  }
})

test('a loss of power gives nobody more than the quota', async t => {
  for (const victim of ['server0', 'server1', 'server2']) {
    for (const lost of [1, 3, 1_000]) {
      const world = await makeWorld()
      const { cluster, volume } = world
      const before = filesIn(world)
      await cluster.passing(limit(world, null, before + 3))
      await cluster.passing(crowd(world))
      cluster.losePower([victim], lost)
      await cluster.startServer(victim)
      await cluster.env.advance(60_000)
      // Directories may be gone with what was lost.
      await cluster.passing(
        Promise.all(
          world.directories.map((parent, index) =>
            isMade(create(cluster, parent, `late${index}`)).catch(() => false),
          ),
        ),
      )
      t.true(filesIn(world) <= before + 3, `${victim} lost ${lost} of volume ${volume}`)
    }
  }
})

test('what was deleted in one partition can be made in another', async t => {
  const world = await makeWorld()
  const { cluster, directories } = world
  const [first, second] = directories
  await cluster.passing(limit(world, null, filesIn(world) + 2))
  await makeFile(cluster, first!, 'a')
  await makeFile(cluster, first!, 'b')
  t.false(await cluster.passing(isMade(create(cluster, second!, 'c'))))
  await cluster.passing(remove(cluster, 'unlink', first!, 'a'))
  t.true(await cluster.passing(isMade(create(cluster, second!, 'c'))))
  t.false(await cluster.passing(isMade(mkdir(cluster, first!, 'd'))))
  await cluster.passing(limit(world, null, null))
  t.true(await cluster.passing(isMade(mkdir(cluster, first!, 'd'))))
  await cluster.env.advance(5_000)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('what is no volume has no quota, and none is negative', async t => {
  const world = await makeWorld()
  const { cluster, volume, directories } = world
  const inner = directories[0]!
  const ofInner = cluster.ask('setQuota', partitionOfIno(inner), { ino: inner, bytes: 1, files: 1 })
  await t.throwsAsync(cluster.passing(ofInner), { message: /is no volume/ })
  const negative = cluster.ask('setQuota', partitionOfIno(volume), {
    ino: volume,
    bytes: -1,
    files: null,
  })
  await t.throwsAsync(cluster.passing(negative), { message: /a quota of -1/ })
})
