import test from 'ava'
import { growthPercent } from './heap-room.ts'

const MiB = 1024 * 1024

test('the heap may grow by the same room whatever it keeps', t => {
  t.is(growthPercent(28 * MiB, 224 * MiB), 800)
  t.is(growthPercent(112 * MiB, 224 * MiB), 200)
})

test('what keeps next to nothing, or very much, grows by a share of it', t => {
  t.is(growthPercent(1 * MiB, 224 * MiB), 800)
  t.is(growthPercent(4096 * MiB, 224 * MiB), 50)
})
