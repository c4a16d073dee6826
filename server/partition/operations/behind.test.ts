import test, { type ExecutionContext } from 'ava'
import { checksumBytes, writeChecksum } from '../../../network/wire/checksum.ts'
import { codeOf, openRoom, type Room, root, slot } from '../../testing/room.ts'
import { getattr } from './attributes.ts'
import { makeBehind, removeBehind, setBehind, writeBehind } from './behind.ts'
import { readInline } from './data.ts'

const nowNs = 1_700_000_000_123_456_789n
const caller = { mode: 0o100640, uid: 1, gid: 2 }

function make(room: Room, name: string, ino: number) {
  return room.run(makeBehind, {
    parent: root,
    name: Buffer.from(name),
    ...caller,
    ino,
    nowNs,
    ...slot,
  })
}

function remove(room: Room, name: string, ino: number) {
  return room.run(removeBehind, { parent: root, name: Buffer.from(name), ino, nowNs, ...slot })
}

function write(room: Room, ino: number, text: string, change: number, offset = 0) {
  const data = Buffer.from(text)
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, [data])
  return room.run(writeBehind, { ino, offset, checksum, change, nowNs, ...slot }, [data])
}

function refused(t: ExecutionContext, action: () => unknown): string {
  return codeOf(t.throws(action))
}

test('what a client has made, written and removed is as it said, by its number and its time', async t => {
  const room = await openRoom()
  const ino = room.partition.facts.allocateInos(4)
  const before = room.run(getattr, { ino: root }).body.attributes
  t.is(make(room, 'f', ino + 2).body.change, before.change + 1)
  const after = room.run(getattr, { ino: root }).body.attributes
  t.like(after, { size: 1, change: before.change + 1, mtimeNs: nowNs, ctimeNs: nowNs })
  t.like(room.run(getattr, { ino: ino + 2 }).body.attributes, {
    ...{ mode: 0o100640, nlink: 1, uid: 1, gid: 2, size: 0, change: 1 },
    ...{ atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs },
  })
  write(room, ino + 2, 'text', 1)
  const written = room.run(getattr, { ino: ino + 2 }).body.attributes
  t.like(written, { size: 4, change: 2, allocated: 4, mtimeNs: nowNs })
  t.is(Buffer.concat(room.run(readInline, { ino: ino + 2 }).payload).toString(), 'text')
  t.is(remove(room, 'f', ino + 2).body.change, before.change + 2)
  t.is(room.run(getattr, { ino: root }).body.attributes.size, 0)
})

test('a number that was not given out, or is in use, makes nothing', async t => {
  const room = await openRoom()
  const ino = room.partition.facts.allocateInos(2)
  make(room, 'f', ino)
  for (const bad of [ino, ino + 2, ino + 0.5, 3, -1, Number.NaN, 2 ** 40 + ino]) {
    t.is(
      refused(t, () => make(room, 'g', bad)),
      'EINVAL',
      `${bad}`,
    )
  }
  t.is(
    refused(t, () => make(room, 'f', ino + 1)),
    'EEXIST',
  )
  t.is(room.run(getattr, { ino: root }).body.attributes.size, 1)
})

test('of a name that leads to something else nothing is removed', async t => {
  const room = await openRoom()
  const ino = room.partition.facts.allocateInos(2)
  make(room, 'f', ino)
  t.is(
    refused(t, () => remove(room, 'f', ino + 1)),
    'ENOENT',
  )
  t.is(room.run(getattr, { ino: root }).body.attributes.size, 1)
})

test('a file that was changed since is not written over', async t => {
  const room = await openRoom()
  const ino = room.partition.facts.allocateInos(1)
  make(room, 'f', ino)
  write(room, ino, 'new', 1)
  t.is(
    refused(t, () => write(room, ino, 'old', 1)),
    'STALE_WRITE',
  )
  t.is(
    refused(t, () => write(room, ino, 'x', 2, 100_000)),
    'ESTALE',
  )
  t.is(Buffer.concat(room.run(readInline, { ino }).payload).toString(), 'new')
})

test('what a client has set is as it said, unless the file was changed since', async t => {
  const room = await openRoom()
  const ino = room.partition.facts.allocateInos(1)
  make(room, 'f', ino)
  const set = { mode: 0o600, uid: 5, mtimeNs: 7n, ctimeNs: nowNs + 1n }
  room.run(setBehind, { ino, nowNs, change: 1, ...set, ...slot })
  const { attributes } = room.run(getattr, { ino }).body
  t.like(attributes, { ...set, mode: 0o100600, gid: 2, atimeNs: nowNs, change: 2 })
  t.is(
    refused(t, () => room.run(setBehind, { ino, nowNs, change: 1, uid: 9, ...slot })),
    'STALE_WRITE',
  )
  const withSize = { ino, nowNs, change: 2, size: 10, ...slot }
  room.run(setBehind, withSize)
  t.is(room.run(getattr, { ino }).body.attributes.size, 0, 'a size is not set so')
  t.is(
    refused(t, () => room.run(setBehind, { ino: root, nowNs, change: 2, uid: 9, ...slot })),
    'EISDIR',
  )
})
