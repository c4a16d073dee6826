/** Servers that come and go, as processes, while files are copied. */
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { run } from '../posix/program.ts'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { type ProcessCluster, startCluster } from './processes.ts'

const tree = fileURLToPath(new URL('../../server', import.meta.url))

test.beforeEach(t => t.timeout(600_000))

interface Row {
  readonly name: string
  readonly partitions: number | null
}

async function heldBy(cluster: ProcessCluster, server: string): Promise<number | undefined> {
  const { stdout } = await cluster.rookery('member', 'list', '--json', '--home', cluster.home)
  const rows = JSON.parse(stdout) as readonly Row[]
  return rows.find(({ name }) => name === server)?.partitions ?? undefined
}

async function copied(t: ExecutionContext, cluster: ProcessCluster, name: string): Promise<void> {
  const { code, stderr } = await run('/', 'cp', ['-r', tree, `${cluster.mountpoint}/${name}`])
  t.is(code, 0, stderr)
}

async function isTheSame(t: ExecutionContext, cluster: ProcessCluster, name: string) {
  const { code, stdout } = await run('/', 'diff', ['-r', tree, `${cluster.mountpoint}/${name}`])
  t.is(code, 0, stdout)
}

testMounted('a fourth server gets its share while files are copied, and two leave', async t => {
  const cluster = await startCluster(t, { servers: 3 })
  const { home, mountpoint } = cluster
  await copied(t, cluster, 'before')
  await cluster.down(t)
  const grown = await cluster.rookery(
    'up',
    mountpoint,
    '--home',
    home,
    '--servers',
    '4',
    '--detach',
  )
  t.is(grown.code, 0, grown.stderr)
  await copied(t, cluster, 'joining')
  await eventually('the fourth server has its share', async () => {
    const held = await heldBy(cluster, 'server-4')
    return held !== undefined && held >= 32 && held <= 96
  })

  const killing = cluster.kill('server-4')
  const draining = cluster.rookery('drain', 'server-2', '--home', home)
  await Promise.all([killing, copied(t, cluster, 'draining')])
  const drained = await draining
  t.is(drained.code, 0, drained.stderr)
  t.is(await heldBy(cluster, 'server-2'), 0)

  const leaving = cluster.rookery('leave', '--meta-dir', `${home}/servers/1/meta`, '--home', home)
  await copied(t, cluster, 'leaving')
  const left = await leaving
  t.is(left.code, 0, left.stderr)
  t.is(await heldBy(cluster, 'server-1'), undefined)

  for (const name of ['before', 'joining', 'draining', 'leaving']) await isTheSame(t, cluster, name)
  await cluster.isSound(t)
})
