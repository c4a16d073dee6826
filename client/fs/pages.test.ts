/** For whom the pages of a file that are kept above a client are still true. */
import test, { type ExecutionContext } from 'ava'
import { TestServers } from '../testing/servers.ts'
import type { FileSystem } from './contract.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const how = { truncate: false }
const data = Buffer.alloc(10, 1)

/** Two clients, and a file that the first has just written. */
async function setUp(t: ExecutionContext) {
  const cluster = await new TestServers(2, 8).start()
  const clients = [cluster.client(), cluster.client()] as const
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await Promise.all(clients.map(client => client.close()))
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(clients[0], 'v')
  const [fs, other] = [await openVolume(clients[0], 'v'), await openVolume(clients[1], 'v')]
  const owner = { uid: 0, gid: 0 }
  const made = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('f'), 0o100644, owner, made)
  await fs.write(file, 0, data, {})
  const open = (by: FileSystem) => by.open(file.ino, how)
  return { fs, other, file, open }
}

test('pages may be kept after own writes, not after those of others', async t => {
  const { fs, other, file, open } = await setUp(t)
  t.true((await open(fs)).keepPages)
  const theirs = await open(other)
  t.false(theirs.keepPages)
  await other.write(theirs, 0, data, {})
  await fs.write(file, 5, data, {})
  t.false(fs.cache.mayKeepPages(await fs.getattr(file.ino)))
  t.false((await open(fs)).keepPages)
})

test('of a closed file that is empty nothing is remembered, so that files with pages are not forgotten for very many of them', async t => {
  const { fs, file, open } = await setUp(t)
  const made = { exclusive: true, truncate: false }
  const owner = { uid: 0, gid: 0 }
  const empty = await fs.create(fs.root, Buffer.from('empty'), 0o100644, owner, made)
  t.true(fs.cache.mayKeepPages(empty.attributes))
  fs.release(empty.file)
  fs.release(file)
  t.false(fs.cache.mayKeepPages(empty.attributes))
  t.true((await open(fs)).keepPages)
})

test('while one who opened a file may still be dropping its pages, nobody else may keep them', async t => {
  const { other, open } = await setUp(t)
  const opened = [await open(other), await open(other), await open(other)] as const
  for (const { keepPages } of opened) t.false(keepPages)
  await other.read(opened[0], 0, 1)
  other.release(opened[1])
  const fourth = await open(other)
  t.false(fourth.keepPages, 'the third was not heard from')
  await other.write(opened[2], 0, data, {})
  other.release(fourth)
  t.true((await open(other)).keepPages)
})
