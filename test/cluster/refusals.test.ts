/** What cannot be done is refused with one clear line, an exit code, and nothing changed. */
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Outcome } from '../posix/program.ts'
import { testMounted } from './fuse.ts'
import { makeCluster, type ProcessCluster, startCluster } from './processes.ts'

/** Progress of a start that failed later may come first; what went wrong is the last line. */
function refused(t: ExecutionContext, outcome: Outcome, message: RegExp): void {
  t.true(outcome.code > 0 && outcome.code < 3, `exit code ${outcome.code}`)
  const lines = outcome.stderr.split('\n').filter(line => line.startsWith('rookery: '))
  t.is(lines.length, 1, outcome.stderr)
  t.regex(lines[0] ?? '', message)
  t.notRegex(outcome.stderr, /^ {4}at /m, 'no stack')
}

function up(cluster: ProcessCluster, mountpoint: string, ...more: string[]): Promise<Outcome> {
  return cluster.rookery('up', mountpoint, '--home', cluster.home, '--detach', ...more)
}

testMounted('a home that is in use is not started again', async t => {
  const cluster = await startCluster(t)
  await writeFile(`${cluster.mountpoint}/file`, 'kept')
  refused(t, await up(cluster, `${cluster.directory}/other`), /in use/)
  refused(t, await up(cluster, cluster.mountpoint), /in use/)
  t.is((await readFile(`${cluster.mountpoint}/file`)).toString(), 'kept')
  const other = await makeCluster(t)
  refused(t, await up(other, cluster.mountpoint), /already mounted/)
})

testMounted('a mount point that is full, or no directory, is refused and left alone', async t => {
  const cluster = await makeCluster(t)
  await mkdir(`${cluster.directory}/full`)
  await writeFile(`${cluster.directory}/full/file`, 'kept')
  refused(t, await up(cluster, `${cluster.directory}/full`), /not empty/)
  refused(t, await up(cluster, `${cluster.directory}/full/file`), /not a directory/)
  refused(t, await up(cluster, `${cluster.home}/inside`), /home/)
  t.is((await readFile(`${cluster.directory}/full/file`)).toString(), 'kept')
})

testMounted('a mount that does not answer is refused, and can be taken away by force', async t => {
  const cluster = await startCluster(t)
  const there = await cluster.mountAgain('second')
  await cluster.signalMount(there, 'SIGSTOP')
  const waiting = t.throwsAsync(readdir(there))
  const again = await cluster.rookery('mount', there, '--home', cluster.home)
  refused(t, again, /already mounted .*does not answer.*umount --force/)
  t.is((await cluster.rookery('umount', '--force', there)).code, 0)
  await waiting
  t.deepEqual(await readdir(there), [])
  await cluster.signalMount(there, 'SIGCONT')
})

testMounted('a home that holds something else is refused and left alone', async t => {
  const cluster = await makeCluster(t)
  await mkdir(cluster.home)
  await writeFile(`${cluster.home}/diary`, 'dear')
  refused(t, await up(cluster, cluster.mountpoint), /neither empty nor/)
  t.deepEqual(await readdir(cluster.home), ['diary'])
})

testMounted('a port that is taken is named', async t => {
  const cluster = await makeCluster(t)
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  refused(
    t,
    await up(cluster, cluster.mountpoint, '--port', `${port}`),
    new RegExp(`:${port} is taken: .*give another port`),
  )
})

testMounted('commands on a cluster that is down say so', async t => {
  const cluster = await makeCluster(t)
  refused(t, await cluster.rookery('down', '--home', cluster.home), /no cluster is running/)
  refused(t, await cluster.rookery('status', '--home', cluster.home), /let into no cluster/)
  refused(t, await cluster.rookery('umount', cluster.directory), /nothing of Rookery/)
  refused(
    t,
    await cluster.rookery('mount', cluster.directory, '--home', cluster.home),
    /no cluster/,
  )
})

testMounted('a directory of another cluster, or of another server, is refused', async t => {
  const [one, two] = [await startCluster(t), await startCluster(t)]
  await writeFile(`${one.mountpoint}/file`, 'kept')
  await one.down(t)
  await two.down(t)
  const own = `${one.home}/servers/1`
  await rename(own, `${one.directory}/aside`)
  for (const foreign of [`${two.home}/servers/1`, `${one.home}/servers/2`]) {
    await cp(foreign, own, { recursive: true })
    // Of two processes with the directories of one server, the one that comes second is refused.
    refused(
      t,
      await up(one, one.mountpoint),
      /server-1: .*servers\/1\/.* belong to cluster .*: give|server-[12]: server .* is up at .*: stop/,
    )
    await rm(own, { recursive: true })
  }
  await rename(`${one.directory}/aside`, own)
  await one.up(t)
  t.is((await readFile(`${one.mountpoint}/file`)).toString(), 'kept')
})

testMounted('a directory that a newer version has written is refused', async t => {
  const cluster = await startCluster(t)
  await writeFile(`${cluster.mountpoint}/file`, 'kept')
  await cluster.down(t)
  for (const kind of ['meta', 'data']) {
    const path = `${cluster.home}/servers/1/${kind}/rookery.json`
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(/"format":\s*\d+/, '"format": 999'))
    refused(t, await up(cluster, cluster.mountpoint), /newer/)
    await writeFile(path, text)
  }
  await cluster.up(t)
  t.is((await readFile(`${cluster.mountpoint}/file`)).toString(), 'kept')
})
