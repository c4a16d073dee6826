import test from 'ava'
import fc from 'fast-check'
import type { BlockKey } from './contract.ts'
import {
  blockKeyOf,
  blocksBetween,
  decodeSyncedChange,
  encodeSyncedChange,
  parseBlockKey,
  partitionBlockRange,
  syncedChangeKey,
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
      const [from, to] = blocksBetween({ ...a, block: 0 }, Number.MAX_SAFE_INTEGER)
      const inside = (key: BlockKey) => from <= blockKeyOf(key) && blockKeyOf(key) < to
      t.true(inside(a))
      t.true(inside({ ...a, block: 0 }))
      t.true(inside({ ...a, block: 2 ** 40 - 1 }))
      t.is(inside(other), orderOf({ ...other, block: 0 }, { ...a, block: 0 }) === 0)
      t.false(inside({ ...a, generation: (a.generation + 1) % 2 ** 32 }))
      const [first, end] = partitionBlockRange(a.partition)
      t.true(first <= from && to <= end)
      const [behind, above] = blocksBetween(a, a.block + 5)
      const within = (block: number) => {
        const key = blockKeyOf({ ...a, block })
        return behind <= key && key < above
      }
      t.true(within(a.block))
      t.is(within(Math.max(0, a.block - 1)), a.block === 0)
      if (a.block < 2 ** 40 - 5)
        t.deepEqual([within(a.block + 4), within(a.block + 5)], [true, false])
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

test('the number of the last synced change reads back, and sorts behind every block', t => {
  for (const change of [0, 1, 2 ** 32, 2 ** 48 - 1]) {
    t.is(decodeSyncedChange(encodeSyncedChange(change)), change)
  }
  t.throws(() => decodeSyncedChange(new Uint8Array(5)), { code: 'DISK' })
  const [, end] = partitionBlockRange(2 ** 16 - 1)
  t.true(end < syncedChangeKey)
})
