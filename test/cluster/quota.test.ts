/** Quotas of volumes on a whole cluster: kept to by several clients at once, through deletions and restarts. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import { createVolume, listVolumes, quotaOf, setQuota } from '../../client/fs/volumes.ts'
import { PosixError } from '../../network/errors.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { InProcessCluster } from './in-process.ts'

const MiB = 1024 * 1024
const caller = { uid: 0, gid: 0, umask: 0 }
const how = { exclusive: true, truncate: false }

test.beforeEach(t => t.timeout(300_000))

async function limited(cluster: InProcessCluster, bytes: number | null, files: number | null) {
  const client = await cluster.client()
  await createVolume(client, 'small', { blockBytes: 65_536 })
  await setQuota(client, 'small', { bytes, files })
  const used = async () => {
    const volume = (await listVolumes(client)).find(({ name }) => name === 'small')
    return await quotaOf(client, volume!)
  }
  const open = async () => await openVolume(await cluster.client(), 'small')
  return { client, used, open }
}

/** The code of what it fails with; '' when it succeeds. */
async function codeOf(step: Promise<unknown>): Promise<string> {
  try {
    await step
    return ''
  } catch (error) {
    if (error instanceof PosixError) return error.code
    throw error
  }
}

async function writeTo(files: FileSystem, name: string, data: Uint8Array, parent = files.root) {
  const { file } = await files.create(parent, Buffer.from(name), 0o644, caller, how)
  try {
    await files.write(file, 0, data, {})
  } finally {
    files.release(file)
  }
}

async function fill(files: FileSystem, prefix: string, bytes: number): Promise<number> {
  for (let index = 0; index < 10_000; index++) {
    const code = await codeOf(writeTo(files, `${prefix}${index}`, Buffer.alloc(bytes, index)))
    if (code === 'EDQUOT') return index
    if (code !== '') throw new Error(code)
  }
  throw new Error('it never was full')
}

test('two clients that fill one volume get EDQUOT, never exceed the quota, and leave next to nothing', async t => {
  await using cluster = await InProcessCluster.start(2)
  const { used, open } = await limited(cluster, 4 * MiB, null)
  const [one, other] = [await open(), await open()]
  await Promise.all([fill(one, 'a', 100_000), fill(other, 'b', 70_000)])
  const { usedBytes } = await used()
  t.true(usedBytes <= 4 * MiB, `${usedBytes}`)
  t.true(usedBytes > 4 * MiB - 400_000, `${usedBytes}`)
  const space = await one.statfs()
  t.is(space.totalBytes, 4 * MiB)
  t.is(space.freeBytes, 4 * MiB - usedBytes)
  t.is(space.availableBytes, 4 * MiB - usedBytes)
  t.deepEqual((await cluster.check()).findings ?? [], [])
})

test('what is there can be written over, punched and deleted in a full volume, and what that frees is used again', async t => {
  await using cluster = await InProcessCluster.start(2)
  const { used, open } = await limited(cluster, 1 * MiB, null)
  const files = await open()
  const { file } = await files.create(files.root, Buffer.from('f'), 0o644, caller, how)
  await files.allocate(file, 'allocate', 0, 1 * MiB, { keepSize: false })
  t.is((await used()).usedBytes, 1 * MiB)
  await files.write(file, 0, Buffer.alloc(1 * MiB, 1), {})
  await files.write(file, 1000, Buffer.alloc(300_000, 2), {})
  t.is(await codeOf(files.write(file, 1 * MiB, Buffer.alloc(4096), {})), 'EDQUOT')
  t.is(
    await codeOf(files.allocate(file, 'allocate', 1 * MiB, 65_536, { keepSize: true })),
    'EDQUOT',
  )
  t.is(await codeOf(writeTo(files, 'inline', Buffer.from('hello'))), 'EDQUOT')
  t.is((await files.getattr(file.ino)).size, 1 * MiB)
  await files.allocate(file, 'punch', 65_536, 65_536, { keepSize: true })
  t.is((await used()).usedBytes, 1 * MiB - 65_536)
  await writeTo(files, 'other', Buffer.alloc(65_536, 3))
  t.is((await used()).usedBytes, 1 * MiB)
  files.release(file)
  await files.unlink(files.root, Buffer.from('other'))
  await writeTo(files, 'again', Buffer.alloc(65_536, 3))
  await cluster.restart('first boot')
  t.is(await codeOf(writeTo(await open(), 'more', Buffer.alloc(65_536, 3))), 'EDQUOT')
  t.is((await used()).usedBytes, 1 * MiB)
})

test('so many files and directories, and no more, wherever they are made', async t => {
  await using cluster = await InProcessCluster.start(2)
  const { used, open } = await limited(cluster, null, 30)
  const files = await open()
  const directories: Ino[] = [files.root]
  let made = 1
  for (let index = 0; made < 30; index++) {
    const parent = directories[index % directories.length]!
    if (index < 8) {
      const { ino } = await files.mkdir(parent, Buffer.from(`d${index}`), 0o755, caller)
      directories.push(ino)
    } else await writeTo(files, `f${index}`, Buffer.from('x'), parent)
    made++
  }
  t.is((await used()).usedFiles, 30)
  t.is((await files.statfs()).freeFiles, 0)
  for (const parent of directories) {
    t.is(await codeOf(files.mkdir(parent, Buffer.from('more'), 0o755, caller)), 'EDQUOT')
    t.is(await codeOf(writeTo(files, 'more', Buffer.from('x'), parent)), 'EDQUOT')
  }
  const last = directories.at(-1)!
  await files.link(
    (await files.lookup(directories[8 % 9]!, Buffer.from('f8'))).ino,
    last,
    Buffer.from('link'),
  )
  await files.unlink(directories[8 % 9]!, Buffer.from('f8'))
  t.is(await codeOf(writeTo(files, 'more', Buffer.from('x'))), 'EDQUOT')
  await files.unlink(last, Buffer.from('link'))
  await writeTo(files, 'more', Buffer.from('x'), directories[3])
  t.is((await used()).usedFiles, 30)
})

test('a quota may be set while files are open, below what is used, and be taken away', async t => {
  await using cluster = await InProcessCluster.start(2)
  const { client, used, open } = await limited(cluster, null, null)
  const files = await open()
  const { file } = await files.create(files.root, Buffer.from('f'), 0o644, caller, how)
  await files.write(file, 0, Buffer.alloc(1 * MiB, 1), {})
  await setQuota(client, 'small', { bytes: 65_536 })
  t.is((await used()).usedBytes, 1 * MiB)
  t.is((await files.statfs()).freeBytes, 0)
  await files.write(file, 0, Buffer.alloc(65_536, 1), {})
  t.is(await codeOf(files.write(file, 1 * MiB, Buffer.alloc(65_536, 1), {})), 'EDQUOT')
  t.is((await files.getattr(file.ino)).size, 1 * MiB)
  await setQuota(client, 'small', { bytes: null })
  await files.write(file, 1 * MiB, Buffer.alloc(65_536, 1), {})
  t.deepEqual(await used(), { bytes: null, files: null, usedBytes: 0, usedFiles: 0 })
  files.release(file)
})
