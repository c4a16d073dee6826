/** Inline data on its way to blocks, while another client writes the same file. */
import test from 'ava'
import { TestServers } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const blockBytes = 64 * 1024

test('two clients that move inline data to blocks at a time do not write over each other', async t => {
  const cluster = await new TestServers(2, 8).start()
  const clients = [cluster.client(), cluster.client()] as const
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await Promise.all(clients.map(client => client.close()))
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(clients[0], 'v', { blockBytes, inlineBytes: 8 * 1024 })
  const mine = await openVolume(clients[0], 'v')
  const theirs = await openVolume(clients[1], 'v')
  const how = { exclusive: true, truncate: false }
  const owner = { uid: 0, gid: 0 }
  const { file } = await mine.create(mine.root, Buffer.from('f'), 0o100644, owner, how)
  await mine.write(file, 0, Buffer.alloc(100, 1), {})
  const other = await theirs.open(file.ino, { truncate: false })
  let wrote: Promise<void> | undefined
  cluster.fail('commitWrite', {
    before: async () => {
      wrote = theirs.write(other, 200, Buffer.alloc(blockBytes, 3), {})
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    },
  })
  await mine.write(file, 100, Buffer.alloc(blockBytes, 2), {})
  await wrote
  const found = Buffer.concat(await theirs.read(other, 0, 1000))
  const wanted = [Buffer.alloc(100, 1), Buffer.alloc(100, 2), Buffer.alloc(800, 3)]
  t.is(Buffer.compare(found, Buffer.concat(wanted)), 0)
})
