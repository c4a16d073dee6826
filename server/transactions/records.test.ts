import test from 'ava'
import fc from 'fast-check'
import { ClusterError } from '../../network/errors.ts'
import { encodeBody } from '../../network/wire/codec.ts'
import { decodeDecision, decodeIntent, encodeDecision, encodeIntent } from './records.ts'

const keys = fc.uint8Array({ maxLength: 40 }).map(each => Buffer.from(each).toString('latin1'))
const values = fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 200 }))

test('a promise comes back as it was, whatever bytes its keys and values have', t => {
  const intents = fc.record({
    coordinator: fc.nat(4095),
    locked: fc.array(keys, { maxLength: 5 }),
    mutations: fc.array(fc.tuple(keys, values), { maxLength: 5 }),
    counts: fc.record({
      inodes: fc.integer(),
      blocks: fc.integer(),
      blockBytes: fc.integer(),
    }),
  })
  const property = fc.property(intents, intent => {
    t.deepEqual(decodeIntent(encodeIntent(intent)), intent)
  })
  fc.assert(property, { numRuns: 200 })
})

test('a decision comes back as it was', t => {
  t.deepEqual(decodeDecision(encodeDecision([3, 0, 4095])), [3, 0, 4095])
})

test('records that are none are refused', t => {
  const wrong = [{}, { coordinator: 1 }, { participants: ['a'] }, 5, null]
  for (const each of wrong) {
    const record = encodeBody(each)
    t.throws(() => decodeIntent(record), { instanceOf: ClusterError, message: /MALFORMED/ })
    t.throws(() => decodeDecision(record), { instanceOf: ClusterError, message: /MALFORMED/ })
  }
  t.throws(() => decodeIntent(new Uint8Array(0)), { instanceOf: ClusterError })
})
