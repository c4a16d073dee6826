/** A mount whose process stands still for longer than its leases hold, with something that it has written behind. */
import { open, stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { leaseTermMs } from '../../network/limits.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

testMounted(
  'a mount that stands still while others look at what it writes loses nothing',
  async t => {
    const cluster = await startCluster(t)
    const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
    const file = await open(`${there}/f`, 'w+')
    t.teardown(() => file.close())
    for (let count = 0; count < 4; count++) {
      await file.write('old', 0)
      await setTimeout(20)
    }
    await file.sync()
    await file.write('newer', 0)
    await cluster.signalMount(there, 'SIGSTOP')
    const looked = stat(`${here}/f`)
    await setTimeout(2 * leaseTermMs)
    await cluster.signalMount(there, 'SIGCONT')
    await file.sync()
    await looked
    t.is((await stat(`${here}/f`)).size, 5)
  },
)
