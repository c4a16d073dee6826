/** What is stored stays: over restarts, and while the manager is away. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { bytesOf, sameBytes } from '../posix/bytes.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'
import { hashTree, plantTree } from './tree.ts'

testMounted(
  'a tree of 2,000 files is the same after everything was stopped and started',
  async t => {
    const cluster = await startCluster(t, { servers: 3 })
    const tree = `${cluster.mountpoint}/tree`
    await plantTree(tree, 2_000)
    const before = await hashTree(tree)
    await cluster.down(t)
    await cluster.up(t)
    t.is(await hashTree(tree), before)
    await writeFile(`${tree}/later`, 'and it goes on')
    await cluster.down(t)
    await cluster.up(t)
    t.is((await readFile(`${tree}/later`)).toString(), 'and it goes on')
    await cluster.isSound(t)
  },
)

testMounted('reading and writing go on while the manager stands still', async t => {
  const cluster = await startCluster(t)
  await writeFile(`${cluster.mountpoint}/before`, bytesOf(1, 500_000))
  await cluster.stop('manager', 'SIGSTOP')
  sameBytes(t, await readFile(`${cluster.mountpoint}/before`), bytesOf(1, 500_000))
  for (let index = 0; index < 100; index++) {
    await mkdir(`${cluster.mountpoint}/during-${index}`)
    await writeFile(`${cluster.mountpoint}/during-${index}/file`, bytesOf(index, 20_000))
  }
  // Longer than the failure timeout: nobody who is needed may have given up by then.
  await new Promise(resolve => setTimeout(resolve, 5_000))
  for (let index = 0; index < 100; index++) {
    const content = await readFile(`${cluster.mountpoint}/during-${index}/file`)
    sameBytes(t, content, bytesOf(index, 20_000))
  }
  await cluster.stop('manager', 'SIGCONT')
  await writeFile(`${cluster.mountpoint}/after`, 'goes on')
  t.is((await readFile(`${cluster.mountpoint}/after`)).toString(), 'goes on')
  await cluster.isSound(t)
})
