import test from 'ava'
import fc from 'fast-check'
import { chunkBytes } from '../../network/limits.ts'
import type { BlockKey } from './contract.ts'
import {
  type BlockRecord,
  blockEnd,
  blockKeyOf,
  blockRange,
  decodeRecord,
  encodeRecord,
  parseBlockKey,
  partitionBlockRange,
  storedBytes,
} from './index.ts'

const keys = fc.record({
  partition: fc.integer({ min: 0, max: 4095 }),
  ino: fc.integer({ min: 1, max: 2 ** 52 - 1 }),
  generation: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  block: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
})

function orderOf(a: BlockKey, b: BlockKey): number {
  return (
    a.partition - b.partition || a.ino - b.ino || a.generation - b.generation || a.block - b.block
  )
}

test('keys are 19 bytes, say what they name, and order as their numbers do', t => {
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      const [textA, textB] = [blockKeyOf(a), blockKeyOf(b)]
      t.is(textA.length, 19)
      t.deepEqual(parseBlockKey(textA), a)
      t.is(Math.sign(orderOf(a, b)), textA < textB ? -1 : textA > textB ? 1 : 0)
    }),
    { numRuns: 200 },
  )
})

test('a range has all blocks of one generation and no others', t => {
  fc.assert(
    fc.property(keys, keys, (a, other) => {
      const [from, to] = blockRange(a.partition, a.ino, a.generation)
      const inside = (key: BlockKey) => from <= blockKeyOf(key) && blockKeyOf(key) < to
      t.true(inside(a))
      t.true(inside({ ...a, block: 0 }))
      t.true(inside({ ...a, block: 2 ** 40 - 1 }))
      t.is(inside(other), orderOf({ ...other, block: 0 }, { ...a, block: 0 }) === 0)
      t.false(inside({ ...a, generation: (a.generation + 1) % 2 ** 32 }))
      const [first, end] = partitionBlockRange(a.partition)
      t.true(first <= from && to <= end)
    }),
    { numRuns: 200 },
  )
})

test('numbers that no key has room for are refused', t => {
  const sound = { partition: 1, ino: 2 ** 40 + 1, generation: 0, block: 0 }
  const unsound = [
    { partition: 2 ** 16 },
    { ino: -1 },
    { ino: 1.5 },
    { generation: 2 ** 32 },
    { block: 2 ** 40 },
    { block: Number.NaN },
  ]
  for (const wrong of unsound) {
    t.throws(() => blockKeyOf({ ...sound, ...wrong }), { code: 'MALFORMED' })
  }
})

const chunks = fc.integer({ min: 1, max: 16 }).chain(units =>
  fc.record({
    length: fc.integer({ min: (units - 1) * 4096 + 1, max: units * 4096 }),
    checksum: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    extents: fc.integer({ min: 0, max: 2 ** 32 }).map(unit =>
      units === 1
        ? [{ unit, units }]
        : [
            { unit, units: 1 },
            { unit: unit + 7, units: units - 1 },
          ],
    ),
  }),
)
const records = fc
  .tuple(fc.array(fc.option(chunks), { maxLength: 20 }), chunks)
  .map(([head, last]) => [...head, last] as BlockRecord)

function plain(record: BlockRecord | null): unknown {
  return record?.map(chunk => chunk && { ...chunk, checksum: [...chunk.checksum] })
}

test('a record reads back as it was written', t => {
  fc.assert(
    fc.property(records, record => {
      t.deepEqual(plain(decodeRecord(encodeRecord(record))), plain(record))
      t.is(blockEnd(record), (record.length - 1) * chunkBytes + record.at(-1)!.length)
      t.true(storedBytes(record) <= blockEnd(record))
    }),
    { numRuns: 100 },
  )
})

test('a record that is cut short, too long or of another version is refused', t => {
  fc.assert(
    fc.property(records, fc.nat(), (record, at) => {
      const bytes = encodeRecord(record)
      t.is(decodeRecord(bytes.subarray(0, at % bytes.length)), null)
      t.is(decodeRecord(Buffer.concat([bytes, Buffer.alloc(1)])), null)
      t.is(decodeRecord(Uint8Array.from(bytes, (byte, index) => (index === 0 ? 2 : byte))), null)
    }),
    { numRuns: 50 },
  )
  t.is(decodeRecord(Uint8Array.of(1, 0)), null)
  t.is(decodeRecord(Uint8Array.of(1, 1, 0)), null)
})

test('any bytes decode to a sound record or to none', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      bytes[0] = 1
      const record = decodeRecord(bytes)
      t.true(record === null || record.length > 0)
    }),
  )
})
