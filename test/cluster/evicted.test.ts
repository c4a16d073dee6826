/** What the kernel has forgotten by itself keeps nobody waiting. */
import { execFile } from 'node:child_process'
import { access, chmod, constants, mkdir, stat, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { leaseRecallMs } from '../../network/limits.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const run = promisify(execFile)
/** Has the kernel forget what nobody uses; root's to write, and not everywhere. */
const dropCaches = '/proc/sys/vm/drop_caches'
const mayDrop = await access(dropCaches, constants.W_OK).then(
  () => true,
  () => false,
)
const testDropping: typeof testMounted = (title, step) =>
  mayDrop ? testMounted(title, step) : test.skip(`${title} (${dropCaches} is not ours)`, step)

testDropping(
  'a change of what the kernel of another mount has forgotten does not wait',
  async t => {
    const cluster = await startCluster(t)
    const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
    await mkdir(`${here}/d`)
    const names = Array.from({ length: 20 }, (_, i) => `d/${i}`)
    for (const name of names) await writeFile(`${here}/${name}`, 'x')
    await setTimeout(1_200)
    for (let looks = 0; looks < 3; looks++) {
      await run(
        'stat',
        names.map(name => `${here}/${name}`),
      )
    }
    await setTimeout(700)
    await writeFile(dropCaches, '2')
    const times = []
    for (const name of names) {
      const startedMs = performance.now()
      await chmod(`${there}/${name}`, 0o600)
      times.push(Math.round(performance.now() - startedMs))
      t.is((await stat(`${here}/${name}`)).mode & 0o777, 0o600)
    }
    t.true(Math.max(...times) < leaseRecallMs, times.join(' '))
  },
)
