/**
 * Ends one of the servers at every step of every kind of transaction, starts it again, and looks whether
 * the change is there as a whole or not at all.
 */
import test from 'ava'
import { clusterRootIno, type Ino } from '../../network/wire/ids.ts'
import { faultsIn, treeIn } from '../testing/checker.ts'
import { type Step, TestCluster } from '../testing/cluster.ts'
import { link, makeDirectory, makeFile, remove, rename } from '../testing/tree.ts'

/** /a in partition 1, /b in partition 2 and thus on the other server; /a/f and /b/g are files. */
interface World {
  readonly cluster: TestCluster
  readonly a: Ino
  readonly b: Ino
  readonly f: Ino
  readonly g: Ino
}

interface Case {
  readonly prepare?: (world: World) => Promise<unknown>
  readonly run: (world: World) => Promise<unknown>
  /** Entries of /a and /b afterwards. */
  readonly after: { readonly a: readonly string[]; readonly b: readonly string[] }
}

const exchange = 2
const cases: { readonly [title: string]: Case } = {
  'a directory made in another partition': {
    run: ({ cluster, a }) => makeInPartition2(cluster, a),
    after: { a: ['d', 'f'], b: ['g'] },
  },
  'a directory removed in another partition': {
    prepare: ({ cluster, a }) => cluster.passing(makeInPartition2(cluster, a)),
    run: ({ cluster, a }) => remove(cluster, 'rmdir', a, cluster.nameIn(a, 2)),
    after: { a: ['f'], b: ['g'] },
  },
  'a link to a file in another partition': {
    run: ({ cluster, b, f }) => link(cluster, [b, 'l'], f),
    after: { a: ['f'], b: ['g', 'l'] },
  },
  'a link removed from a file in another partition': {
    prepare: ({ cluster, b, f }) => cluster.passing(link(cluster, [b, 'l'], f)),
    run: ({ cluster, b }) => remove(cluster, 'unlink', b, 'l'),
    after: { a: ['f'], b: ['g'] },
  },
  'the last link removed from a file in another partition': {
    prepare: async ({ cluster, a, b, f }) => {
      await cluster.passing(link(cluster, [b, 'l'], f))
      await cluster.passing(remove(cluster, 'unlink', a, 'f'))
    },
    run: ({ cluster, b }) => remove(cluster, 'unlink', b, 'l'),
    after: { a: [], b: ['g'] },
  },
  'a file renamed into another partition': {
    run: ({ cluster, a, b }) => rename(cluster, [a, 'f'], [b, 'h']),
    after: { a: [], b: ['g', 'h'] },
  },
  'a file renamed over one in another partition': {
    run: ({ cluster, a, b }) => rename(cluster, [a, 'f'], [b, 'g']),
    after: { a: [], b: ['g'] },
  },
  'a directory moved into another partition': {
    prepare: ({ cluster, a }) => makeDirectory(cluster, a, cluster.nameIn(a, 3)),
    run: ({ cluster, a, b }) => rename(cluster, [a, cluster.nameIn(a, 3)], [b, 'd']),
    after: { a: ['f'], b: ['d', 'g'] },
  },
  'a directory moved over an empty one': {
    prepare: async ({ cluster, a, b }) => {
      await makeDirectory(cluster, a, cluster.nameIn(a, 3))
      await makeDirectory(cluster, b, cluster.nameIn(b, 0, 'e'))
    },
    run: ({ cluster, a, b }) =>
      rename(cluster, [a, cluster.nameIn(a, 3)], [b, cluster.nameIn(b, 0, 'e')]),
    after: { a: ['f'], b: ['e', 'g'] },
  },
  'a directory exchanged with a file': {
    prepare: ({ cluster, a }) => makeDirectory(cluster, a, cluster.nameIn(a, 3)),
    run: ({ cluster, a, b }) => rename(cluster, [b, 'g'], [a, cluster.nameIn(a, 3)], exchange),
    after: { a: ['d', 'f'], b: ['g'] },
  },
}

function makeInPartition2(cluster: TestCluster, parent: Ino): Promise<unknown> {
  const request = { parent, name: cluster.nameIn(parent, 2), mode: 0o755, uid: 0, gid: 0 }
  return cluster.mutate('mkdir', 1, request)
}

async function makeWorld({ prepare }: Case): Promise<World> {
  const cluster = new TestCluster({ servers: 2, partitions: 4, slowestMs: 4 })
  await cluster.start()
  const a = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a'))
  const b = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 2, 'b'))
  const f = await makeFile(cluster, a, 'f')
  const g = await makeFile(cluster, b, 'g')
  const world = { cluster, a, b, f, g }
  await prepare?.(world)
  await cluster.env.advance(100)
  return world
}

/** Runs the case and ends the server concerned at step `fatal`. @returns the steps that were taken. */
async function runWithCrash(
  { run }: Case,
  world: World,
  fatal: number,
  downMs: number,
): Promise<Step[]> {
  const { cluster } = world
  const steps: Step[] = []
  let restarted = Promise.resolve()
  cluster.onStep = step => {
    steps.push(step)
    if (steps.length !== fatal + 1) return
    cluster.crash(step.server)
    restarted = cluster.env.timers.sleep(downMs).then(async () => {
      await cluster.startServer(step.server)
    })
  }
  await cluster.passing(run(world))
  // The answer is out; the decision has yet to be told.
  await cluster.env.advance(50)
  cluster.onStep = () => undefined
  await cluster.passing(restarted)
  await cluster.env.advance(5_000)
  return steps
}

/** First letters of the names in a directory. */
function lettersIn(world: World, parent: Ino): string[] {
  const tree = treeIn(world.cluster.contents.values())
  const [path] = [...tree].find(([, ino]) => ino === parent) ?? ['lost']
  const below = [...tree.keys()].filter(each => each.startsWith(`${path}/`))
  return below.map(each => each.slice(path.length + 1, path.length + 2)).sort()
}

for (const [title, each] of Object.entries(cases)) {
  test(`whole or not at all, whoever ends at whichever step: ${title}`, async t => {
    for (let fatal = 0, count = 1; fatal <= count; fatal++) {
      for (const downMs of [0, 5, 2_500]) {
        const world = await makeWorld(each)
        const { cluster } = world
        const steps = await runWithCrash(each, world, fatal, downMs)
        count = Math.max(count, steps.length)
        const { server, what } = steps[fatal] ?? { server: 'nobody', what: 'anything' }
        const at = `${server} ${what} (step ${fatal}, down for ${downMs} ms)`
        t.deepEqual(faultsIn(cluster.contents.values()), [], at)
        t.deepEqual(lettersIn(world, world.a), each.after.a, at)
        t.deepEqual(lettersIn(world, world.b), each.after.b, at)
        for (const running of cluster.servers.values()) {
          t.is(running.locksHeld, 0, at)
          t.is(running.participant.promisedCount + running.coordinator.activeCount, 0, at)
        }
        if (steps.length <= fatal) return t.log(`${fatal} steps`)
      }
    }
  })
}
