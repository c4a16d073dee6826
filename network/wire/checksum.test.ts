import test from 'ava'
import fc from 'fast-check'
import { checksum64, checksumsOf, cutAtChunks, sameChecksums, writeChecksum } from './checksum.ts'
import { xxhash64 } from './xxhash64.ts'

// The same cases every time: a failure is the code's, never the day's.
fc.configureGlobal({ seed: 20_260_101 })

const ascii = (text: string) => new TextEncoder().encode(text)

test('checksums are xxHash64 with seed 0', t => {
  // Vectors of the reference implementation (github.com/Cyan4973/xxHash).
  t.is(checksum64(ascii('')), 0xef46db3751d8e999n)
  t.is(checksum64(ascii('a')), 0xd24ec4f1a98c6e5bn)
  t.is(checksum64(ascii('abc')), 0x44bc2cf5ad770999n)
})

test('a checksum is stored little-endian at its offset and touches nothing else', t => {
  const target = new Uint8Array(12).fill(1)
  writeChecksum(target, 2, [ascii('a'), ascii('bc')])
  t.deepEqual([...target], [1, 1, 0x99, 0x09, 0x77, 0xad, 0xf5, 0x2c, 0xbc, 0x44, 1, 1])
  t.throws(() => writeChecksum(target, 5, []))
})

const cases = fc.record({
  data: fc.uint8Array({ maxLength: 400 }),
  cuts: fc.array(fc.nat(400), { maxLength: 6 }),
  offset: fc.nat(200),
  chunkBytes: fc.integer({ min: 1, max: 64 }),
})

function cutAnywhere(data: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const borders = [0, ...cuts.map(cut => Math.min(cut, data.length)), data.length]
  borders.sort((a, b) => a - b)
  return borders.slice(1).map((border, i) => data.subarray(borders[i], border))
}

test('segments end at the chunk borders of the block, wherever pieces are cut', t => {
  fc.assert(
    fc.property(cases, ({ data, cuts, offset, chunkBytes }) => {
      const segments = cutAtChunks(cutAnywhere(data, cuts), offset, chunkBytes)
      const whole = segments.map(segment => Buffer.concat(segment))
      t.deepEqual([...Buffer.concat(whole)], [...data])
      let at = offset
      for (const segment of whole) {
        t.true(segment.length > 0)
        t.is(Math.floor(at / chunkBytes), Math.floor((at + segment.length - 1) / chunkBytes))
        at += segment.length
        t.true(at === offset + data.length || at % chunkBytes === 0)
      }
      const expected = Buffer.alloc(whole.length * 8)
      for (const [i, segment] of whole.entries()) {
        expected.writeBigUInt64LE(checksum64(segment), i * 8)
      }
      const checksums = checksumsOf(cutAnywhere(data, cuts), offset, chunkBytes)
      t.true(sameChecksums(checksums, expected))
    }),
    { numRuns: 300 },
  )
})

test('data hashed where it lies, however it is cut, has the checksum of the whole', t => {
  const pieces = fc.record({
    data: fc.uint8Array({ maxLength: 5000 }),
    cuts: fc.array(fc.nat(5000), { maxLength: 5 }),
  })
  fc.assert(
    fc.property(pieces, ({ data, cuts }) => {
      const target = Buffer.alloc(8)
      writeChecksum(target, 0, cutAnywhere(data, cuts))
      t.is(target.readBigUInt64LE(), checksum64(data))
    }),
    { numRuns: 300 },
  )
})

test('the addon refuses what is not bytes, and what has no room for its answer', t => {
  const bytes = new Uint8Array(100)
  const words = new Uint16Array(4) as unknown as Uint8Array
  t.throws(() => xxhash64.checksum(bytes, words, new Uint8Array(8)), { instanceOf: TypeError })
  t.throws(() => xxhash64.checksum(bytes, bytes, new Uint8Array(7)), { instanceOf: TypeError })
  t.throws(() => xxhash64.checksums([bytes], 50, 50, new Uint8Array(15)), { instanceOf: TypeError })
  t.throws(() => xxhash64.checksums([bytes], 0, 50, new Uint8Array(16)), { instanceOf: TypeError })
  t.throws(() => xxhash64.checksums([words], 50, 50, new Uint8Array(16)), { instanceOf: TypeError })
})

test('one changed bit changes the checksum', t => {
  const data = new Uint8Array(70_000).fill(5)
  const before = checksumsOf([data], 0, 65_536)
  data[69_999]! ^= 1
  const after = checksumsOf([data], 0, 65_536)
  t.false(sameChecksums(before, after))
  t.true(sameChecksums(before.subarray(0, 8), after.subarray(0, 8)))
  t.false(sameChecksums(before, before.subarray(0, 8)))
})
