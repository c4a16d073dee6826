import test from 'ava'
import fc from 'fast-check'
import { chunkBytes } from '../../network/limits.ts'
import {
  type BlockRecord,
  blockEnd,
  decodeRecord,
  encodeRecord,
  type StoredChunk,
  storedBytes,
  type Unsynced,
} from './record.ts'

const syncedChunks: fc.Arbitrary<StoredChunk> = fc.integer({ min: 1, max: 16 }).chain(units =>
  fc.record({
    length: fc.integer({ min: (units - 1) * 4096 + 1, max: units * 4096 }),
    checksum: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    unsynced: fc.constant(null),
    unwritten: fc.boolean(),
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
const places = fc.option(syncedChunks)
const newChanges = fc.oneof(
  fc.constant(2 ** 47),
  fc.integer({ min: 2 ** 47 - 2 ** 31, max: 2 ** 47 }),
)
const changedOnce = fc.tuple(syncedChunks, newChanges, places).map(([chunk, change, fallback]) => ({
  ...chunk,
  unsynced: { change, fallback },
  unwritten: false,
}))
const changedTwice = fc
  .tuple(syncedChunks, newChanges, syncedChunks, fc.integer({ min: 1, max: 1000 }), places)
  .map(([chunk, change, before, age, fallback]) => ({
    ...chunk,
    unwritten: false,
    unsynced: {
      change,
      fallback: { ...before, unwritten: false, unsynced: { change: change - age, fallback } },
    },
  }))
const chunks = fc.oneof(syncedChunks, changedOnce, changedTwice)
const records = fc
  .tuple(fc.array(fc.option(chunks), { maxLength: 20 }), chunks)
  .map(([head, last]) => [...head, last] as BlockRecord)

function plain(record: BlockRecord | null): unknown {
  return record?.map(plainChunk)
}

function plainChunk(chunk: StoredChunk | null): unknown {
  if (!chunk) return null
  const { change, fallback } = chunk.unsynced ?? {}
  const before = chunk.unsynced && plainChunk(fallback ?? null)
  return { ...chunk, checksum: [...chunk.checksum], unsynced: change, before }
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
      t.is(decodeRecord(Uint8Array.from(bytes, (byte, index) => (index === 0 ? 1 : byte))), null)
    }),
    { numRuns: 50 },
  )
  t.is(decodeRecord(Uint8Array.of(2, 0)), null)
  t.is(decodeRecord(Uint8Array.of(2, 1, 0, 0, 0, 0, 0, 0, 0)), null)
})

test('any bytes decode to a sound record or to none', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      bytes[0] = 2
      bytes.fill(0, 3, 8)
      const record = decodeRecord(bytes)
      t.true(record === null || record.length > 0)
    }),
  )
})

test('a fallback that is not older than its chunk, or one too many, is refused', t => {
  const checksum = new Uint8Array(8)
  const chunk = (change: number, fallback: StoredChunk | null): StoredChunk => {
    const extents = [{ unit: 1, units: 1 }]
    return { length: 1, checksum, extents, unsynced: { change, fallback }, unwritten: false }
  }
  const decoded = (...record: StoredChunk[]) => decodeRecord(encodeRecord(record))
  t.truthy(decoded(chunk(3, chunk(2, null))))
  t.is(decoded(chunk(3, chunk(3, null))), null)
  t.is(decoded(chunk(2, chunk(3, null)), chunk(4, null)), null)
  t.is(decoded(chunk(3, chunk(2, chunk(1, null)))), null)
})

test('what a whole new block adds to its record is a byte for each chunk and its number', t => {
  const checksum = new Uint8Array(8)
  const block = (unsynced: Unsynced | null) =>
    Array.from({ length: 16 }, (_, at): StoredChunk => {
      const extents = [{ unit: 16 * at, units: 16 }]
      return { length: chunkBytes, checksum, extents, unsynced, unwritten: false }
    })
  const synced = encodeRecord(block(null)).length
  t.is(encodeRecord(block({ change: 7, fallback: null })).length, synced + 16)
})
