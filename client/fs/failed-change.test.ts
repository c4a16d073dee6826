/** What a change of blocks that fails half-way leaves behind is no secret: other mounts drop their pages. */
import test, { type ExecutionContext } from 'ava'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { TestServers } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const blockBytes = 64 * 1024
const enospc = new PosixError('ENOSPC')

/** A file of four blocks. */
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
  await createVolume(clients[0], 'v', { blockBytes, inlineBytes: 0 })
  const [fs, other] = [await openVolume(clients[0], 'v'), await openVolume(clients[1], 'v')]
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('f'), 0o100644, { uid: 0, gid: 0 }, how)
  await fs.write(file, 0, Buffer.alloc(4 * blockBytes, 1), {})
  const before = await other.open(file.ino, { truncate: false })
  other.release(before)
  const keepsPages = async () => {
    const after = await other.open(file.ino, { truncate: false })
    other.release(after)
    return after.keepPages
  }
  return { cluster, fs, other, file, keepsPages }
}

test('a write over what is there that fails after its first block', async t => {
  const { cluster, fs, file, keepsPages } = await setUp(t)
  t.true(await keepsPages())
  cluster.fail('writeBlock', {}, { error: enospc })
  const failed = fs.write(file, 0, Buffer.alloc(2 * blockBytes, 2), {})
  await t.throwsAsync(failed, { code: 'ENOSPC' })
  t.false(await keepsPages())
})

test('a write that fails before anything has changed', async t => {
  const { cluster, fs, file, keepsPages } = await setUp(t)
  cluster.fail('writeBlock', { error: enospc })
  await t.throwsAsync(fs.write(file, 0, Buffer.alloc(10, 2), {}), { code: 'ENOSPC' })
  t.true(await keepsPages())
})

test('zeros that end within a range', async t => {
  const { cluster, fs, file, keepsPages } = await setUp(t)
  cluster.fail('allocateBlock', {}, { error: enospc })
  const failed = fs.allocate(file, 'zero', 0, 4 * blockBytes, { keepSize: true })
  await t.throwsAsync(failed, { code: 'ENOSPC' })
  t.false(await keepsPages())
})

test('a copy whose source is emptied before it ends', async t => {
  const { cluster, fs, other, file, keepsPages } = await setUp(t)
  const how = { exclusive: true, truncate: false }
  const made = await fs.create(fs.root, Buffer.from('g'), 0o100644, { uid: 0, gid: 0 }, how)
  const source = made.file
  await fs.write(source, 0, Buffer.alloc(4 * blockBytes, 2), {})
  const empty = async () => void (await other.setattr(source.ino, { size: 0 }))
  const error = new ClusterError('STALE_WRITE', 'its blocks are gone')
  cluster.fail('copyBlock', {}, {}, { before: empty, error })
  const range = { from: 0, to: 0, length: 4 * blockBytes }
  t.is(await fs.copyRange(source, file, range, {}), 0)
  t.false(await keepsPages())
})
