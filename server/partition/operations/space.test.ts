/** What an inode says of the space that its data takes, and holes in inline data. */
import test from 'ava'
import type { CommitWriteRequest, SetattrRequest } from '../../../network/wire/operations.ts'
import { cutKey } from '../../metadata/keys.ts'
import { codeOf, inlineWrite, openRoom, type Room, slot } from '../../testing/room.ts'
import { getattr, setattr } from './attributes.ts'
import { commitWrite, punchInline, readInline, reserve, writeInline } from './data.ts'

const block = 65_536

function attributes(room: Room, ino: number) {
  return room.run(getattr, { ino }).body.attributes
}

function write(room: Room, ino: number, offset: number, text: string) {
  const data = Buffer.from(text)
  return room.run(writeInline, inlineWrite(ino, offset, data), [data]).body
}

function punch(room: Room, ino: number, offset: number, length: number) {
  const request = { ino, offset, length, killPrivileges: false, ...slot }
  return room.run(punchInline, request).body
}

function content(room: Room, ino: number): string {
  const { payload } = room.run(readInline, { ino })
  return Buffer.concat(payload).toString().replaceAll('\0', '.')
}

function commit(room: Room, ino: number, more: Partial<CommitWriteRequest>) {
  const { generation, cuts } = attributes(room, ino)
  const rest = { expectedSize: -1, reach: 0, spilled: 0, killPrivileges: false, allocated: 0 }
  const request = { ino, end: 0, generation, cuts, ...rest, ...slot, ...more }
  return room.run(commitWrite, request).body.attributes
}

function set(room: Room, ino: number, more: Partial<SetattrRequest>) {
  return room.run(setattr, { ino, ...more, ...slot }).body.attributes
}

test('a hole in inline data keeps the size, and what it covers at the end is not stored', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  write(room, ino, 0, 'abcdefghij')
  const before = attributes(room, ino)
  t.is(before.allocated, 10)
  const punched = punch(room, ino, 2, 3)
  t.true(punched.written)
  t.is(punched.previousChange, before.change)
  t.like(punched.attributes, { size: 10, allocated: 10, change: before.change + 1 })
  t.is(content(room, ino), 'ab...fghij')
  t.like(punch(room, ino, 6, 2 ** 50).attributes, { size: 10, allocated: 6 })
  t.is(content(room, ino), 'ab...f')
  t.like(punch(room, ino, 50, 10).attributes, { size: 10, allocated: 6 })
  t.like(punch(room, ino, 0, 100).attributes, { size: 10, allocated: 0 })
  t.is(content(room, ino), '')
})

test('a file in blocks has no inline data to be punched', async t => {
  const room = await openRoom()
  const { ino, change } = room.file('f')
  room.run(reserve, { ino, reach: 1, exclusive: false, ...slot })
  commit(room, ino, { end: block, spilled: change, allocated: block })
  const { written, attributes: after } = punch(room, ino, 0, 10)
  t.false(written)
  t.like(after, { size: block, allocated: block })
})

test('ranges that are none are refused', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  for (const [offset, length] of [
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [0, Number.NaN],
  ] as const) {
    t.is(codeOf(t.throws(() => punch(room, ino, offset, length))), 'MALFORMED')
  }
})

test('what blocks took and gave back adds up, and never to less than nothing', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  write(room, ino, 0, 'inline')
  const { change } = attributes(room, ino)
  room.run(reserve, { ino, reach: 4, exclusive: false, ...slot })
  t.is(commit(room, ino, { end: block, spilled: change, allocated: 4096 }).allocated, 4096)
  t.is(commit(room, ino, { end: 2 * block, allocated: block }).allocated, block + 4096)
  t.is(commit(room, ino, { allocated: -block }).allocated, 4096)
  t.is(commit(room, ino, { allocated: -block }).allocated, 0)
  for (const allocated of [0.5, Number.NaN, Infinity, 2 ** 60]) {
    t.is(codeOf(t.throws(() => commit(room, ino, { allocated }))), 'MALFORMED')
  }
  t.is(commit(room, ino, { allocated: 4096 }).allocated, 4096)
  t.like(set(room, ino, { size: 0 }), { size: 0, allocated: 0 })
})

test('a truncation to the size that the file has lets nothing behind its end stay', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  write(room, ino, 0, 'inline')
  const { change, cuts } = attributes(room, ino)
  t.is(set(room, ino, { size: 6 }).cuts, cuts, 'beside the inode there is nothing')
  room.run(reserve, { ino, reach: 4, exclusive: false, ...slot })
  commit(room, ino, { end: 0, spilled: change + 1, allocated: 4 * block })
  t.is(set(room, ino, { size: 6 }).cuts, cuts + 1)
  t.true(room.partition.store.get(cutKey(0, ino)) !== undefined)
  const { generation } = set(room, ino, { size: 0 })
  room.run(reserve, { ino, reach: 4, exclusive: false, ...slot })
  commit(room, ino, { spilled: attributes(room, ino).change, allocated: 4 * block })
  t.like(set(room, ino, { size: 0 }), { reach: 0, allocated: 0, generation: generation + 1 })
})

test('inline data that is cut or lengthened takes what is left of it', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  write(room, ino, 0, 'abcdefghij')
  t.is(set(room, ino, { size: 4 }).allocated, 4)
  t.is(set(room, ino, { size: 1_000 }).allocated, 4)
  t.is(set(room, ino, { size: 0 }).allocated, 0)
})
