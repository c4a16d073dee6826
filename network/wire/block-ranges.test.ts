import test from 'ava'
import fc from 'fast-check'
import { chunkBytes, maxBlockBytes, maxWritePieces } from '../limits.ts'
import {
  assertRanges,
  checksumsOfPieces,
  packRanges,
  piecesOf,
  unpackRanges,
} from './block-ranges.ts'
import { checksumsOf } from './checksum.ts'

const malformed = { code: 'MALFORMED' }

test('ranges travel as they are', t => {
  const ranges = [
    { offset: 0, length: 1 },
    { offset: 1, length: 100 },
    { offset: 47_008, length: maxBlockBytes - 47_008 },
  ]
  t.deepEqual(unpackRanges(packRanges(ranges)), ranges)
})

test('what is not in order, has a byte twice or none, or is beyond a block is refused', t => {
  const refused: readonly (readonly number[])[] = [
    [],
    [0],
    [0, 0],
    [0, -1],
    [-1, 1],
    [0.5, 1],
    [0, 1.5],
    [0, Number.NaN],
    [0, 10, 9, 1],
    [5, 1, 0, 1],
    [maxBlockBytes, 1],
    [0, maxBlockBytes + 1],
  ]
  for (const packed of refused) t.throws(() => unpackRanges(packed), malformed, `${packed}`)
  t.throws(() => unpackRanges('0101' as unknown as number[]), malformed)
  t.throws(() => unpackRanges(undefined as unknown as number[]), malformed)
  const many = Array.from({ length: maxWritePieces }, (_, index) => [2 * index, 1])
  t.is(unpackRanges(many.flat()).length, maxWritePieces)
  t.throws(() => unpackRanges([...many, [2 * maxWritePieces, 1]].flat()), malformed)
  t.throws(() => assertRanges([]), malformed)
})

test('a payload that is cut anywhere has the bytes of each range, and one of another length is refused', t => {
  const lengths = fc.array(fc.tuple(fc.nat(70_000), fc.integer({ min: 1, max: 70_000 })), {
    minLength: 1,
    maxLength: 6,
  })
  const cuts = fc.array(fc.nat(400_000), { maxLength: 5 })
  fc.assert(
    fc.property(lengths, cuts, (apart, cuts) => {
      let end = 0
      const ranges = apart.map(([gap, length]) => {
        const offset = end + gap
        end = offset + length
        return { offset, length }
      })
      const data = ranges.map(({ length }, index) => Buffer.alloc(length, index + 1))
      const all = Buffer.concat(data)
      const at = [0, ...cuts.sort((a, b) => a - b), all.length]
      const payload = at.slice(1).map((to, index) => all.subarray(at[index], to))
      const pieces = piecesOf(ranges, payload)
      for (const [index, piece] of pieces.entries()) {
        if (!Buffer.concat(piece).equals(data[index]!)) throw new Error(`range ${index}`)
      }
      const sums = Buffer.from(checksumsOfPieces(ranges, pieces))
      const each = ranges.map(({ offset }, index) =>
        checksumsOf([data[index]!], offset, chunkBytes),
      )
      if (!sums.equals(Buffer.concat(each))) throw new Error('checksums')
      t.throws(() => piecesOf(ranges, [...payload, Buffer.alloc(1)]), malformed)
      t.throws(() => piecesOf(ranges, [all.subarray(1)]), malformed)
    }),
    { numRuns: 50 },
  )
})
