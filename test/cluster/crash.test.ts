/** Processes are killed while programs write; what was acknowledged is there when they are back. */
import { run } from '../posix/program.ts'
import { withSparseProgram } from '../posix/sparse.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'
import { startWriting } from './writing.ts'

const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000)

for (const role of ['server-1', 'server-2', 'manager', 'mount']) {
  testMounted(`killing the ${role} again and again loses nothing acknowledged`, async t => {
    t.log(`CRASH_SEED=${seed}`)
    const cluster = await startCluster(t)
    const directory = `${cluster.mountpoint}/work`
    const journal = `${cluster.directory}/journal`
    const writing = await startWriting(t, { directory, journal, seed, lanes: 6 })
    for (let round = 0; round < 2; round++) {
      await writing.more(150)
      await cluster.killAndAwait(role)
    }
    await writing.more(150)
    const { acknowledged, failures } = await writing.finish()
    t.log(`${acknowledged} acknowledged, ${failures.length} failed`)
    await cluster.isSound(t)
    if (role === 'mount') return
    t.deepEqual(failures, [], 'programs wait for a member that comes back')
  })
}

testMounted('what was acknowledged outlives the death of all processes at once', async t => {
  t.log(`CRASH_SEED=${seed}`)
  const cluster = await startCluster(t)
  const directory = `${cluster.mountpoint}/work`
  const journal = `${cluster.directory}/journal`
  const writing = await startWriting(t, { directory, journal, seed, lanes: 6 })
  await writing.more(300)
  await cluster.killAll()
  await cluster.up(t)
  await writing.more(100)
  const { acknowledged, failures } = await writing.finish()
  t.log(`${acknowledged} acknowledged, ${failures.length} failed`)
  await cluster.isSound(t)
})

testMounted('random changes of a file go on as they should while servers are killed', async t => {
  t.log(`CRASH_SEED=${seed}`)
  const cluster = await startCluster(t)
  await withSparseProgram(t, async program => {
    let ended = false
    const args = [`${seed}`, '400', `${cluster.mountpoint}/file`]
    const changing = run(cluster.directory, program, args).finally(() => {
      ended = true
    })
    for (let round = 0; !ended && round < 4; round++) {
      await cluster.killAndAwait(`server-${1 + (round % 2)}`)
    }
    const { code, stdout, stderr } = await changing
    t.is(code, 0, stdout + stderr)
  })
})
