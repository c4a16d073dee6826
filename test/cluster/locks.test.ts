/** Locks between the programs of two mounts. */
import { readdir, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { Locker } from '../posix/locker.ts'
import { isInstalled, run, shell } from '../posix/program.ts'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { type ProcessCluster, startCluster } from './processes.ts'

const waiters = 200

async function start(t: ExecutionContext): Promise<{
  readonly cluster: ProcessCluster
  readonly here: string
  readonly there: string
}> {
  const cluster = await startCluster(t)
  return { cluster, here: cluster.mountpoint, there: await cluster.mountAgain('again') }
}

testMounted('what one mount has locked is locked on the other, until it is given up', async t => {
  const { here, there } = await start(t)
  for (const api of ['posix', 'ofd', 'flock']) {
    const one = await Locker.start(t, `${here}/${api}`)
    const other = await Locker.start(t, `${there}/${api}`)
    t.is(await one.do(`${api} set w 0 10`), '0')
    t.is(await other.do(`${api} set r 0 10`), 'EAGAIN')
    if (api === 'posix') t.is(await other.do('posix get r 0 0'), 'w 0 10 0')
    const waiting = other.do(`${api} wait w 0 10`)
    t.is(await one.do('write before'), '0')
    t.is(await one.do(`${api} set u 0 10`), '0')
    t.is(await waiting, '0')
    t.is(await other.do('read'), 'before')
    const next = one.do(`${api} wait r 0 10`)
    await other.end()
    t.is(await next, '0')
  }
})

testMounted(
  'a circle over two mounts is EDEADLK, and a signal ends a wait on another mount',
  async t => {
    const { here, there } = await start(t)
    const one = await Locker.start(t, `${here}/file`)
    const other = await Locker.start(t, `${there}/file`)
    t.is(await one.do('posix set w 0 1'), '0')
    t.is(await other.do('posix set w 1 1'), '0')
    const waiting = one.do('posix wait w 1 1')
    t.is(await Promise.race([waiting, other.do('posix wait w 0 1')]), 'EDEADLK')
    await other.end()
    await waiting
    const third = await Locker.start(t, `${there}/file`)
    t.is(await one.do('posix set w 0 0'), '0')
    const interrupted = third.do('posix wait w 0 0')
    let over = false
    void interrupted.then(() => {
      over = true
    })
    while (!over) {
      third.signal('SIGUSR1')
      await sleep(50)
    }
    t.is(await interrupted, 'EINTR')
  },
)

testMounted(
  `${waiters} programs that wait for a lock hold up nobody else, and all get it`,
  async t => {
    const { here, there } = await start(t)
    const holder = await Locker.start(t, `${here}/file`)
    t.is(await holder.do('flock set w 0 0'), '0')
    const waiting = await Promise.all(
      Array.from({ length: waiters }, async (_, index) => {
        const locker = await Locker.start(t, `${index % 2 === 0 ? here : there}/file`)
        return { locker, taken: locker.do('flock wait w 0 0') }
      }),
    )
    for (const mount of [here, there]) {
      await shell(t, mount, 'echo text > other && cat other && rm other')
      t.deepEqual(await readdir(mount), ['file'])
      t.true((await stat(`${mount}/file`)).isFile())
    }
    await holder.end()
    await Promise.all(
      waiting.map(async ({ locker, taken }) => {
        t.is(await taken, '0')
        await locker.end()
      }),
    )
  },
)

testMounted('locks outlive their server, also for those who wait', async t => {
  const { cluster, here, there } = await start(t)
  const one = await Locker.start(t, `${here}/file`)
  const other = await Locker.start(t, `${there}/file`)
  t.is(await one.do('posix set w 0 10'), '0')
  t.is(await one.do('posix set r 20 10'), '0')
  const waiting = other.do('posix wait w 0 10')
  await cluster.killAndAwait('server-1')
  await cluster.killAndAwait('server-2')
  const third = await Locker.start(t, `${there}/file`)
  t.is(await third.do('posix set w 25 1'), 'EAGAIN')
  t.is(await one.do('posix set r 0 5'), '0')
  t.is(await one.do('posix set u 0 10'), '0')
  t.is(await waiting, '0')
})

testMounted('two mounts count in one file under a lock, and miss nothing', async t => {
  const { here, there } = await start(t)
  if (!isInstalled('flock')) {
    t.log('not checked: it takes flock')
    t.pass()
    return
  }
  const line = `for i in $(seq 40); do flock lock sh -c 'read n < count; echo $((n + 1)) > count'; done`
  await shell(t, here, 'echo 0 > count')
  const all = await Promise.all(
    [here, there, here, there].map(cwd => run(cwd, '/bin/sh', ['-euc', line])),
  )
  for (const { code, stderr } of all) t.is(code, 0, stderr)
  t.is(await shell(t, here, 'cat count'), '160')
  t.is(await shell(t, there, 'cat count'), '160')
})

testMounted(
  'what a mount had locked that was killed is free when its session has ended',
  async t => {
    const { cluster, here, there } = await start(t)
    const other = await Locker.start(t, `${here}/file`)
    const one = await Locker.start(t, `${there}/file`)
    t.is(await one.do('posix set w 0 10'), '0')
    await cluster.killMount(there)
    t.is(await other.do('posix set w 0 10'), 'EAGAIN')
    let taken = ''
    void other.do('posix wait w 0 10').then(answer => {
      taken = answer
    })
    await eventually('the lock is free', () => taken !== '', 120_000)
    t.is(taken, '0')
  },
)
