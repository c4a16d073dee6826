import test from 'ava'
import { maxBlockBytes } from '../limits.ts'
import {
  decodeFacts,
  encodeFacts,
  largestBytesOf,
  lastBytesOf,
  packBytes,
  rowsIn,
} from './facts.ts'

const facts = Array.from({ length: 5 }, (_, i) => ({
  kind: 4,
  ino: i + 1,
  a: -i,
  b: 2 ** 50,
  c: 0.5,
}))

test('facts come back as they were, however their payload is cut', t => {
  const bytes = encodeFacts(facts)
  for (let cut = 0; cut <= bytes.length; cut++) {
    t.deepEqual(decodeFacts(rowsIn([bytes.subarray(0, cut), bytes.subarray(cut)])), facts)
  }
  t.deepEqual(decodeFacts(rowsIn([])), [])
})

test('a payload that ends within a row is refused', t => {
  const bytes = encodeFacts(facts)
  t.throws(() => rowsIn([bytes.subarray(0, 65)]), { code: 'MALFORMED' })
})

test('bytes of blocks of any size are told to the last one', t => {
  for (const last of [0, 1, 5, maxBlockBytes / 2 + 3, maxBlockBytes - 1, maxBlockBytes]) {
    for (const largest of [last, maxBlockBytes - 1, maxBlockBytes]) {
      const packed = packBytes(last, largest)
      t.is(lastBytesOf(packed), last)
      t.is(largestBytesOf(packed), largest)
    }
  }
})
