import test from 'ava'
import { decodeRows, encodeRows } from './rows.ts'

test('rows come back as they were: keys of any byte, deletions, empty values', t => {
  const rows = [
    { key: '\x00\xff\x80i', value: Uint8Array.from([1, 2, 3]) },
    { key: 'gone', value: null },
    { key: 'empty', value: new Uint8Array(0) },
  ]
  t.deepEqual(decodeRows(encodeRows(rows)), rows)
})

test('rows that are cut short are refused', t => {
  const encoded = encodeRows([{ key: 'key', value: Uint8Array.from([1, 2, 3]) }])
  for (let length = 1; length < encoded.length; length++) {
    t.throws(() => decodeRows(encoded.subarray(0, length)), { message: /MALFORMED/ })
  }
})
