/** Kills aimed at each step of a move of a partition: of its source, its target, both, and the manager. */
import test, { type ExecutionContext } from 'ava'
import { eventually } from './eventually.ts'
import { isThorough, KillableCluster } from './killable.ts'
import { isAllThere, startWriter } from './steady-writer.ts'
import type { StopPoint } from './stopping.ts'

test.beforeEach(t => t.timeout(600_000))

type Role = 'source' | 'target' | 'manager'

interface Step {
  readonly name: string
  readonly who: Role
  readonly point: StopPoint
}

const steps: readonly Step[] = [
  {
    name: 'the copy has begun',
    who: 'source',
    point: { operation: 'openFeed', kind: 'reply', when: 'receiving' },
  },
  {
    name: 'it is fed part-way',
    who: 'target',
    point: { operation: 'feed', kind: 'request', when: 'receiving', has: 'block', nth: 2 },
  },
  {
    name: 'it was compared',
    who: 'source',
    point: { operation: 'feed', kind: 'request', when: 'sending', has: 'whole' },
  },
  {
    name: 'it is whole, and nobody was told',
    who: 'target',
    point: { operation: 'feed', kind: 'reply', when: 'sending', nth: 4 },
  },
  {
    name: 'the manager is being told',
    who: 'manager',
    point: { operation: 'replicaInSync', kind: 'request', when: 'receiving' },
  },
  {
    name: 'it was made in sync',
    who: 'manager',
    point: { operation: 'replicaInSync', kind: 'reply', when: 'sending' },
  },
  {
    name: 'the new primary asks for it',
    who: 'target',
    point: { operation: 'yieldPartition', kind: 'request', when: 'sending' },
  },
  {
    name: 'the old primary has given it up',
    who: 'source',
    point: { operation: 'yieldPartition', kind: 'reply', when: 'sending' },
  },
  {
    name: 'the new primary serves it',
    who: 'target',
    point: { operation: 'partitionServed', kind: 'request', when: 'sending' },
  },
  {
    name: 'the manager has heard that it is served',
    who: 'manager',
    point: { operation: 'partitionServed', kind: 'reply', when: 'sending' },
  },
  { name: 'the old copy is to be dropped', who: 'source', point: { batch: 'mark' } },
  { name: 'the old copy is being dropped', who: 'source', point: { batch: 'rows' } },
  { name: 'the old copy was dropped', who: 'source', point: { batch: 'forget' } },
]

/** Every partition has one copy, on one of the servers that are to have one. */
async function settled(cluster: KillableCluster, holders: readonly string[]): Promise<void> {
  await told(cluster, 'the move has ended', async () => {
    const { view, moves, movesWaiting } = await cluster.status()
    if (view === null || moves.length > 0 || movesWaiting > 0) return false
    return view.partitions.every(({ replicas, inSync, primary }) => {
      const names = replicas.map(id => cluster.nameOf(id))
      return (
        names.length === 1 && inSync.length === 1 && holders.includes(names[0]!) && primary !== null
      )
    })
  })
}

/** As `eventually`; where it does not become so, the members' last lines tell why. */
async function told(
  cluster: KillableCluster,
  what: string,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  await eventually(what, holds).catch(error => {
    throw new Error(`${what}: ${cluster.lines.slice(-60).join('\n')}`, { cause: error })
  })
}

interface Killing {
  readonly name: string
  readonly victims: readonly Role[]
}

const killings: readonly Killing[] = [
  { name: 'the source', victims: ['source'] },
  { name: 'the target', victims: ['target'] },
  { name: 'source and target', victims: ['source', 'target'] },
  { name: 'the manager', victims: ['manager'] },
]

// Each step once, by one of the killings; all steps by each of them where somebody has the time.
for (const [turn, { name, victims }] of killings.entries()) {
  const chosen = steps.filter((_, index) => isThorough || index % killings.length === turn)
  test.serial(
    `kills of ${name} at each step of a move leave it to go on, and lose nothing`,
    async t => {
      await using cluster = await KillableCluster.start({ servers: 2, partitionCount: 4 })
      const files = await cluster.connect()
      const writer = await startWriter(files)
      for (const [index, step] of chosen.entries()) {
        // So that there is enough to be copied for each step to be reached.
        await writer.more(20)
        await killAt(t, cluster, step, victims, index % 2 === 0)
      }
      await writer.stop()
      await isAllThere(t, files, writer)
      await nothingIsLeftOver(t, cluster)
    },
  )
}

/** Moves partitions from the second server to the first, or back, and kills when the step is reached. */
async function killAt(
  t: ExecutionContext,
  cluster: KillableCluster,
  { name, who, point }: Step,
  victims: readonly Role[],
  isDraining: boolean,
): Promise<void> {
  const startedMs = performance.now()
  const roles = {
    source: isDraining ? 'server-2' : 'server-1',
    target: isDraining ? 'server-1' : 'server-2',
    manager: 'manager',
  }
  const { stopped } = await cluster.stopAt(roles[who], point)
  await cluster.drain('server-2', !isDraining)
  let isReached = false
  void stopped.then(() => {
    isReached = true
  })
  await told(cluster, `when ${name}`, () => isReached)
  for (const victim of victims) await cluster.kill(roles[victim])
  if (!victims.includes(who)) cluster.goOn(roles[who])
  for (const victim of victims) await cluster.startMember(roles[victim])
  const backMs = performance.now()
  await settled(cluster, isDraining ? ['server-1'] : ['server-1', 'server-2'])
  const settledMs = performance.now()
  const report = await cluster.check()
  t.deepEqual(report.findings, [], name)
  const times = [backMs - startedMs, settledMs - backMs, performance.now() - settledMs]
  t.log(`when ${name}: back, settled, checked after ${times.map(Math.round).join(', ')} ms`)
}

async function nothingIsLeftOver(t: ExecutionContext, cluster: KillableCluster): Promise<void> {
  await cluster.dropped()
  const { view } = await cluster.status()
  for (const [id, partitions] of await cluster.copiesOnDisk()) {
    const wanted = view!.partitions.flatMap(({ replicas }, partition) =>
      replicas.includes(id) ? [partition] : [],
    )
    t.deepEqual(partitions, wanted, cluster.nameOf(id))
  }
}
