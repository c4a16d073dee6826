/** `rookery bench io500` on a cluster of real processes, each way to reach it. */
import { readdir, readFile } from 'node:fs/promises'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const phaseCount = 12

testMounted('the phases run on the mount, on several mounts and through the library', async t => {
  const cluster = await startCluster(t)
  const results = `${cluster.directory}/results`
  const ways = [[], ['--mounts', '2'], ['--through', 'library']]
  for (const way of ways) {
    const { code, stdout, stderr } = await cluster.rookery(
      ...['bench', 'io500', '--home', cluster.home, '--stonewall', '1', '--json', '--quiet'],
      ...['--results', results, ...way],
    )
    t.is(code, 0, stderr)
    const { made, subjects } = JSON.parse(stdout)
    t.is(made, 'rookery built-in')
    t.is(subjects[0].phases.length, phaseCount, way.join(' '))
    t.deepEqual(await readdir(cluster.mountpoint), [], 'nothing is left')
  }
  const kept = await readdir(results)
  t.is(kept.length, ways.length)
  for (const run of kept) {
    t.deepEqual((await readdir(`${results}/${run}`)).sort(), [
      'phases.svg',
      'report.json',
      'table.txt',
    ])
  }
  const mounts = await readFile('/proc/mounts', 'utf8')
  t.false(mounts.includes('/rookery-bench-'), 'no mount is left')
  await cluster.isSound(t)
})

testMounted('without a cluster and without a directory it says what to name', async t => {
  const cluster = await startCluster(t)
  const bench = ['bench', 'io500', '--stonewall', '1', '--no-results']
  const ways = [
    {
      way: [],
      says: /no cluster is running in [^\n]*nowhere: start it with 'rookery up', or name/,
    },
    { way: ['--mounts', '2'], says: /let into no cluster \(nothing in [^\n]*nowhere\)/ },
    { way: ['--through', 'library'], says: /let into no cluster \(nothing in [^\n]*nowhere\)/ },
  ]
  for (const { way, says } of ways) {
    const nowhere = `${cluster.directory}/nowhere`
    const { code, stderr } = await cluster.rookery(...bench, '--home', nowhere, ...way)
    t.is(code, 1)
    t.regex(stderr, says)
  }
})
