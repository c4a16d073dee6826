import { statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test from 'ava'
import { localReadBytes } from '../../network/limits.ts'
import { TestServers } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const boot = 'boot 0 of s0'
const blockBytes = localReadBytes
const caller = { uid: 7, gid: 8 }

/** One server whose data lies in a file of this machine, a file of one block there, and a client that has the data file open. */
async function setUp(t: { teardown(close: () => Promise<void>): void }) {
  const directory = await mkdtemp(`${tmpdir()}/rookery-local-read-`)
  const path = `${directory}/blocks.dat`
  const data = Buffer.alloc(blockBytes, 'data')
  await writeFile(path, data)
  const { dev, ino: inode } = statSync(path, { bigint: true })
  const servers = new TestServers(1, 16)
  servers.dataFile = { path, device: dev, inode }
  await servers.start()
  const alive = setInterval(() => {}, 1000)
  const client = servers.client(undefined, boot)
  t.teardown(async () => {
    await client.close()
    await servers.stop()
    clearInterval(alive)
    await rm(directory, { recursive: true })
  })
  await createVolume(client, 'v', { blockBytes, inlineBytes: 4096 })
  const fs = await openVolume(client, 'v')
  const anew = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('f'), 0o100644, caller, anew)
  await fs.write(file, 0, data, {})
  const read = async () => Buffer.concat(await fs.read(file, 0, blockBytes))
  const reads = () => servers.calls.filter(({ name }) => name === 'readBlock')
  // That is opened beside: until then nobody asks for a place in it.
  while (!reads().some(({ body }) => 'local' in body)) {
    await client.env.timers.sleep(1)
    await read()
  }
  const before = reads().length
  const asked = () => reads().slice(before)
  return { servers, path, data, read, asked }
}

const where = { places: [0, 0, blockBytes] }

test('a block is read from the disk that the server tells of', async t => {
  const { servers, data, read, asked } = await setUp(t)
  servers.fail('readBlock', where)
  t.deepEqual(await read(), data)
  t.is(asked().length, 1)
})

test('what is not there any more when it is read is asked for again, as data', async t => {
  const { servers, path, data, read, asked } = await setUp(t)
  const before = () => writeFile(path, Buffer.alloc(blockBytes, 'of another file'), { flag: 'r+' })
  servers.fail('readBlock', { ...where, before })
  t.deepEqual(await read(), data)
  t.deepEqual(
    asked().map(({ body }) => 'local' in body),
    [true, false],
  )
  servers.fail('readBlock', where, { corrupt: true }, { corrupt: true })
  await t.throwsAsync(read(), { code: 'EIO' })
})

test('a disk that cannot be read is asked for no more, and its server is', async t => {
  const { servers, data, read, asked } = await setUp(t)
  servers.fail('readBlock', { places: [2 ** 40, 0, blockBytes] })
  t.deepEqual(await read(), data)
  t.deepEqual(await read(), data)
  t.deepEqual(
    asked().map(({ body }) => 'local' in body),
    [true, false, false],
  )
})
