/** Access times: what is read is told behind its reader, in batches, and before anybody at this client looks. */
import test from 'ava'
import type { Cluster } from '../../client/cluster/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { InProcessCluster } from './in-process.ts'

const caller = { uid: 7, gid: 8 }
const anew = { exclusive: true, truncate: false }
const cluster = await InProcessCluster.start(1)
test.after.always(() => cluster[Symbol.asyncDispose]())

const isMoved = ({ atimeNs, mtimeNs }: Attributes): boolean => atimeNs > mtimeNs

/** How often it has asked for what, from now on. */
function counting(client: Cluster): (name: string) => number {
  const asked: string[] = []
  const query = client.query.bind(client)
  client.query = (name, ...rest) => {
    asked.push(name)
    return query(name, ...rest)
  }
  return name => asked.filter(each => each === name).length
}

async function setUp(directory: string, isSole = false) {
  const client = await cluster.client()
  const fs = await openVolume(client, 'test', { isSole })
  const parent = (await fs.mkdir(fs.root, Buffer.from(directory), 0o755, caller)).ino
  const names = ['a', 'b', 'c'].map(name => Buffer.from(name))
  for (const name of names) {
    const { file } = await fs.create(parent, name, 0o100644, caller, anew)
    await fs.write(file, 0, Buffer.from('data'), {})
    await fs.flush(file)
    fs.release(file)
  }
  const read = async (name: Buffer, options = {}) => {
    const { ino } = await fs.lookup(parent, name)
    const file = await fs.open(ino, { truncate: false })
    const data = Buffer.concat(await fs.read(file, 0, 10, options)).toString()
    fs.release(file)
    return data
  }
  return { fs, parent, names, read, count: counting(client) }
}

test('what was read shows to whoever looks here afterwards', async t => {
  const { fs, parent, names, read, count } = await setUp('burst')
  for (const name of names) t.is(await read(name, { quiet: true }), 'data')
  for (const name of names) t.false(isMoved(await fs.lookup(parent, name)))
  for (const name of names) t.is(await read(name), 'data')
  for (const name of names) t.true(isMoved(await fs.lookup(parent, name)))
  t.is(count('getattr'), 0, 'the answer tells what they are like now')
  const before = count('accessed')
  for (const name of names) t.is(await read(name), 'data')
  await fs.close()
  t.is(count('accessed'), before)
})

test('the kernel is told to ask again for attributes of what is being told', async t => {
  const { fs, parent, names, read, count } = await setUp('kernel', true)
  await read(names[0]!)
  const attributes = await fs.lookup(parent, names[0]!)
  t.is(fs.cache.attributesMs(attributes, false), 0)
  t.true(isMoved(await fs.getattr(attributes.ino)))
  t.is(count('accessed'), 1)
})

test('a listing and a change tell what was read before', async t => {
  const { fs, parent, names, read } = await setUp('looks')
  await read(names[0]!)
  const { entries } = await fs.readdirplus(parent, 0, { limitBytes: 10_000 })
  const listed = entries.find(({ name }) => Buffer.compare(name, names[0]!) === 0)
  t.true(isMoved(listed!.attributes!))
  await read(names[1]!)
  const { ino } = await fs.lookup(parent, names[1]!)
  await read(names[2]!)
  t.true(isMoved(await fs.setattr(ino, { mode: 0o100600 })))
})

test('what was read last is told before an unmount', async t => {
  const { fs, names, read, count } = await setUp('last')
  await read(names[0]!)
  await fs.close()
  t.is(count('accessed'), 1)
})
