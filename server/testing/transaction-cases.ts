/** Every kind of transaction over two servers, each with what it leaves: for tests that end servers meanwhile. */
import { PosixError } from '../../network/errors.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { treeIn } from './checker.ts'
import { TestCluster } from './cluster.ts'
import {
  link,
  makeDirectory,
  makeFile,
  nameOf,
  remove,
  rename,
  setMode,
  splitShards,
} from './tree.ts'

/** /a in partition 1, /b in partition 2 and thus on the other server; /a/f and /b/g are files. */
export interface World {
  readonly cluster: TestCluster
  readonly a: Ino
  readonly b: Ino
  readonly f: Ino
  readonly g: Ino
}

export interface Case {
  readonly prepare?: (world: World) => Promise<unknown>
  readonly run: (world: World) => Promise<unknown>
  /** Entries of /a and /b afterwards. */
  readonly after: { readonly a: readonly string[]; readonly b: readonly string[] }
}

const exchange = 2
const transactions: { readonly [title: string]: Case } = {
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

/**
 * Of /a, in partition 1. When it is split, g and q stay there, in two shards; f goes to partition 3 on the same
 * server; n and r go to partition 0, and m to 2, on the other one, where o belongs as well.
 */
const filled = ['g', 'm', 'n', 'q', 'r']
const inA = ['f', ...filled]
const splits: { readonly [title: string]: Case } = {
  'a directory split': {
    prepare: fillA,
    run: ({ cluster, a }) => splitShards(cluster, 1, a, 4),
    after: { a: inA, b: ['g'] },
  },
  'a file made in another shard': {
    prepare: splitA,
    run: ({ cluster, a }) => makeO(cluster, a),
    after: { a: [...inA, 'o'].sort(), b: ['g'] },
  },
  'a file removed whose entry moved': {
    prepare: splitA,
    run: ({ cluster, a }) => remove(cluster, 'unlink', a, 'n'),
    after: { a: inA.filter(name => name !== 'n'), b: ['g'] },
  },
  'a file renamed into another shard of its directory': {
    prepare: splitA,
    run: ({ cluster, a }) => rename(cluster, [a, 'g'], [a, 'o']),
    after: { a: ['f', 'm', 'n', 'o', 'q', 'r'], b: ['g'] },
  },
  'a file renamed into another shard of another directory': {
    prepare: splitA,
    run: ({ cluster, a, b }) => rename(cluster, [b, 'g'], [a, 'o']),
    after: { a: [...inA, 'o'].sort(), b: [] },
  },
  'attributes set of a directory that is split': {
    prepare: splitA,
    run: ({ cluster, a }) => setMode(cluster, a, 0o2700),
    after: { a: inA, b: ['g'] },
  },
  'a directory removed that was split': {
    prepare: async world => {
      await splitA(world)
      const { cluster, a } = world
      for (const name of inA) await cluster.passing(remove(cluster, 'unlink', a, name))
    },
    run: ({ cluster }) => removeA(cluster),
    after: { a: [], b: ['g'] },
  },
}

export const cases: { readonly [title: string]: Case } = { ...transactions, ...splits }

async function fillA({ cluster, a }: World): Promise<void> {
  for (const name of filled) await makeFile(cluster, a, name)
}

async function splitA(world: World): Promise<void> {
  await fillA(world)
  await world.cluster.passing(splitShards(world.cluster, 1, world.a, 4))
}

function makeO({ names }: TestCluster, parent: Ino): Promise<unknown> {
  const file = { mode: 0o100644, uid: 0, gid: 0, rdev: 0, target: new Uint8Array(0) }
  return names.mutate('create', {
    parent,
    name: nameOf('o'),
    ...file,
    exclusive: true,
    open: false,
  })
}

function removeA(cluster: TestCluster): Promise<unknown> {
  return remove(cluster, 'rmdir', clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a'))
}

function makeInPartition2(cluster: TestCluster, parent: Ino): Promise<unknown> {
  const request = { parent, name: cluster.nameIn(parent, 2), mode: 0o755, uid: 0, gid: 0 }
  return cluster.mutate('mkdir', 1, request)
}

export async function makeWorld({ prepare }: Case): Promise<World> {
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

/** First letters of the names in a directory. */
export function lettersIn(world: World, parent: Ino): string[] {
  const tree = treeIn(world.cluster.contents.values())
  const [path] = [...tree].find(([, ino]) => ino === parent) ?? ['lost']
  const below = [...tree.keys()].filter(each => each.startsWith(`${path}/`))
  return below.map(each => each.slice(path.length + 1, path.length + 2)).sort()
}

/** What the directories say of their sizes, to who asks, where that is not what they have. */
export async function wrongSizesIn(world: World): Promise<string[]> {
  const wrong: string[] = []
  for (const ino of [world.a, world.b]) {
    const found = lettersIn(world, ino).length
    try {
      const { body } = await world.cluster.ask('getattr', partitionOfIno(ino), { ino })
      if (body.attributes.size !== found)
        wrong.push(`${ino}: ${body.attributes.size}, not ${found}`)
    } catch (error) {
      if (!(error instanceof PosixError) || error.code !== 'ESTALE' || found > 0) throw error
    }
  }
  return wrong
}
