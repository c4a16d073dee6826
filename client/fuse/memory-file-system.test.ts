/** That it is as strict as the file system it stands for. */
import test from 'ava'
import { fileType } from '../../network/wire/attributes.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const caller = { uid: 7, gid: 8 }

function setUp() {
  let nowNs = 0n
  return new MemoryFileSystem({ wallNs: () => ++nowNs })
}

test('a name of 256 bytes is refused by every call', async t => {
  const files = setUp()
  const { root } = files
  const long = Buffer.alloc(256, 'x')
  const short = Buffer.from('short')
  const { ino } = await files.mknod(root, short, fileType.regular | 0o644, 0, caller)
  const calls = [
    () => files.lookup(root, long),
    () => files.create(root, long, 0o644, caller, { exclusive: false, truncate: false }),
    () => files.mknod(root, long, fileType.fifo | 0o644, 0, caller),
    () => files.mkdir(root, long, 0o755, caller),
    () => files.symlink(root, long, short, caller),
    () => files.link(ino, root, long),
    () => files.unlink(root, long),
    () => files.rmdir(root, long),
    () => files.rename(root, short, root, long, 0),
  ]
  for (const call of calls) await t.throwsAsync(call, { code: 'ENAMETOOLONG' })
  t.is((await files.mkdir(root, long.subarray(1), 0o755, caller)).nlink, 2)
})

test('a setgid directory hands its group down, and subdirectories the bit', async t => {
  const files = setUp()
  const { ino } = await files.mkdir(files.root, Buffer.from('d'), 0o755, caller)
  await files.setattr(ino, { mode: 0o2775, gid: 50 })
  const file = await files.mknod(ino, Buffer.from('f'), fileType.regular | 0o644, 0, caller)
  const directory = await files.mkdir(ino, Buffer.from('e'), 0o755, caller)
  t.like(file, { uid: 7, gid: 50, mode: fileType.regular | 0o644 })
  t.like(directory, { uid: 7, gid: 50, mode: fileType.directory | 0o2755 })
})

test('extended attributes that change move ctime', async t => {
  const files = setUp()
  const ctime = async () => (await files.getattr(files.root)).ctimeNs
  const before = await ctime()
  await files.setxattr(files.root, Buffer.from('user.a'), Buffer.from('1'), 0)
  const set = await ctime()
  t.true(set > before)
  await files.removexattr(files.root, Buffer.from('user.a'))
  t.true((await ctime()) > set)
})
