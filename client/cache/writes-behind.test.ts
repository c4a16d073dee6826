import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import {
  behindFileBytes,
  behindMs,
  behindTotalBytes,
  maxBehindWriteBytes,
} from '../../network/limits.ts'
import type { Piece } from './write-buffer.ts'
import { WritesBehind } from './writes-behind.ts'

const blockBytes = 1024 * 1024
const block = Buffer.alloc(blockBytes)
const surface = {}

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const behind = new WritesBehind(env.timers)
  const sent: { pieces: readonly Piece[]; arrived: () => void }[] = []
  const sender = {
    surface,
    blockBytes,
    send: (pieces: readonly Piece[]) =>
      new Promise<void>(resolve => {
        sent.push({ pieces, arrived: resolve })
      }),
  }
  const add = (offset: number, data: Uint8Array, ino = 1) =>
    behind.add(ino, offset, data, () => sender)
  const lend = (offset: number, data: Uint8Array, giveBack: () => void) =>
    behind.add(1, offset, data, () => sender, giveBack)
  const isOver = async (promise: Promise<unknown> | null) => {
    let over = promise === null
    void promise?.then(() => {
      over = true
    })
    await env.advance(0)
    return over
  }
  return { env, behind, sent, add, lend, isOver }
}

test('what was written is sent a moment later, once', async t => {
  const { env, behind, sent, add, isOver } = setUp()
  add(0, Buffer.from('ab'))
  add(2, Buffer.from('c'))
  await env.advance(behindMs - 1)
  t.is(sent.length, 0)
  await env.advance(1)
  t.is(sent.length, 1)
  t.is(`${sent[0]!.pieces[0]!.data}`, 'abc')
  t.is(behind.endOf(1), 3)
  const left = behind.settled(1)
  t.false(await isOver(left))
  sent[0]!.arrived()
  t.true(await isOver(left))
  t.is(behind.settled(1), null)
  t.true(behind.isEmpty)
})

test('a block that was begun later waits for more to join it, and none for longer than the time', async t => {
  const { env, behind, sent, add } = setUp()
  add(0, Buffer.from('a'))
  await env.advance(behindMs - 1)
  add(10, Buffer.from('b'))
  add(blockBytes, Buffer.from('c'))
  await env.advance(1)
  const sentNow = () => sent.at(-1)!.pieces.map(({ data }) => `${data}`)
  t.deepEqual(sentNow(), ['a', 'b'])
  t.is(behind.endOf(1), blockBytes + 1)
  sent[0]!.arrived()
  add(blockBytes + 1, Buffer.from('d'))
  await env.advance(behindMs - 1)
  t.is(sent.length, 2)
  t.deepEqual(sentNow(), ['cd'])
  sent[1]!.arrived()
  await env.advance(0)
  t.true(behind.isEmpty)
})

test('what had its time while another flush was on its way follows it at once', async t => {
  const { env, sent, add } = setUp()
  add(0, block)
  add(blockBytes, Buffer.from('a'))
  await env.advance(behindMs)
  t.is(sent.length, 1)
  add(2 * blockBytes, block)
  sent[0]!.arrived()
  await env.advance(0)
  t.is(sent.length, 2)
  t.is(sent[1]!.pieces.length, 2, 'whole blocks do not keep it waiting')
})

test('whole blocks leave at once, one flush after the other, and all that was there is waited for', async t => {
  const { behind, sent, add, isOver } = setUp()
  add(0, block)
  add(blockBytes, block)
  add(2 * blockBytes, Buffer.from('rest'))
  t.is(sent.length, 1)
  t.is(sent[0]!.pieces.length, 1)
  const left = behind.settled(1)
  add(0, Buffer.from('later'))
  sent[0]!.arrived()
  t.false(await isOver(left))
  t.is(sent.length, 2)
  t.is(sent[1]!.pieces.length, 3, 'what came meanwhile goes along')
  sent[1]!.arrived()
  t.true(await isOver(left))
  t.true(behind.isEmpty)
})

test('when whole blocks were all there was, nothing is left', async t => {
  const { behind, sent, add, isOver } = setUp()
  add(0, block)
  const left = behind.settled(1)
  sent[0]!.arrived()
  t.true(await isOver(left))
  t.is(sent.length, 1)
  t.true(behind.isEmpty)
  add(0, Buffer.from('x'))
  t.false(await isOver(behind.settled(1)))
  t.is(sent.length, 2)
})

test('a read waits for what it would miss, and for nothing else', async t => {
  const { env, behind, sent, add } = setUp()
  add(100, Buffer.from('abc'))
  t.is(behind.settledFor(1, 1000, 0, 100), null)
  t.is(behind.settledFor(1, 1000, 103, 100), null)
  t.is(behind.settledFor(2, 1000, 100, 100), null)
  await env.advance(behindMs)
  t.is(sent.length, 1)
  t.not(behind.settledFor(1, 1000, 102, 100), null, 'also of what is on its way')
  t.not(behind.settledFor(1, 1000, 1000, 1), null, 'where the end may be another')
})

test('a writer waits for room in its file, and writes through where others have all of it', async t => {
  const { behind, sent, add, isOver } = setUp()
  const fill = (ino: number) => {
    for (let at = 0; at < behindFileBytes; at += blockBytes) add(at, block, ino)
  }
  t.is(behind.room(1, 1, surface), null)
  fill(1)
  const room = behind.room(1, 1, surface)
  t.true(room instanceof Promise)
  sent[0]!.arrived()
  t.true(await isOver(room as Promise<void>))
  t.is(behind.room(1, 1, surface), null)
  for (let ino = 2; ino <= behindTotalBytes / behindFileBytes; ino++) fill(ino)
  t.is(behind.room(99, maxBehindWriteBytes, surface), null, 'what has arrived left room')
  add(behindFileBytes, block, 1)
  t.is(behind.room(99, maxBehindWriteBytes, surface), false)
})

test('long writes are not taken', t => {
  const { behind } = setUp()
  t.is(behind.room(1, maxBehindWriteBytes, surface), null)
  t.is(behind.room(1, maxBehindWriteBytes + 1, surface), false)
})

test('long writes are taken where they are lent, and given back when they were sent', async t => {
  const { behind, sent, lend, isOver } = setUp()
  t.is(behind.room(1, 2 * blockBytes, surface, true), null)
  const given: string[] = []
  lend(0, Buffer.alloc(2 * blockBytes), () => given.push('first'))
  lend(2 * blockBytes, block, () => given.push('second'))
  t.is(sent[0]!.pieces.length, 2)
  lend(2 * blockBytes, block, () => given.push('third'))
  t.deepEqual(given, ['second'], 'what lies over it has come')
  sent[0]!.arrived()
  const left = behind.settled(1)
  t.false(await isOver(left))
  t.deepEqual(given, ['second', 'first'])
  sent[1]!.arrived()
  t.true(await isOver(left))
  t.deepEqual(given, ['second', 'first', 'third'])
})

test('what came by another surface goes first', async t => {
  const { behind, sent, add, isOver } = setUp()
  add(0, Buffer.from('x'))
  const room = behind.room(1, 1, {})
  t.false(await isOver(room as Promise<void>))
  sent[0]!.arrived()
  t.true(await isOver(room as Promise<void>))
  t.is(behind.room(1, 1, {}), null)
})

test('the memory that is held for pieces to grow in counts', async t => {
  const { behind, sent, add } = setUp()
  const part = Buffer.alloc(100 * 1024)
  let ino = 1
  while (behind.room(ino, part.length, surface) === null) {
    add(0, part, ino)
    add(part.length, Buffer.alloc(1), ino)
    ino++
  }
  void behind.settledAll()
  const held = sent.flatMap(({ pieces }) => pieces.map(({ data }) => data.buffer.byteLength))
  t.is(held.length, ino - 1)
  const heldBytes = held.reduce((sum, bytes) => sum + bytes, 0)
  t.true(heldBytes <= behindTotalBytes + blockBytes, `${heldBytes} bytes are held`)
  t.true(heldBytes > behindTotalBytes - blockBytes)
  for (const { arrived } of sent) arrived()
  await behind.settledAll()
  t.is(behind.room(1, part.length, surface), null)
})
