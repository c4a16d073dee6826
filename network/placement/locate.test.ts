import test from 'ava'
import { entryHash, partitionOfBlock, partitionOfDirectory } from './locate.ts'

const encoder = new TextEncoder()

/** Sum of (seen - expected)² / expected; its mean is slots - 1, its deviation sqrt(2 (slots - 1)). */
function chiSquare(values: Iterable<number>, slots: number): number {
  const seen = new Array<number>(slots).fill(0)
  let count = 0
  for (const value of values) {
    seen[value]!++
    count++
  }
  const expected = count / slots
  return seen.reduce((sum, found) => sum + (found - expected) ** 2 / expected, 0)
}

function* upTo<T>(count: number, map: (index: number) => T): Generator<T> {
  for (let index = 0; index < count; index++) yield map(index)
}

/** Five deviations: reached by chance once in millions of tries, and the inputs are fixed. */
const limit256 = 255 + 5 * Math.sqrt(2 * 255)

test('blocks of one file spread evenly', t => {
  const blocks = upTo(50_000, block => partitionOfBlock(2 ** 40 + 17, 1, block, 256))
  t.true(chiSquare(blocks, 256) < limit256)
})

test('first blocks of many files spread evenly', t => {
  const blocks = upTo(50_000, file => partitionOfBlock(3 * 2 ** 40 + file, 0, 0, 256))
  t.true(chiSquare(blocks, 256) < limit256)
})

test('directories of like names spread evenly', t => {
  const names = upTo(50_000, n => partitionOfDirectory(16, encoder.encode(`dir.${n}`), 256))
  t.true(chiSquare(names, 256) < limit256)
})

test('a partition count that is no power of two is spread over evenly as well', t => {
  const blocks = upTo(50_000, block => partitionOfBlock(99, 0, block, 100))
  t.true(chiSquare(blocks, 100) < 99 + 5 * Math.sqrt(2 * 99))
})

test('entry hashes spread evenly in their upper and in their lower bits', t => {
  const hashes = [...upTo(50_000, n => entryHash(encoder.encode(`file-${n}`)))]
  t.true(
    chiSquare(
      hashes.map(hash => hash % 256),
      256,
    ) < limit256,
  )
  t.true(
    chiSquare(
      hashes.map(hash => Math.floor(hash / 2 ** 40)),
      256,
    ) < limit256,
  )
  t.true(hashes.every(hash => Number.isSafeInteger(hash) && hash > 0 && hash < 2 ** 48))
  t.is(new Set(hashes).size, hashes.length)
})

test('generation, block and inode each change where a block lives', t => {
  const many = (at: (n: number) => number) => new Set(upTo(64, at)).size
  t.true(many(n => partitionOfBlock(5, n, 0, 4096)) > 60)
  t.true(many(n => partitionOfBlock(5, 0, n, 4096)) > 60)
  t.true(many(n => partitionOfBlock(n * 2 ** 40, 0, 0, 4096)) > 60)
})

test('a name is hashed for its bytes, not for what was hashed before it', t => {
  const long = new Uint8Array(255).fill(97)
  const before = partitionOfDirectory(1, encoder.encode('a'), 4096)
  partitionOfDirectory(1, long, 4096)
  t.is(partitionOfDirectory(1, encoder.encode('a'), 4096), before)
  t.throws(() => partitionOfDirectory(1, new Uint8Array(256), 4096))
})

test('locations are what they have always been', t => {
  t.is(partitionOfDirectory(1, encoder.encode('volume'), 256), 172)
  t.is(partitionOfDirectory(2 ** 52 - 1, Uint8Array.of(0xff, 0xfe), 4096), 2164)
  t.is(partitionOfBlock(16, 0, 0, 256), 151)
  t.is(partitionOfBlock(255 * 2 ** 40 + 123_456, 7, 2 ** 33, 4096), 3787)
})

test('entry hashes are the low 48 bits of the published xxHash64 vectors', t => {
  t.is(entryHash(new Uint8Array(0)), 0xdb3751d8e999)
  t.is(entryHash(encoder.encode('abc')), 0x2cf5ad770999)
})
