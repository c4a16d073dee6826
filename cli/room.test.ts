import test from 'ava'
import { metaReserveOf } from '../server/metadata/reserve.ts'
import { leastFreeOfNewBytes } from './room.ts'

test('a new cluster needs more room than its servers keep free', t => {
  for (const gibibytes of [0.1, 1, 10, 100, 10_000]) {
    const totalBytes = gibibytes * 2 ** 30
    t.true(leastFreeOfNewBytes(totalBytes) > metaReserveOf(totalBytes) * 1.25, `${gibibytes} GiB`)
  }
  t.is(leastFreeOfNewBytes(100 * 2 ** 20), 144 * 2 ** 20)
})
