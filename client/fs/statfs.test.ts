import test from 'ava'
import { sumOf } from './statfs.ts'

test('the free space of a disk counts once, though several servers share it', t => {
  const shares = [
    { disk: 'a', usedBytes: 10, freeBytes: 100, files: 1 },
    { disk: 'a', usedBytes: 20, freeBytes: 99, files: 2 },
    { disk: 'b', usedBytes: 5, freeBytes: 50, files: 3 },
  ]
  const expected = { totalBytes: 185, freeBytes: 150, availableBytes: 150, files: 6 }
  t.deepEqual(sumOf(shares), expected)
})
