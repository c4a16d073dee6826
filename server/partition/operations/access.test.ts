import test from 'ava'
import { sessionTimeoutMs } from '../../../network/limits.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import { clusterRootIno as parent } from '../../../network/wire/ids.ts'
import { TestCluster } from '../../testing/cluster.ts'
import { codeOf, openRoom, root, slot } from '../../testing/room.ts'
import { accessed, noteAccess } from './access.ts'
import { getattr, setattr } from './attributes.ts'
import { readdir } from './directory.ts'

/** One file that was read. */
function read(ino: number, agoMs = 0) {
  return { accesses: [{ ino, agoMs }] }
}

const dayMs = 86_400_000
const reading = { cookie: 0, limitBytes: 4_000, plus: false }

test('an access moves atime when it is not after the last change, and no other field', async t => {
  const room = await openRoom()
  const made = room.file('f')
  await room.env.advance(5)
  const { attributes } = room.run(accessed, read(made.ino)).body.shown[0]!
  t.deepEqual(attributes, { ...made, atimeNs: made.atimeNs + 5_000_000n })
  await room.env.advance(5)
  t.deepEqual(room.run(accessed, read(made.ino)).body.shown[0]?.attributes, attributes)
  t.deepEqual(room.run(getattr, { ino: made.ino }).body.attributes, attributes)
  const changed = room.run(setattr, { ino: made.ino, mode: 0o600, ...slot }).body.attributes
  await room.env.advance(5)
  const again = room.run(accessed, read(made.ino, 2)).body.shown[0]?.attributes
  t.is(again?.atimeNs, changed.ctimeNs + 3_000_000n)
})

test('an access moves an atime that is a day old', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  await room.env.advance(1)
  const atime = () => room.run(accessed, read(ino)).body.shown[0]!.attributes.atimeNs
  const first = atime()
  await room.env.advance(dayMs - 1)
  t.is(atime(), first)
  await room.env.advance(1)
  t.true(atime() > first)
})

test('a read that is told late moves no atime that was set, and is of no file that was changed, after it', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  await room.env.advance(5)
  const { attributes } = room.run(setattr, { ino, atimeNs: 1n, ...slot }).body
  await room.env.advance(5)
  const atimeAfter = (agoMs: number) =>
    room.run(accessed, read(ino, agoMs)).body.shown[0]?.attributes.atimeNs
  t.is(atimeAfter(7), 1n)
  t.is(atimeAfter(3), attributes.ctimeNs + 2_000_000n)
  for (const agoMs of [-1, Number.NaN, 1e9]) {
    t.is(codeOf(t.throws(() => room.run(accessed, read(ino, agoMs)))), 'EINVAL')
  }
})

test('a listing from the start is an access, unless it is to be quiet', async t => {
  const room = await openRoom()
  const atime = () => room.run(getattr, { ino: root }).body.attributes.atimeNs
  const before = atime()
  await readdir(room.partition, { ino: root, ...reading, quiet: true }, 'me')
  await readdir(room.partition, { ino: root, ...reading, cookie: 16 }, 'me')
  t.is(atime(), before)
  await readdir(room.partition, { ino: root, ...reading }, 'me')
  t.true(atime() > before)
})

test('an inode that a transaction is changing keeps its atime, and one that is gone is let be', async t => {
  const room = await openRoom()
  const { ino } = room.file('l', { mode: fileType.symlink | 0o777, target: Buffer.from('x') })
  const { batch } = room.partition.contextFor('me', 'transaction')
  t.truthy(getattr({ ...room.partition.contextFor('me'), batch }, { ino }, []))
  room.partition.locks.acquire(batch.touched(), 'transaction')
  noteAccess(room.partition, ino, 'me')
  room.partition.locks.release(batch.touched(), 'transaction')
  const { atimeNs, ctimeNs } = room.run(getattr, { ino }).body.attributes
  t.is(atimeNs, ctimeNs)
  t.notThrows(() => noteAccess(room.partition, ino + 1, 'me'))
  t.deepEqual(room.run(accessed, read(ino + 1)).body.shown, [])
})

test('a link that goes while it is read is an error to its reader, and to nobody else', async t => {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  await cluster.env.advance(sessionTimeoutMs + 1)
  const name = Buffer.from('l')
  const link = { mode: fileType.symlink | 0o777, target: Buffer.from('x'), uid: 0, gid: 0, rdev: 0 }
  const options = { exclusive: true, open: false }
  const made = cluster.mutate('create', 0, { parent, name, ...link, ...options })
  const { ino } = (await cluster.passing(made)).body.attributes
  const removed = cluster.mutate('unlink', 0, { parent, name, known: ino })
  let code = ''
  while (code === '') {
    // It is gone, and that is not on its way to the disk for longer than this turn.
    await cluster.ask('readlink', 0, { ino }).catch(error => {
      code = codeOf(error)
    })
  }
  t.is(code, 'ESTALE')
  await cluster.passing(removed)
})
