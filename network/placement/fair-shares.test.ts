import test from 'ava'
import { fairShares } from './fair-shares.ts'

test('shares follow weights', t => {
  t.deepEqual(fairShares([1, 1, 2], 1), [0.25, 0.25, 0.5])
})

test('nobody holds more than one copy, and the others share the rest', t => {
  t.deepEqual(fairShares([1, 1, 8], 2), [0.5, 0.5, 1])
})

test('as many copies as members puts one on each, and more do not change that', t => {
  t.deepEqual(fairShares([1, 5], 2), [1, 1])
  t.deepEqual(fairShares([1, 5], 9), [1, 1])
})
