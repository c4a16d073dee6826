import test, { type ExecutionContext } from 'ava'
import { maxFileBytes } from '../../../network/limits.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import type {
  CommitWriteRequest,
  OpenRequest,
  SetattrRequest,
} from '../../../network/wire/operations.ts'
import { decodeInode } from '../../metadata/inode.ts'
import { cutKey, inlineKey, inodeKey, orphanKey, purgeKey } from '../../metadata/keys.ts'
import { codeOf, inlineWrite, openRoom, type Room, root, slot } from '../../testing/room.ts'
import { dropLink, readInode } from '../inodes.ts'
import { getattr, setattr } from './attributes.ts'
import { commitWrite, open, readInline, reserve, writeInline } from './data.ts'

const block = 65_536

function refused(t: ExecutionContext, action: () => unknown): string {
  return codeOf(t.throws(action))
}

function write(room: Room, ino: number, offset: number, text: string, append = false) {
  const data = Buffer.from(text)
  return room.run(writeInline, inlineWrite(ino, offset, data, append), [data]).body
}

function content(room: Room, ino: number): string {
  const { payload, body } = room.run(readInline, { ino })
  if (!body.inline) return 'in blocks'
  return Buffer.concat(payload).toString().replaceAll('\0', '.')
}

function attributes(room: Room, ino: number) {
  return room.run(getattr, { ino }).body.attributes
}

function set(room: Room, ino: number, more: Partial<SetattrRequest>) {
  return room.run(setattr, { ino, ...more, ...slot }).body.attributes
}

function opened(room: Room, ino: number, more: Partial<OpenRequest> = {}) {
  return room.run(open, { ino, truncate: false, wantData: false, ...slot, ...more })
}

function reserved(room: Room, ino: number, reach: number, exclusive = false, client = 'me') {
  return room.run(reserve, { ino, reach, exclusive, ...slot }, [], client)
}

function commit(room: Room, ino: number, more: Partial<CommitWriteRequest>, client = 'me') {
  const { generation, cuts } = attributes(room, ino)
  const rest = { expectedSize: -1, reach: 0, spilled: 0, killPrivileges: false, allocated: 0 }
  const request = { ino, end: 0, generation, cuts, ...rest, ...slot, ...more }
  return room.run(commitWrite, request, [], client).body
}

/** A file of `blocks` full blocks. */
function inBlocks(room: Room, name: string, blocks: number): number {
  const { ino, change } = room.file(name)
  reserved(room, ino, blocks)
  commit(room, ino, { end: blocks * block, spilled: change })
  return ino
}

test('inline data is written, overwritten, appended, and has zeros in its gaps', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  t.like(write(room, ino, 0, 'hello'), { written: true, offset: 0, previousChange: 1 })
  write(room, ino, 1, 'a')
  t.is(content(room, ino), 'hallo')
  t.is(write(room, ino, 0, '!', true).offset, 5)
  write(room, ino, 9, 'x')
  t.is(content(room, ino), 'hallo!...x')
  t.like(attributes(room, ino), { size: 10, change: 5, reach: 0 })
})

test('inline data goes up to its limit, and not a byte further', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  t.true(write(room, ino, 99, 'x').written)
  const over = write(room, ino, 0, 'y', true)
  t.like(over, { written: false, offset: 100 })
  t.is(over.attributes.size, 100)
  t.false(write(room, ino, 100, 'y').written)
  t.is(attributes(room, ino).size, 100)
})

test('damaged data is refused, and damage on the disk is noticed', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const request = inlineWrite(ino, 0, Buffer.from('good'))
  t.is(
    refused(t, () => room.run(writeInline, request, [Buffer.from('evil')])),
    'CHECKSUM',
  )
  t.is(content(room, ino), '')
  write(room, ino, 0, 'good')
  const key = inlineKey(0, ino)
  const record = Uint8Array.from(room.partition.store.get(key)!)
  record[9]! ^= 1
  await room.partition.stageMutations([{ key, value: record }])
  t.is(
    refused(t, () => write(room, ino, 0, 'x')),
    'CHECKSUM',
  )
})

test('data takes privileges away when it is asked to', async t => {
  const room = await openRoom()
  const { ino } = room.file('f', { mode: fileType.regular | 0o6755 })
  const data = Buffer.from('x')
  room.run(writeInline, { ...inlineWrite(ino, 0, data), killPrivileges: true }, [data])
  t.is(attributes(room, ino).mode, fileType.regular | 0o755)
})

test('only regular files hold data', async t => {
  const room = await openRoom()
  const fifo = room.file('p', { mode: fileType.fifo | 0o644 })
  t.is(
    refused(t, () => opened(room, root)),
    'EISDIR',
  )
  t.is(
    refused(t, () => opened(room, fifo.ino)),
    'EINVAL',
  )
  t.is(
    refused(t, () => write(room, root, 0, 'x')),
    'EISDIR',
  )
  t.is(
    refused(t, () => reserved(room, fifo.ino, 1)),
    'EINVAL',
  )
  t.is(
    refused(t, () => opened(room, 99)),
    'ESTALE',
  )
  t.is(
    refused(t, () => set(room, root, { size: 0 })),
    'EISDIR',
  )
})

test('open counts, gives inline data when wanted, and empties the file when told', async t => {
  const room = await openRoom()
  room.sessions.renew('me', [])
  const { ino } = room.file('f')
  write(room, ino, 0, 'hello')
  const plain = opened(room, ino)
  t.deepEqual([plain.body.inline, plain.payload], [false, []])
  const wanted = opened(room, ino, { wantData: true })
  t.is(Buffer.concat(wanted.payload).toString(), 'hello')
  t.true(room.sessions.mayBeOpen(ino))
  const emptied = opened(room, ino, { truncate: true, wantData: true })
  t.like(emptied.body, { inline: true, attributes: { size: 0, cuts: 1 } })
  t.is(content(room, ino), '')
  t.is(room.partition.store.get(inlineKey(0, ino)), undefined)
})

test('inline data that is cut does not come back with a longer size', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  write(room, ino, 0, 'hello')
  t.like(set(room, ino, { size: 2 }), { size: 2, cuts: 1, generation: 1 })
  t.like(set(room, ino, { size: 5_000 }), { size: 5_000, cuts: 1 })
  t.is(content(room, ino), 'he')
  write(room, ino, 4, 'o')
  t.is(content(room, ino), 'he..o')
})

test('a truncation to zero gives blocks a new generation and queues the old ones', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 3)
  t.like(set(room, ino, { size: 0 }), { size: 0, reach: 0, generation: 2, cuts: 1 })
  const purge = room.partition.store.get(purgeKey(0, ino, 1))!
  t.is(Buffer.from(purge).readDoubleLE(0), 3)
  t.is(room.partition.store.get(cutKey(0, ino)), undefined)
})

test('a truncation between blocks records where to cut, an extension nothing', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 3)
  t.like(set(room, ino, { size: 4 * block }), { size: 4 * block, cuts: 0, reach: 3 })
  t.is(room.partition.store.get(cutKey(0, ino)), undefined)
  t.like(set(room, ino, { size: 70_000 }), { size: 70_000, cuts: 1, reach: 3, generation: 1 })
  t.is(Buffer.from(room.partition.store.get(cutKey(0, ino))!).readDoubleLE(0), 70_000)
})

test('blocks that were only reserved are purged with the inline data they were for', async t => {
  const room = await openRoom()
  const { ino, change } = room.file('f')
  write(room, ino, 0, 'hello')
  reserved(room, ino, 5)
  t.like(set(room, ino, { size: 1 }), { generation: 2, reach: 0 })
  t.truthy(room.partition.store.get(purgeKey(0, ino, 1)))
  const late = { end: 9_000, generation: 1, spilled: change + 1 }
  t.is(
    refused(t, () => commit(room, ino, late)),
    'STALE_WRITE',
  )
  t.is(content(room, ino), 'h')
})

test('sizes that no file can have are refused', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  t.is(
    refused(t, () => set(room, ino, { size: -1 })),
    'EINVAL',
  )
  t.is(
    refused(t, () => set(room, ino, { size: Number.NaN })),
    'EINVAL',
  )
  t.is(
    refused(t, () => set(room, ino, { size: 1.5 })),
    'EINVAL',
  )
  t.is(
    refused(t, () => set(room, ino, { size: Number.POSITIVE_INFINITY })),
    'EINVAL',
  )
  t.is(set(room, ino, { size: maxFileBytes }).size, maxFileBytes)
  t.is(
    refused(t, () => reserved(room, ino, Math.ceil(maxFileBytes / block) + 3)),
    'EFBIG',
  )
  for (const wrong of [Number.NaN, -1, 0.5]) {
    t.is(
      refused(t, () => reserved(room, ino, wrong)),
      'MALFORMED',
    )
    t.is(
      refused(t, () => commit(room, ino, { reach: wrong })),
      'MALFORMED',
    )
    t.is(
      refused(t, () => commit(room, ino, { end: wrong })),
      'MALFORMED',
    )
    t.is(
      refused(t, () => write(room, ino, wrong, 'x')),
      'MALFORMED',
    )
  }
})

test('setattr sets what is given and leaves the rest', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const before = attributes(room, ino)
  await room.env.advance(1_000)
  const changed = set(room, ino, { mode: fileType.directory | 0o600, mtimeNs: 5n })
  const ctimeNs = room.env.clock.wallNs()
  t.deepEqual(changed, { ...before, mode: 0o100600, mtimeNs: 5n, ctimeNs, change: 2 })
  t.like(set(room, ino, { atimeNs: 'now', mtimeNs: 'now' }), { atimeNs: ctimeNs, mtimeNs: ctimeNs })
  t.is(set(room, ino, { ctimeNs: 9n }).ctimeNs, 9n)
  t.is(set(room, ino, { size: 3, mtimeNs: 7n }).mtimeNs, 7n)
})

test('a change of owner takes privileges away, of files only', async t => {
  const room = await openRoom(fileType.directory | 0o6755)
  const { ino } = room.file('f', { mode: fileType.regular | 0o6755 })
  t.like(set(room, ino, { uid: 5 }), { uid: 5, gid: 7, mode: fileType.regular | 0o755 })
  t.is(set(room, ino, { mode: 0o6744 }).mode, fileType.regular | 0o6744)
  t.is(set(room, ino, { gid: 5 }).mode, fileType.regular | 0o2744)
  t.is(set(room, ino, { uid: 6, mode: 0o4700 }).mode, fileType.regular | 0o4700)
  t.is(set(room, ino, { mode: 0o4755, killPrivileges: true }).mode, fileType.regular | 0o755)
  t.is(set(room, root, { uid: 5 }).mode, fileType.directory | 0o6755)
})

test('reserve says what to move into blocks, and may be repeated', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  write(room, ino, 0, 'hello')
  for (const _ of [1, 2]) {
    const { body, payload } = reserved(room, ino, 4)
    t.like(body, { inline: true, attributes: { reach: 0, change: 2 } })
    t.is(Buffer.concat(payload).toString(), 'hello')
  }
  const inode = decodeInode(room.partition.store.get(inodeKey(0, ino))!)
  t.is(inode.reserved, 4)
  commit(room, ino, { end: 70_000, spilled: 2 })
  t.like(attributes(room, ino), { reach: 4, size: 70_000, change: 3 })
  t.is(content(room, ino), 'in blocks')
  t.is(room.partition.store.get(inlineKey(0, ino)), undefined)
  t.false(reserved(room, ino, 2).body.inline)
  t.is(attributes(room, ino).reach, 4)
  t.is(reserved(room, ino, 9).body.attributes.reach, 9)
  t.false(write(room, ino, 0, 'x').written)
})

test('a commit reserves ahead and never makes a file shorter', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 2)
  t.like(commit(room, ino, { end: 10, reach: 7 }).attributes, { size: 2 * block, reach: 7 })
})

test('a commit on anything but the newest state is refused', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 2)
  const { size } = attributes(room, ino)
  const stale: Partial<CommitWriteRequest>[] = [
    { generation: 0 },
    { cuts: 9 },
    { expectedSize: size - 1 },
    { spilled: 1 },
  ]
  for (const more of stale) {
    t.is(
      refused(t, () => commit(room, ino, { end: size + 1, ...more })),
      'STALE_WRITE',
    )
  }
  t.is(commit(room, ino, { end: size + 1, expectedSize: size }).attributes.size, size + 1)
  const inline = room.file('g')
  t.is(
    refused(t, () => commit(room, inline.ino, { end: 5 })),
    'STALE_WRITE',
  )
  write(room, inline.ino, 0, 'changed')
  const spilled = { end: 5, spilled: inline.change }
  t.is(
    refused(t, () => commit(room, inline.ino, spilled)),
    'STALE_WRITE',
  )
})

test('while one appends, nobody else raises the size, and nobody else appends', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 1)
  reserved(room, ino, 2, true, 'one')
  t.is(
    refused(t, () => reserved(room, ino, 2, true, 'two')),
    'CONFLICT',
  )
  t.is(
    refused(t, () => commit(room, ino, { end: block + 1 }, 'two')),
    'STALE_WRITE',
  )
  for (const size of [1, block, 2 * block]) {
    const resize = () => room.run(setattr, { ino, size, ...slot }, [], 'two')
    t.is(refused(t, resize), 'CONFLICT', `${size}`)
  }
  t.notThrows(() => commit(room, ino, { end: 10 }, 'two'))
  const append = { end: block + 5, expectedSize: block }
  t.like(commit(room, ino, append, 'one').attributes, { size: block + 5, cuts: 1 })
  t.notThrows(() => reserved(room, ino, 2, true, 'two'))
  reserved(room, ino, 0, false, 'two')
  t.notThrows(() => commit(room, ino, { end: block + 9 }, 'one'))
})

test('each attempt to move inline data to blocks has blocks of its own', async t => {
  const room = await openRoom()
  const { ino, change } = room.file('f')
  const first = reserved(room, ino, 1, true, 'one').body.attributes
  room.run(setattr, { ino, mode: 0o600, ...slot }, [], 'two')
  const append = { end: 5, expectedSize: 0 }
  const late = () => commit(room, ino, { ...append, spilled: change }, 'one')
  t.is(refused(t, late), 'STALE_WRITE')
  reserved(room, ino, 0, false, 'one')
  const other = reserved(room, ino, 1, false, 'two').body.attributes
  t.true(other.generation > first.generation)
  commit(room, ino, { end: 2, spilled: other.change }, 'two')
  t.is(reserved(room, ino, 1, true, 'one').body.attributes.generation, other.generation)
})

test('a file that somebody appends to may be emptied, and the append does not count then', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 1)
  const append = { end: block + 5, expectedSize: block }
  const { generation, cuts } = reserved(room, ino, 2, true, 'one').body.attributes
  t.is(room.run(setattr, { ino, size: 0, ...slot }, [], 'two').body.attributes.size, 0)
  const late = () => commit(room, ino, { ...append, generation, cuts }, 'one')
  t.is(refused(t, late), 'STALE_WRITE')
})

test('inline data is moved to blocks by one client at a time', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const { change } = write(room, ino, 0, 'inline').attributes
  reserved(room, ino, 1, false, 'one')
  t.is(
    refused(t, () => reserved(room, ino, 1, false, 'two')),
    'CONFLICT',
  )
  t.true(commit(room, ino, { end: 99, spilled: change }, 'one').written)
  t.false(reserved(room, ino, 1, false, 'two').body.inline)
  const other = room.file('g')
  reserved(room, other.ino, 1, false, 'one')
  reserved(room, other.ino, 0, false, 'one')
  t.true(reserved(room, other.ino, 1, false, 'two').body.inline)
})

test('an append that is refused gives its grant back', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 1)
  reserved(room, ino, 2, true, 'one')
  t.is(
    refused(t, () => commit(room, ino, { end: block + 1, cuts: 9 }, 'one')),
    'STALE_WRITE',
  )
  t.notThrows(() => reserved(room, ino, 2, true, 'two'))
})

test('what is left of a removed file are its blocks, queued, or itself while it is open', async t => {
  const room = await openRoom()
  const ino = inBlocks(room, 'f', 2)
  room.sessions.renew('me', [{ ino, count: 1 }])
  const drop = (each: number) => {
    const context = room.partition.contextFor('me')
    dropLink(context, readInode(context.batch, each))
    void room.partition.stage(context.batch)
  }
  drop(ino)
  t.is(attributes(room, ino).nlink, 0)
  t.truthy(room.partition.store.get(orphanKey(0, ino)))
  const small = room.file('g')
  write(room, small.ino, 0, 'data')
  drop(small.ino)
  await room.partition.store.settled()
  const keys = [...room.double.content.keys()].filter(key => key.endsWith('\x11'))
  t.deepEqual(keys, [])
  t.is(room.partition.facts.inodes, 1)
})
