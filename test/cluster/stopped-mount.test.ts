/** A mount whose process stands still for longer than its leases hold, with something that it has written behind. */
import { chmod, type FileHandle, link, open, readFile, stat, utimes } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { leaseTermMs, readLeaseRestMs } from '../../network/limits.ts'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const [old, newer] = ['old', 'newer']

/** A mount that stands still, with a file that it has written behind. */
interface Stopped {
  readonly here: string
  readonly there: string
  readonly name: string
  readonly file: FileHandle
  readonly goOn: () => Promise<void>
}

/**
 * Each time with a file of its own, until the step says that the mount stood still before it had sent what it was given: on
 * a machine that is busy it may have been faster than who stops it.
 */
async function whileStopped(
  t: ExecutionContext,
  step: (stopped: Stopped) => Promise<boolean>,
): Promise<void> {
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
  let files = 0
  await eventually('it stood still with something that it had not sent', async () => {
    // Just started, a server leases nothing for writing.
    await setTimeout(readLeaseRestMs)
    const name = `f${files++}`
    const file = await open(`${there}/${name}`, 'w+')
    const goOn = () => cluster.signalMount(there, 'SIGCONT')
    try {
      for (let count = 0; count < 4; count++) {
        await file.write(old, 0)
        await setTimeout(20)
      }
      await file.sync()
      // It would soon be sent.
      await cluster.signalMount(there, 'SIGSTOP', () => file.write(newer, 0))
      return await step({ here, there, name, file, goOn })
    } finally {
      await goOn()
      await file.close()
    }
  })
}

testMounted('a mount that stands still while others look at what it writes loses nothing', t =>
  whileStopped(t, async ({ here, name, file, goOn }) => {
    const looked = stat(`${here}/${name}`)
    await setTimeout(2 * leaseTermMs)
    await goOn()
    await file.sync()
    t.is((await stat(`${here}/${name}`)).size, newer.length)
    return (await looked).size === old.length
  }),
)

testMounted(
  'a mount that stands still while others change the mode, times and names of what it writes loses nothing',
  t =>
    whileStopped(t, async ({ here, there, name, file, goOn }) => {
      await chmod(`${here}/${name}`, 0o600)
      await utimes(`${here}/${name}`, 1, 1)
      await link(`${here}/${name}`, `${here}/${name}.link`)
      const isLeft = (await stat(`${here}/${name}`)).size === old.length
      await goOn()
      await file.sync()
      t.is(await readFile(`${here}/${name}.link`, 'utf8'), newer)
      const { mode, mtimeMs } = await stat(`${there}/${name}`)
      t.is(mode & 0o777, 0o600)
      if (isLeft) t.true(mtimeMs > 1000, 'it was written after that')
      return isLeft
    }),
)
