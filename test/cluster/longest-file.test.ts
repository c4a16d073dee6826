/** The end of what a file can hold: offsets near the largest safe integer. */
import test from 'ava'
import { chunkBytes, maxFileBytes } from '../../network/limits.ts'
import { InProcessCluster } from './in-process.ts'

const cluster = await InProcessCluster.start(2)
test.after.always(() => cluster[Symbol.asyncDispose]())

test('a file may be written up to the last byte that one can have', async t => {
  const fs = await cluster.openFileSystem()
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(
    fs.root,
    Buffer.from('longest'),
    0o100644,
    { uid: 0, gid: 0 },
    how,
  )
  const near = maxFileBytes - 20 * 2 ** 20
  await fs.setattr(file.ino, { size: near })
  await fs.write(file, near, Buffer.from('near'), {})
  await fs.write(file, near + 4, Buffer.from('end'), { append: true })
  await fs.write(file, maxFileBytes - 4, Buffer.from('last'), {})
  await t.throwsAsync(fs.write(file, maxFileBytes - 3, Buffer.from('more'), {}), { code: 'EFBIG' })
  const appended = fs.write(file, 0, Buffer.from('more'), { append: true })
  await t.throwsAsync(appended, { code: 'EFBIG' })
  t.is((await fs.getattr(file.ino)).size, maxFileBytes)
  t.is(Buffer.concat(await fs.read(file, near, 7)).toString(), 'nearend')
  t.is(Buffer.concat(await fs.read(file, maxFileBytes - 4, 10)).toString(), 'last')
  t.is(await fs.seek(file, 'data', 0), Math.floor(near / chunkBytes) * chunkBytes)
  await fs.allocate(file, 'punch', 0, maxFileBytes, { keepSize: true })
  t.is((await fs.getattr(file.ino)).allocated, 0)
  fs.release(file)
})
