import test, { type ExecutionContext } from 'ava'
import { fileType } from '../../../network/wire/attributes.ts'
import { makeIno } from '../../../network/wire/ids.ts'
import type { CreateRequest } from '../../../network/wire/operations.ts'
import { codeOf, creation, openRoom, type Room, root, rootShard, slot } from '../../testing/room.ts'
import { putChild } from '../directories.ts'
import { getattr } from './attributes.ts'
import { create, lookup, readlink } from './names.ts'
import { getxattr, listxattr, removexattr, setxattr } from './xattrs.ts'

function refused(t: ExecutionContext, action: () => unknown): string {
  return codeOf(t.throws(action))
}

test('a new file has the attributes asked for, and counts in its directory', async t => {
  const room = await openRoom()
  const made = room.file('f')
  t.like(made, { mode: 0o100644, nlink: 1, uid: 1, gid: 2, size: 0, generation: 1, cuts: 0 })
  t.like(made, { reach: 0, blockBytes: 65_536, inlineBytes: 100 })
  const { attributes } = room.run(getattr, { ino: root }).body
  t.like(attributes, { size: 1, nlink: 2, change: 2 })
  t.is(room.partition.facts.inodes, 1)
  const found = room.run(lookup, { parent: root, name: Buffer.from('f') }).body
  t.deepEqual(found, { ino: made.ino, attributes: made, nameMs: 0, leaseMs: 0 })
})

test('create answers with an existing file, unless it is to be new or is something else', async t => {
  const room = await openRoom()
  const made = room.file('f')
  const again = { ...creation('f'), exclusive: false }
  const found = { attributes: made, created: false, nameMs: 0, leaseMs: 0, parent: null }
  t.deepEqual(room.run(create, again).body, found)
  t.is(
    refused(t, () => room.run(create, creation('f'))),
    'EEXIST',
  )
  room.file('l', { mode: fileType.symlink | 0o777, target: Buffer.from('f') })
  t.is(
    refused(t, () => room.run(create, { ...again, name: Buffer.from('l') })),
    'EEXIST',
  )
  const { batch } = room.partition.contextFor('me')
  putChild(batch, rootShard, Buffer.from('d'), { ino: makeIno(3, 20), mode: fileType.directory })
  putChild(batch, rootShard, Buffer.from('far'), { ino: makeIno(3, 21), mode: fileType.regular })
  await room.partition.stage(batch)
  t.is(
    refused(t, () => room.run(create, { ...again, name: Buffer.from('d') })),
    'EISDIR',
  )
  t.is(
    refused(t, () => room.run(create, { ...again, name: Buffer.from('far') })),
    'EEXIST',
  )
  const far = room.run(lookup, { parent: root, name: Buffer.from('far') }).body
  t.deepEqual(far, { ino: makeIno(3, 21), attributes: null, nameMs: 0, leaseMs: 0 })
})

test('create may count the file as open, whether it is new or not', async t => {
  const room = await openRoom()
  room.sessions.renew('me', [])
  const { ino } = room.file('f', { open: true })
  room.run(create, { ...creation('f'), exclusive: false, open: true })
  room.sessions.released('me', ino)
  t.true(room.sessions.mayBeOpen(ino))
  room.sessions.released('me', ino)
  t.false(room.sessions.mayBeOpen(ino))
})

test('in a setgid directory a file gets the group of the directory', async t => {
  const room = await openRoom(fileType.directory | 0o2755)
  t.like(room.file('f'), { gid: 7, mode: 0o100644 })
})

const wrong: readonly (readonly [string, Partial<CreateRequest>, string])[] = [
  ['', {}, 'EINVAL'],
  ['a/b', {}, 'EINVAL'],
  ['a\0', {}, 'EINVAL'],
  ['.', {}, 'EEXIST'],
  ['..', {}, 'EEXIST'],
  ['x'.repeat(256), {}, 'ENAMETOOLONG'],
  ['f', { mode: 0o644 }, 'EINVAL'],
  ['f', { mode: fileType.directory | 0o755 }, 'EINVAL'],
  ['f', { target: new Uint8Array(4096), mode: fileType.symlink }, 'ENAMETOOLONG'],
  ['f', { parent: 99 }, 'ENOENT'],
]
for (const [name, more, code] of wrong) {
  const what = JSON.stringify(name.slice(0, 5))
  test(`create of ${what} with ${JSON.stringify(more)} is refused with ${code}`, async t => {
    const room = await openRoom()
    t.is(
      refused(t, () => room.run(create, { ...creation(name), ...more })),
      code,
    )
    t.is(room.run(getattr, { ino: root }).body.attributes.size, 0)
  })
}

test('any other name will do, up to 255 bytes', async t => {
  const room = await openRoom()
  const names = ['...', '.a', ' ', '\xff\xfe', 'x'.repeat(255), 'a\nb']
  for (const name of names) t.notThrows(() => room.file(name), name)
  t.is(room.run(getattr, { ino: root }).body.attributes.size, names.length)
})

test('lookup tells what is missing from what is no directory', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const name = Buffer.from('g')
  t.is(room.run(lookup, { parent: root, name }).body.ino, 0)
  t.is(
    refused(t, () => room.run(lookup, { parent: ino, name })),
    'ENOTDIR',
  )
  t.is(
    refused(t, () => room.run(lookup, { parent: 99, name })),
    'ENOENT',
  )
  t.is(
    refused(t, () => room.run(getattr, { ino: 99 })),
    'ESTALE',
  )
})

test('a symbolic link gives its target, and nothing else does', async t => {
  const room = await openRoom()
  const target = Buffer.from('over/there')
  const { ino, size } = room.file('l', { mode: fileType.symlink | 0o777, target })
  t.is(size, 10)
  t.is(Buffer.from(room.run(readlink, { ino }).body.target).toString(), 'over/there')
  t.is(
    refused(t, () => room.run(readlink, { ino: root })),
    'EINVAL',
  )
})

const user = (name: string) => Buffer.from(`user.${name}`)

test('extended attributes follow the flags of setxattr', async t => {
  const room = await openRoom()
  const { ino, change } = room.file('f')
  const set = (name: string, value: string, flags = 0) =>
    room.run(setxattr, { ino, name: user(name), value: Buffer.from(value), flags, ...slot })
  t.is(
    refused(t, () => set('a', '1', 2)),
    'ENODATA',
  )
  set('a', '1', 1)
  t.is(
    refused(t, () => set('a', '2', 1)),
    'EEXIST',
  )
  set('a', '3', 2)
  set('b', '')
  const get = (name: string) => room.run(getxattr, { ino, name: user(name) }).body.value
  t.is(Buffer.from(get('a')).toString(), '3')
  t.is(get('b').length, 0)
  t.is(Buffer.from(room.run(listxattr, { ino }).body.value).toString(), 'user.a\0user.b\0')
  t.is(room.run(getattr, { ino }).body.attributes.change, change + 3)
  room.run(removexattr, { ino, name: user('a'), ...slot })
  t.is(
    refused(t, () => get('a')),
    'ENODATA',
  )
  t.is(
    refused(t, () => room.run(removexattr, { ino, name: user('a'), ...slot })),
    'ENODATA',
  )
  room.run(removexattr, { ino, name: user('b'), ...slot })
  t.is(room.run(listxattr, { ino }).body.value.length, 0)
})

test('extended attributes stay within what Linux allows', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const set = (name: Uint8Array, bytes: number) =>
    room.run(setxattr, { ino, name, value: new Uint8Array(bytes), flags: 0, ...slot })
  t.is(
    refused(t, () => set(new Uint8Array(0), 1)),
    'ERANGE',
  )
  t.is(
    refused(t, () => set(Buffer.alloc(256, 'x'), 1)),
    'ERANGE',
  )
  t.is(
    refused(t, () => set(user('a'), 65_537)),
    'E2BIG',
  )
  for (const name of ['a', 'b', 'c']) t.notThrows(() => set(user(name), 65_536))
  t.is(
    refused(t, () => set(user('d'), 65_536)),
    'ENOSPC',
  )
  t.notThrows(() => set(user('a'), 10))
})

test('a refused operation changes nothing', async (t: ExecutionContext) => {
  const room: Room = await openRoom()
  room.file('f')
  await room.partition.store.settled()
  const before = new Map(room.double.content)
  t.throws(() => room.run(create, creation('f')))
  await room.partition.store.settled()
  t.deepEqual(room.double.content, before)
})
