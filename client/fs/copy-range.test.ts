/** Copies between servers: no data comes to the client, and a source that is cut meanwhile is copied again. */
import test, { type ExecutionContext } from 'ava'
import { realEnv } from '../../network/env/real.ts'
import { TestServers } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const blockBytes = 64 * 1024

async function setUp(t: ExecutionContext) {
  const servers = await new TestServers(2, 8).start()
  const client = servers.client(realEnv())
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await client.close()
    await servers.stop()
    clearInterval(alive)
  })
  await createVolume(client, 'v', { blockBytes, inlineBytes: 4096 })
  const fs = await openVolume(client, 'v')
  const make = async (name: string) => {
    const how = { exclusive: true, truncate: false }
    const caller = { uid: 0, gid: 0 }
    return (await fs.create(fs.root, Buffer.from(name), 0o100644, caller, how)).file
  }
  const [source, target] = [await make('source'), await make('target')]
  const content = Buffer.alloc(4 * blockBytes, 7)
  await fs.write(source, 0, content, {})
  const begun = servers.calls.length
  const count = (name: string) =>
    servers.calls.slice(begun).filter(call => call.name === name).length
  return { servers, fs, source, target, content, count }
}

test('blocks are copied without coming here', async t => {
  const { fs, source, target, content, count } = await setUp(t)
  const range = { from: 0, to: 0, length: content.length }
  t.is(await fs.copyRange(source, target, range, {}), content.length)
  t.deepEqual(['copyBlock', 'readBlock', 'writeBlock'].map(count), [4, 0, 0])
  t.true(Buffer.concat(await fs.read(target, 0, 1e6)).equals(content))
})

test('what is small comes through the client and stays small', async t => {
  const { fs, source, target, count } = await setUp(t)
  t.is(await fs.copyRange(source, target, { from: 10, to: 5, length: 100 }, {}), 100)
  t.is(count('copyBlock'), 0)
  t.like(await fs.getattr(target.ino), { size: 105, reach: 0 })
})

test('a source that is written anew and small meanwhile is copied as it is then', async t => {
  const { servers, fs, source, target, content } = await setUp(t)
  const rewrite = () => {
    const inode = servers.store.get(source.ino)
    servers.store.resize(inode, 0)
    // The old ones have been purged already.
    for (const key of servers.store.blocks.keys()) {
      if (key.startsWith(`${source.ino}.`)) servers.store.blocks.delete(key)
    }
    inode.data = Buffer.alloc(1000, 9)
    inode.attributes.size = 1000
    servers.store.changed(inode)
  }
  servers.fail('copyBlock', { before: rewrite })
  const range = { from: 0, to: 0, length: content.length }
  t.is(await fs.copyRange(source, target, range, {}), 1000)
  t.true(Buffer.concat(await fs.read(target, 0, 1000)).equals(Buffer.alloc(1000, 9)))
})

test('a source that is truncated while a hole is found in it is copied as it is then', async t => {
  const { servers, fs, source, target, content, count } = await setUp(t)
  const shorten = () => {
    const inode = servers.store.get(source.ino)
    servers.store.resize(inode, blockBytes + 100)
    servers.store.changed(inode)
  }
  servers.fail('copyBlock', { before: shorten })
  const range = { from: 0, to: 0, length: content.length }
  t.is(await fs.copyRange(source, target, range, {}), blockBytes + 100)
  t.is(count('copyBlock'), 4 + 2)
  const expected = content.subarray(0, blockBytes + 100)
  t.true(Buffer.concat(await fs.read(target, 0, 1e6)).equals(expected))
})
