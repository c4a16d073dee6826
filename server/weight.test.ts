import test from 'ava'
import { weightOf, weightOfBytes } from './weight.ts'

test('disks of nearly one size weigh the same, and none weighs nothing', t => {
  t.is(weightOfBytes(4_000_787_030_016), 3700)
  t.is(weightOfBytes(3_999_000_000_000), 3700)
  t.is(weightOfBytes(10 * 2 ** 30), 10)
  t.true(weightOfBytes(0) > 0)
})

test('a directory weighs as much as its disk', async t => {
  t.true((await weightOf('/')) > 0)
})
