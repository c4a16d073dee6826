import test from 'ava'
import fc from 'fast-check'
import { maxBehindPieces } from '../../network/limits.ts'
import { type Piece, type Taken, WriteBuffer } from './write-buffer.ts'

const blockBytes = 64
const bytes = (text: string) => Buffer.from(text)
const told = (pieces: readonly Piece[]) =>
  pieces.map(({ offset, data }) => [offset, Buffer.from(data).toString()])

test('what touches is joined, what lies over it counts, and pieces keep apart from other blocks', t => {
  const buffer = new WriteBuffer(blockBytes)
  buffer.add(10, bytes('aaaa'))
  buffer.add(14, bytes('bb'))
  buffer.add(8, bytes('cc'))
  buffer.add(11, bytes('dd'))
  buffer.add(30, bytes('e'))
  buffer.add(62, bytes('ffff'))
  t.is(buffer.bytes, 8 + 1 + 4)
  t.is(buffer.end, 66)
  t.deepEqual(told(buffer.take('all')), [
    [8, 'ccaddabb'],
    [30, 'e'],
    [62, 'ff'],
    [64, 'ff'],
  ])
  buffer.add(70, bytes('a'))
  buffer.add(71, bytes('b'))
  t.is(buffer.heldBytes, blockBytes - 6, 'it may grow to the end of its block')
  buffer.take('all')
  t.is(buffer.heldBytes, 0)
  t.is(buffer.bytes, 0)
  t.is(buffer.end, 0)
})

test('whole blocks are due, and are taken without what is not whole', t => {
  const buffer = new WriteBuffer(blockBytes)
  buffer.add(0, Buffer.alloc(blockBytes - 1, 'a'))
  t.false(buffer.isDue)
  t.deepEqual(buffer.take('whole'), [])
  buffer.add(blockBytes - 1, bytes('bcd'))
  t.true(buffer.isDue)
  const [whole, ...others] = buffer.take('whole')
  t.is(whole!.data.length, blockBytes)
  t.deepEqual(others, [])
  t.false(buffer.isDue)
  t.deepEqual(told(buffer.take('all')), [[blockBytes, 'cd']])
})

test('many pieces are due, though none is whole', t => {
  const buffer = new WriteBuffer(blockBytes)
  for (let index = 0; index < maxBehindPieces; index++) {
    t.false(buffer.isDue)
    buffer.add(2 * index, bytes('a'))
  }
  t.true(buffer.isDue)
  t.is(buffer.take('whole').length, maxBehindPieces)
  t.false(buffer.isDue)
})

test('it holds what was written last, knows what it has, and gives back what was lent', t => {
  const write = fc.record({
    offset: fc.nat({ max: 300 }),
    length: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 150 })),
    isLent: fc.boolean(),
  })
  // In the larger ones much is little: with memory of its own.
  const sizes = fc.constantFrom(64, 512)
  fc.assert(
    fc.property(
      fc.array(write, { maxLength: 40 }),
      sizes,
      fc.nat({ max: 39 }),
      (writes, blockBytes, takenAt) => {
        const buffer = new WriteBuffer(blockBytes)
        const file = new Map<number, number>()
        const servers = new Map<number, number>()
        const isWhole = new Set<number>()
        let lent = 0
        const take = (what: Taken) => {
          let end = -1
          for (const { offset, data, giveBack } of buffer.take(what)) {
            const last = offset + data.length - 1
            const isWithin = Math.floor(offset / blockBytes) === Math.floor(last / blockBytes)
            const touches = offset === end && offset % blockBytes > 0
            if (offset < end || touches || !isWithin) throw new Error('not apart')
            end = last + 1
            for (const [index, byte] of data.entries()) servers.set(offset + index, byte)
            isWhole.add(data.length)
            giveBack?.()
          }
        }
        for (const [index, write] of writes.entries()) {
          const { isLent } = write
          const offset = isLent ? write.offset - (write.offset % blockBytes) : write.offset
          const length = isLent ? Math.ceil(write.length / blockBytes) * blockBytes : write.length
          const data = Buffer.alloc(length, index + 1)
          if (isLent) {
            lent++
            buffer.addLent(offset, data, () => {
              lent--
              data.fill(0)
            })
          } else {
            buffer.add(offset, data)
            data.fill(0)
          }
          for (let at = offset; at < offset + length; at++) file.set(at, index + 1)
          if (!buffer.overlaps(offset + length - 1, 5)) throw new Error('it does not know')
          if (index === takenAt) take('whole')
        }
        if (isWhole.size > 1) throw new Error('not only whole blocks')
        let left = 0
        for (const at of file.keys()) if (servers.get(at) !== file.get(at)) left++
        if (left > buffer.bytes || buffer.bytes > buffer.heldBytes)
          throw new Error('not what there is')
        take('all')
        if (buffer.bytes + buffer.heldBytes !== 0 || buffer.isDue) throw new Error('not all')
        if (lent !== 0) throw new Error('not given back, or twice')
        for (const [at, byte] of file) if (servers.get(at) !== byte) throw new Error(`at ${at}`)
      },
    ),
  )
  t.pass()
})
