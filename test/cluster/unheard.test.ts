/** Commands whose output goes away, is full or was never there. */
import { writeFile } from 'node:fs/promises'
import { type Outcome, run } from '../posix/program.ts'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { isMounted, launcher, makeCluster, type ProcessCluster, startCluster } from './processes.ts'

/** Runs the launcher in a shell, with `redirections` such as `>/dev/full 2>&-`. */
function redirected(
  { directory, home }: ProcessCluster,
  redirections: string,
  args: readonly string[],
): Promise<Outcome> {
  const line = `"$0" "$@" --home '${home}' ${redirections}`
  return run(directory, 'bash', ['-c', line, launcher, ...args], {}, 0)
}

for (const redirections of ['>/dev/full 2>/dev/full', '> >(true) 2>&1', '>&- 2>&-']) {
  testMounted(
    `a cluster started with ${redirections} watches over its servers, and stops in order`,
    async t => {
      const cluster = await makeCluster(t)
      const up = redirected(cluster, redirections, ['up', cluster.mountpoint, '--servers', '1'])
      await eventually('it is mounted', () => isMounted(cluster.mountpoint))
      const killed = await cluster.pidOf('server-1')
      await cluster.kill('server-1')
      await eventually('another server runs', async () => {
        return (await cluster.pidOf('server-1').catch(() => killed)) !== killed
      })
      await writeFile(`${cluster.mountpoint}/a`, 'x')
      await cluster.down(t)
      t.is((await up).code, 0)
      t.false(await isMounted(cluster.mountpoint))
    },
  )
}

testMounted('a command fails for what it did not print, and for nothing else', async t => {
  const cluster = await startCluster(t, { servers: 1 })
  const large = `${cluster.directory}/large`
  await writeFile(large, Buffer.alloc(3 * 1024 * 1024))
  for (const [args, redirections, code, complaint] of [
    [['put', '--quiet', large, '/large'], '>/dev/full', 0, ''],
    [['cat', '/large'], '>/dev/full', 1, 'ENOSPC'],
    [['cat', '/large'], '>&-', 1, 'EBADF'],
    [['cat', '/large'], '| true', 0, ''],
    [['ls', '/'], '>/dev/full', 1, 'ENOSPC'],
    [['fsck', '--quiet', '--json'], '>/dev/full', 8, 'ENOSPC'],
    [['status'], '2>&-', 0, ''],
    [['status'], '2>/dev/full', 0, ''],
  ] as const) {
    const outcome = await redirected(cluster, redirections, args)
    const what = `${args.join(' ')} ${redirections}`
    t.is(outcome.code, code, what)
    const told = `rookery: standard output cannot be written (${complaint})\n`
    t.is(outcome.stderr, complaint === '' ? '' : told, what)
  }
})
