/** A mount whose process stands still for longer than its leases hold, with something that it has written behind. */
import { chmod, link, open, readFile, stat, utimes } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { leaseTermMs, readLeaseRestMs } from '../../network/limits.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

/** A mount that stands still, with a file that it has written behind, and another one. */
async function stopWriter(t: ExecutionContext) {
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
  // Just started, a server leases nothing for writing.
  await setTimeout(readLeaseRestMs)
  const file = await open(`${there}/f`, 'w+')
  t.teardown(() => file.close())
  for (let count = 0; count < 4; count++) {
    await file.write('old', 0)
    await setTimeout(20)
  }
  await file.sync()
  // It would soon be sent.
  await cluster.signalMount(there, 'SIGSTOP', () => file.write('newer', 0))
  return { cluster, here, there, file }
}

testMounted(
  'a mount that stands still while others look at what it writes loses nothing',
  async t => {
    const { cluster, here, there, file } = await stopWriter(t)
    const looked = stat(`${here}/f`)
    await setTimeout(2 * leaseTermMs)
    await cluster.signalMount(there, 'SIGCONT')
    await file.sync()
    await looked
    t.is((await stat(`${here}/f`)).size, 5)
  },
)

testMounted(
  'a mount that stands still while others change the mode, times and names of what it writes loses nothing',
  async t => {
    const { cluster, here, there, file } = await stopWriter(t)
    await chmod(`${here}/f`, 0o600)
    await utimes(`${here}/f`, 1, 1)
    await link(`${here}/f`, `${here}/g`)
    await cluster.signalMount(there, 'SIGCONT')
    await file.sync()
    t.is(await readFile(`${here}/g`, 'utf8'), 'newer')
    const { mode, mtimeMs } = await stat(`${there}/f`)
    t.is(mode & 0o777, 0o600)
    t.true(mtimeMs > 1000, 'it was written after that')
  },
)
