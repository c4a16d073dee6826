/** Where data is, in a file that is truncated all the while. */
import test from 'ava'
import { maxReadRedos } from '../../network/limits.ts'
import { TestServers } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const blockBytes = 64 * 1024

test('a file that is truncated at each look is told to be data', async t => {
  const cluster = await new TestServers(2, 8).start()
  const clients = [cluster.client(), cluster.client()] as const
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await Promise.all(clients.map(client => client.close()))
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(clients[0], 'v', { blockBytes, inlineBytes: 0 })
  const [fs, other] = [await openVolume(clients[0], 'v'), await openVolume(clients[1], 'v')]
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('f'), 0o100644, { uid: 0, gid: 0 }, how)
  let size = 10 * blockBytes
  await fs.write(file, 0, Buffer.alloc(blockBytes, 1), {})
  await fs.setattr(file.ino, { size })
  const shorten = async (): Promise<void> => {
    size -= 1
    await other.setattr(file.ino, { size })
  }
  // More than there are requests: each look is 5 of them.
  const looks = Array.from({ length: 20 * maxReadRedos }, () => ({ before: shorten }))
  cluster.fail('seekBlocks', ...looks)
  t.is(await fs.seek(file, 'data', 5 * blockBytes), 5 * blockBytes)
  t.is(await fs.seek(file, 'hole', 5 * blockBytes), size)
})
