/** What a program stands on stays where it is, whatever other mounts change elsewhere. */
import { execFile } from 'node:child_process'
import { mkdir, open, readFile, readlink, stat, unlink, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const run = promisify(execFile)

testMounted(
  'what is open, or mounted on, keeps its place when another mount changes a name',
  async t => {
    const cluster = await startCluster(t)
    const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
    await mkdir(`${here}/top`)
    await mkdir(`${here}/work`)
    await mkdir(`${here}/work/deep`)
    await writeFile(`${here}/open`, 'x')
    await writeFile(`${here}/other`, 'x')
    await run('mount', ['-t', 'tmpfs', 'none', `${here}/top`])
    t.teardown(() => run('umount', [`${here}/top`]).catch(() => undefined))
    await writeFile(`${here}/top/on-tmpfs`, 'x')
    await setTimeout(1_200)
    const handle = await open(`${here}/open`, 'r')
    t.teardown(() => handle.close())
    const place = () => readlink(`/proc/self/fd/${handle.fd}`)
    t.is(await place(), `${here}/open`)
    for (let looks = 0; looks < 4; looks++) {
      for (const name of ['open', 'other', 'work/deep', 'top/on-tmpfs'])
        await stat(`${here}/${name}`)
    }
    await unlink(`${there}/other`)
    t.is((await stat(`${here}/top/on-tmpfs`)).size, 1)
    t.is(`${await readFile(`${here}/open`)}`, 'x')
    t.is(await place(), `${here}/open`)
  },
)
