/** Two replicas of everything, and kills: of the primary of a partition, its backup, both, at steps of what follows. */
import test, { type Implementation } from 'ava'
import { eventually } from './eventually.ts'
import { isThorough, KillableCluster } from './killable.ts'
import { isAllThere, startWriter } from './steady-writer.ts'
import type { StopPoint } from './stopping.ts'

test.beforeEach(t => t.timeout(600_000))

/** Only where somebody has the time. */
const thorough = (title: string, run: Implementation<[]>): void => {
  if (isThorough) test.serial(title, run)
}

const options = { servers: 3, partitionCount: 6, replicaCount: 2 }

async function settled(cluster: KillableCluster): Promise<void> {
  await eventually('two replicas of everything are in sync', async () => {
    const { view, moves, movesWaiting } = await cluster.status()
    if (view === null || moves.length > 0 || movesWaiting > 0) return false
    return view.partitions.every(
      ({ replicas, inSync, primary }) =>
        replicas.length === 2 && inSync.length === 2 && primary !== null,
    )
  }).catch(error => {
    throw new Error(cluster.lines.slice(-60).join('\n'), { cause: error })
  })
}

/** Names of the primary and the backup of a partition that has some of what is written. */
async function holdersOf(cluster: KillableCluster): Promise<{ primary: string; backup: string }> {
  const { view } = await cluster.status()
  const { primary, inSync } = view!.partitions[0]!
  const backup = inSync.find(id => id !== primary)
  return { primary: cluster.nameOf(primary!), backup: cluster.nameOf(backup!) }
}

/** Waits until nobody needs the dead server for anything. */
async function withoutIt(cluster: KillableCluster, name: string): Promise<void> {
  const id = cluster.idOf(name)
  await eventually('others have taken over', async () => {
    const { view } = await cluster.status()
    return view!.partitions.every(({ primary, inSync }) => primary !== id && !inSync.includes(id))
  })
}

for (const role of ['primary', 'backup'] as const) {
  test.serial(`the ${role} is killed: writing goes on without it, and it catches up`, async t => {
    await using cluster = await KillableCluster.start(options)
    const files = await cluster.connect()
    const writer = await startWriter(files)
    const victim = (await holdersOf(cluster))[role]
    await cluster.kill(victim)
    await withoutIt(cluster, victim)
    await writer.more(20)
    await cluster.startMember(victim)
    await settled(cluster)
    await writer.more(5)
    await writer.stop()
    await isAllThere(t, files, writer)
    t.deepEqual((await cluster.check()).findings, [])
  })
}

test.serial('both holders are killed and come back: nothing acknowledged is lost', async t => {
  await using cluster = await KillableCluster.start(options)
  const files = await cluster.connect()
  const writer = await startWriter(files)
  const { primary, backup } = await holdersOf(cluster)
  await Promise.all([cluster.kill(primary), cluster.kill(backup)])
  await Promise.all([cluster.startMember(backup), cluster.startMember(primary)])
  await settled(cluster)
  await writer.more(5)
  await writer.stop()
  await isAllThere(t, files, writer)
  t.deepEqual((await cluster.check()).findings, [])
})

thorough('all servers are killed, and come back one after the other', async t => {
  await using cluster = await KillableCluster.start(options)
  const files = await cluster.connect()
  const writer = await startWriter(files)
  await Promise.all(cluster.servers.map(name => cluster.kill(name)))
  for (const name of cluster.servers) await cluster.startMember(name)
  await settled(cluster)
  await writer.more(5)
  await writer.stop()
  await isAllThere(t, files, writer)
  t.deepEqual((await cluster.check()).findings, [])
})

interface Step {
  readonly name: string
  /** Who is to stop there, when the other holder has been killed. */
  readonly who: 'survivor' | 'returning' | 'manager'
  readonly point: StopPoint
  /** The other is started again first. */
  readonly isBack: boolean
}

const steps: readonly Step[] = [
  {
    name: 'the loss of the other is being told',
    who: 'survivor',
    point: { operation: 'replicaLost', kind: 'request', when: 'sending' },
    isBack: false,
  },
  {
    name: 'the manager has left the other out',
    who: 'manager',
    point: { operation: 'replicaLost', kind: 'reply', when: 'sending' },
    isBack: false,
  },
  {
    name: 'the other catches up',
    who: 'returning',
    point: { operation: 'feed', kind: 'request', when: 'receiving', nth: 2 },
    isBack: true,
  },
  {
    name: 'the other has caught up',
    who: 'survivor',
    point: { operation: 'replicaInSync', kind: 'request', when: 'sending' },
    isBack: true,
  },
]

for (const { name, who, point, isBack } of steps) {
  thorough(`a second kill when ${name} loses nothing either`, async t => {
    await using cluster = await KillableCluster.start(options)
    const files = await cluster.connect()
    const writer = await startWriter(files)
    const { primary, backup } = await holdersOf(cluster)
    const second = { survivor: primary, returning: backup, manager: 'manager' }[who]
    await cluster.kill(backup)
    if (who !== 'returning') {
      const { stopped } = await cluster.stopAt(second, point)
      if (isBack) {
        await withoutIt(cluster, backup)
        await cluster.startMember(backup)
      }
      await stopped
    } else {
      await withoutIt(cluster, backup)
      await (await cluster.startMember(backup, point)).stopped
    }
    await cluster.kill(second)
    // No server starts without a manager.
    if (who === 'manager') await cluster.startMember(second)
    if (who !== 'returning' && !isBack) await cluster.startMember(backup)
    if (who !== 'manager') await cluster.startMember(second)
    await settled(cluster)
    await writer.more(5)
    await writer.stop()
    await isAllThere(t, files, writer)
    t.deepEqual((await cluster.check()).findings, [])
  })
}
