import test from 'ava'
import { Counts } from './counts.ts'

test('what was added as often as it was taken away is not kept', t => {
  const counts = new Counts<number>()
  t.deepEqual([counts.add(7), counts.add(7, 2), counts.add(8)], [1, 3, 1])
  t.deepEqual(
    [...counts],
    [
      [7, 3],
      [8, 1],
    ],
  )
  t.deepEqual([counts.subtract(7), counts.subtract(7, 2)], [2, 0])
  t.deepEqual([counts.size, counts.has(7), counts.of(7), counts.of(8)], [1, false, 0, 1])
})

test('of what there is none there are never fewer', t => {
  const counts = new Counts<string>()
  t.is(counts.subtract('a'), 0)
  counts.add('a')
  t.is(counts.subtract('a', 5), 0)
  t.is(counts.add('a'), 1)
})

test('to add nothing keeps nothing', t => {
  const counts = new Counts<string>()
  t.is(counts.add('a', 0), 0)
  t.false(counts.has('a'))
})
