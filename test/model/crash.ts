/** Runs a short sequence and looks at what would be found if all ended at each change of what is stored. */
import { createHash } from 'node:crypto'
import { Actor } from './actor.ts'
import { apply } from './apply.ts'
import type { Call } from './calls.ts'
import { beginning, type NamedStep } from './crash-cases.ts'
import { sameAnswers } from './linearize.ts'
import { type Contents, SimulatedCluster } from './simulated-cluster.ts'
import { takeDown, walk } from './walk.ts'
import { World } from './world.ts'

/** A moment at which everything may end. */
interface Moment {
  readonly contents: Contents
  /** Trees that those who come after may find. */
  readonly allowed: readonly (readonly string[])[]
  readonly after: string
}

/** What is there once the servers have started again. */
interface Recovered {
  readonly tree: readonly string[]
  readonly faults: readonly string[]
}

const size = { servers: 2, partitions: 4, slowestMs: 1 } as const
/** Until all that was answered is told to whom it concerns. */
const settleMs = 5_000

export class CrashRuns {
  readonly #contents: Contents
  readonly #world: World
  /** Sequences with the same beginning meet the same states. */
  readonly #recovered = new Map<string, Recovered>()
  moments = 0

  private constructor(contents: Contents, world: World) {
    this.#contents = contents
    this.#world = world
  }

  static async prepare(): Promise<CrashRuns> {
    const cluster = await SimulatedCluster.start({ ...size, seed: 1 })
    const { fileSystem } = await cluster.connect()
    const actor = new Actor(fileSystem)
    const world = World.empty(fileSystem.root)
    for (const step of beginning) {
      const call = step(world)!
      const { ino = -1 } = await cluster.passing(actor.perform(call))
      apply(world, call, { client: 'c', newIno: ino })
    }
    await cluster.env.advance(settleMs)
    return new CrashRuns(cluster.contents(), world)
  }

  get states(): number {
    return this.#recovered.size
  }

  /** @returns one sentence for each fault. Ends at every moment of the last step: the others had theirs. */
  async run(steps: readonly NamedStep[]): Promise<string[]> {
    const cluster = await SimulatedCluster.restart(
      { ...size, seed: 2, firstClient: 10 },
      this.#contents,
    )
    const moments = await momentsOf(cluster, this.#world, steps)
    const faults: string[] = []
    for (const { contents, allowed, after } of moments) {
      this.moments++
      const { tree, faults: found } = await this.#recover(contents)
      faults.push(...found.map(fault => `${after}: ${fault}`))
      if (allowed.some(each => each.join('\n') === tree.join('\n'))) continue
      const trees = [tree, ...allowed].map(each => each.join('\n'))
      faults.push(`${after}:\n${trees.join('\nis none of\n')}`)
    }
    return faults
  }

  async #recover(contents: Contents): Promise<Recovered> {
    const key = hashOf(contents)
    const known = this.#recovered.get(key)
    if (known !== undefined) return known
    const recovered = await recover(contents).catch(error => ({
      tree: [],
      faults: [String(error)],
    }))
    this.#recovered.set(key, recovered)
    return recovered
  }
}

/** Makes the changes, one as soon as the one before is answered. @throws when an answer is not the model's. */
async function momentsOf(
  cluster: SimulatedCluster,
  start: World,
  steps: readonly NamedStep[],
): Promise<readonly Moment[]> {
  const { fileSystem } = await cluster.connect()
  const actor = new Actor(fileSystem)
  const world = start.copy()
  const moments: Moment[] = []
  for (const { title, call: callOf } of steps) {
    const call = callOf(world)
    if (call === null) return []
    if (call.name === 'write') {
      await cluster.passing(actor.perform({ name: 'open', ino: call.ino, truncate: false }))
    }
    const allowed = [world.tree(), treeAfter(world, call)]
    const note = (what: string) => {
      moments.push({
        contents: cluster.contents(),
        allowed: [...allowed],
        after: `${title}, ${what}`,
      })
    }
    cluster.servers.onStep = ({ server, what }) => {
      if (what === 'after a batch') note(`a batch of ${server}`)
    }
    moments.length = 0
    const answer = await cluster.passing(actor.perform(call))
    const told = apply(world, call, { client: 'c', newIno: answer.ino ?? -1 })
    if (!sameAnswers(told, answer)) {
      throw new Error(`${title}: ${JSON.stringify(answer)}, the model: ${JSON.stringify(told)}`)
    }
    allowed.shift()
    note('its answer')
  }
  await cluster.env.advance(settleMs)
  return moments
}

function treeAfter(before: World, call: Call): readonly string[] {
  const world = before.copy()
  apply(world, call, { client: 'c', newIno: -1 })
  return world.tree()
}

async function recover(contents: Contents): Promise<Recovered> {
  const cluster = await SimulatedCluster.restart({ ...size, seed: 3, firstClient: 20 }, contents)
  const { fileSystem } = await cluster.connect()
  const world = await cluster.passing(walk(fileSystem))
  const tree = world.tree()
  await cluster.env.advance(settleMs)
  const faults = cluster.faults()
  const later = (await cluster.passing(walk(fileSystem))).tree()
  if (later.join() !== tree.join()) faults.push(`it changes later: ${later.join('\n')}`)
  await cluster.passing(takeDown(fileSystem, world))
  await cluster.env.advance(settleMs)
  return { tree, faults: [...faults, ...cluster.faults()] }
}

function hashOf(contents: Contents): string {
  const hash = createHash('sha1')
  for (const [id, content] of contents) {
    hash.update(id)
    for (const [key, value] of [...content].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`${key.length}:${key}${value.length}:`).update(value)
    }
  }
  return hash.digest('hex')
}
