/** What one client reads is what another has written, also in files that it had open before. */
import test, { type ExecutionContext } from 'ava'
import { TestServers } from '../testing/servers.ts'
import type { FileSystem, OpenFile } from './contract.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

async function setUp(t: ExecutionContext, inlineBytes: number) {
  const cluster = await new TestServers(2, 8).start()
  const clients = [cluster.client(), cluster.client()] as const
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    for (const client of clients) await client.close()
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(clients[0], 'v', { inlineBytes, blockBytes: 65_536 })
  const [one, other] = [await openVolume(clients[0], 'v'), await openVolume(clients[1], 'v')]
  const how = { exclusive: true, truncate: false }
  const made = await one.create(one.root, Buffer.from('f'), 0o100644, { uid: 0, gid: 0 }, how)
  await one.write(made.file, 0, Buffer.from('before'), {})
  const opened = await other.open(made.file.ino, { truncate: false })
  return { one, other, written: made.file, opened }
}

async function textOf(fs: FileSystem, file: OpenFile, length: number): Promise<string> {
  return Buffer.concat(await fs.read(file, 0, length)).toString()
}

for (const [where, inlineBytes] of [
  ['beside its inode', 100],
  ['in blocks', 0],
] as const) {
  test(`an open file whose data lies ${where} shows what another client wrote since`, async t => {
    const { one, other, written, opened } = await setUp(t, inlineBytes)
    t.is(await textOf(other, opened, 6), 'before')
    await one.write(written, 0, Buffer.from('behind'), {})
    t.is(await textOf(other, opened, 6), 'behind')
    await one.setattr(written.ino, { size: 0 })
    await one.write(written, 0, Buffer.from('a'), {})
    t.is(await textOf(other, opened, 1), 'a')
    await one.setattr(written.ino, { size: 0 })
    t.is(await textOf(other, opened, 1), '')
  })
}
